import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { SignalingConfig } from '../../signaling/config.ts';
import type { Host } from './network.ts';

const SIGNALING = fileURLToPath(new URL('../../transport/testing/signaling-child.ts', import.meta.url));
const Url = z.object({ url: z.string() });

/** A server on a host. Disposing ends it. */
interface HostServer extends AsyncDisposable {
  url: string;
}

/** The real signaling server with backends in memory, on a host. */
export async function startSignaling(host: Host, ice?: SignalingConfig['ice']): Promise<HostServer> {
  const child = host.node(SIGNALING, [host.address, ...(ice === undefined ? [] : [JSON.stringify(ice)])], {
    stdin: 'ignore',
    stderr: 'inherit',
    reject: false,
    buffer: false,
  });
  const [line] = await once(child.stdout, 'data');
  return { url: Url.parse(JSON.parse(String(line))).url, [Symbol.asyncDispose]: () => end(child) };
}

const TURN_PORT = 3478;
const UNTIL_IT_LISTENS = `const [, host, port] = process.argv;
const ask = () => require('node:net').connect({ host, port }, () => process.exit()).on('error', () => setTimeout(ask, 50));
ask();`;

/** coturn on a host, as STUN and TURN server over UDP and TCP. Its `url` is the TURN one, without a transport. */
export async function startCoturn(
  host: Host,
  { program, secret, dir }: { program: string; secret: string; dir: string },
) {
  const args = [
    ...['-n', '--no-tls', '--no-dtls', '--no-cli', '--fingerprint', '--log-file=stdout', '--realm=test.invalid'],
    ...[`--listening-ip=${host.address}`, `--relay-ip=${host.address}`, `--listening-port=${TURN_PORT}`],
    // One machine's coturn guesses its threads from the cores; two do for two peers.
    ...['--relay-threads=2', '--use-auth-secret', `--static-auth-secret=${secret}`],
    ...[`--userdb=${dir}/turndb`, `--pidfile=${dir}/turn.pid`],
  ];
  const child = host.run(program, args, { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore', reject: false });
  const ended = child.then(({ exitCode }) => Promise.reject(new Error(`coturn ended with ${exitCode}`)));
  await Promise.race([ended, host.run(process.execPath, ['-e', UNTIL_IT_LISTENS, host.address, String(TURN_PORT)])]);
  ended.catch(() => undefined);
  return {
    url: `turn:${host.address}:${TURN_PORT}`,
    stunUrl: `stun:${host.address}:${TURN_PORT}`,
    [Symbol.asyncDispose]: () => end(child),
  };
}

async function end(child: { kill(signal: 'SIGKILL'): boolean } & PromiseLike<unknown>): Promise<void> {
  child.kill('SIGKILL');
  await child;
}
