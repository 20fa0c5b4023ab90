/**
 * One side of a transfer in its own process, for tests: `node transfer-child.ts ROLE SERVER PEER FOLDER`.
 * `receive` is the worker's part (it connects), `receive-again` tries again until it has all; `send` and `idle` are the
 * client's; `receive-half` and `send-half` kill themselves during it. Reports JSON lines on stdout.
 */
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SleapRtcError } from '../../protocol/errors.ts';
import type { DataChannel, PeerConnection } from '../connection/connection.ts';
import { acceptPeers, connectPeer, describeFiles, readWebRtcChoice, receiveFiles, sendFiles } from '../index.ts';
import { join as joinRoom } from './join.ts';

const [role, serverUrl, peerId, folder] = process.argv.slice(2);
if (serverUrl === undefined || peerId === undefined || folder === undefined) throw new Error('too few arguments');
const isReceiver = role?.startsWith('receive') === true;
const signaling = await joinRoom(serverUrl, isReceiver ? 'worker-1' : peerId, {
  webRtc: readWebRtcChoice(process.env),
});

if (role === 'receive-again') {
  await againUntilDone(receive);
  await signaling.close();
} else if (isReceiver) {
  await receive();
  await signaling.close();
} else {
  acceptPeers(signaling, role?.startsWith('send') ? reporting(serve) : (connection) => connection.closed);
  report({ ready: true });
}

async function receive(): Promise<void> {
  const startedAt = performance.now();
  const connection = await connectPeer(signaling, {
    peerId: String(peerId),
    purpose: { job_id: 'job00001', kind: 'dataset' },
  });
  try {
    report({ connected_ms: Math.round(performance.now() - startedAt), route: connection.route });
    const channel = await connection.openChannel('dataset');
    const idleMb = memoryMb('VmRSS');
    const files = await receiveFiles(role === 'receive-half' ? fatalChannel(channel) : channel, String(folder), {
      onProgress: (progress) => report({ progress }),
    });
    report({ above_idle_mb: memoryMb('VmHWM') - idleMb });
    report({ received: files.length, ms: Math.round(performance.now() - startedAt) });
  } finally {
    await connection.close();
  }
}

/** Tries again with growing pauses, as the workflow does with the activity. */
async function againUntilDone(attempt: () => Promise<void>): Promise<void> {
  for (let pauseMs = 500; ; pauseMs = Math.min(2 * pauseMs, 20_000)) {
    try {
      await reporting(attempt)();
      return;
    } catch {
      await delay(pauseMs);
    }
  }
}

function reporting<Args extends unknown[]>(work: (...args: Args) => Promise<void>): (...args: Args) => Promise<void> {
  return async (...args) => {
    try {
      await work(...args);
    } catch (error) {
      report({ failed: error instanceof SleapRtcError ? error.code : String(error) });
      throw error;
    }
  };
}

async function serve(connection: PeerConnection): Promise<void> {
  const names = await readdir(String(folder));
  const files = await describeFiles(names.map((path) => ({ path, absolutePath: join(String(folder), path) })));
  report({ route: connection.route });
  const channel = await connection.acceptChannel();
  const idleMb = memoryMb('VmRSS');
  await sendFiles(role === 'send' ? channel : fatalChannel(channel), files);
  report({ above_idle_mb: memoryMb('VmHWM') - idleMb });
  report({ sent: files.length });
  await connection.closed;
}

/** A channel on which the process dies, as by `kill -9`, when 12 MiB were sent or received. */
function fatalChannel(channel: DataChannel): DataChannel {
  let bytes = 0;
  function count(message: string | Uint8Array): void {
    bytes += message.length;
    if (bytes > 12 * 1024 * 1024) process.kill(process.pid, 'SIGKILL');
  }
  async function* dying() {
    for await (const message of channel.messages) {
      count(message);
      yield message;
    }
  }
  return {
    label: channel.label,
    maxMessageBytes: channel.maxMessageBytes,
    messages: dying(),
    closed: channel.closed,
    send: (data, options) => {
      count(data);
      return channel.send(data, options);
    },
    close: () => channel.close(),
  };
}

/** The process's memory (`VmRSS`) or its peak so far (`VmHWM`), in MB. NaN if the system is not Linux. */
function memoryMb(which: 'VmRSS' | 'VmHWM'): number {
  const status = process.platform === 'linux' ? readFileSync('/proc/self/status', 'utf8') : '';
  return Number(new RegExp(`^${which}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024;
}

function report(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
