import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { findOnPath } from '../processes/find-on-path.ts';
import { freePort } from '../processes/ports.ts';
import { type ServerOptions, startServer } from './start-server.ts';

/** The addresses of a TURN (and STUN) server, and the secret from which time-limited credentials are made. */
export interface TurnServer extends AsyncDisposable {
  /** `turn:` URL over UDP. */
  url: string;
  /** `stun:` URL of the same server. */
  stunUrl: string;
  /** The shared secret of the TURN REST scheme: password = base64(HMAC-SHA1(secret, "expiry:user")). */
  secret: string;
  realm: string;
  pid: number;
  stop(): Promise<void>;
}

const REALM = 'sleap-rtc.local';

/** Starts coturn, or returns undefined if the machine has no `turnserver`: one machine can do without a relay. */
export async function startTurn(options: ServerOptions): Promise<TurnServer | undefined> {
  const turnserver = await findOnPath('turnserver');
  if (turnserver === undefined) return undefined;
  const dataDir = join(options.dir, 'turn');
  await mkdir(dataDir, { recursive: true });
  const configFile = join(dataDir, 'turnserver.conf');
  const secret = randomBytes(24).toString('base64url');
  const { child, health: port } = await startServer('turn', options, async () => {
    const listeningPort = await freePort();
    await writeFile(configFile, configuration(listeningPort, secret, dataDir), { mode: 0o600 });
    return {
      command: turnserver,
      args: ['-c', configFile],
      healthy: async () => ((await accepts(listeningPort)) ? listeningPort : undefined),
    };
  });
  const stop = (): Promise<void> => child.stop();
  const address = `127.0.0.1:${port}`;
  return {
    url: `turn:${address}?transport=udp`,
    stunUrl: `stun:${address}`,
    secret,
    realm: REALM,
    pid: child.pid,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** In a file rather than arguments, which every user of the machine can see. */
function configuration(port: number, secret: string, dataDir: string): string {
  return [
    'listening-ip=127.0.0.1',
    'relay-ip=127.0.0.1',
    `listening-port=${port}`,
    `realm=${REALM}`,
    'use-auth-secret',
    `static-auth-secret=${secret}`,
    'no-tls',
    'no-dtls',
    'no-cli',
    'fingerprint',
    'log-file=stdout',
    `userdb=${join(dataDir, 'turndb')}`,
    `pidfile=${join(dataDir, 'turn.pid')}`,
    'allow-loopback-peers', // both peers are on this machine
    '',
  ].join('\n');
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
