import type { PathShape } from '../../test/paths/with-path.ts';
import { originalPeer, pionPeer } from './foreign.ts';
import { onEthernet, onLoopback, onPath, type Place } from './places.ts';
import type { Implementation } from './transfer-once.ts';

/** A row to measure: implementation, place and size. Slow ones send less, so that all rows take a quarter of an hour. */
export interface Compared {
  impl: string;
  implementation: Implementation;
  network: NetworkPath;
  megabytes: number;
}

/** A place, with the names that rows use. */
export interface NetworkPath {
  path: string;
  rtt_ms: number;
  loss_percent: number;
  use: <Result>(action: (place: Place) => Promise<Result>) => Promise<Result>;
}

const LOOPBACK: NetworkPath = { path: 'loopback', rtt_ms: 0, loss_percent: 0, use: onLoopback };
/** Two hosts on a cable with packets of 1,500 bytes. */
const ETHERNET: NetworkPath = { path: 'ethernet', rtt_ms: 0, loss_percent: 0, use: onEthernet };

/** Round trips in ms and loss in percent of the long paths. */
const LONG = [
  { rttMs: 20, lossPercent: 0 },
  { rttMs: 20, lossPercent: 1 },
  { rttMs: 50, lossPercent: 0 },
  { rttMs: 50, lossPercent: 1 },
  { rttMs: 100, lossPercent: 0 },
] as const;

/** How much is sent over a long path, in MB: without and with loss. */
const SENT = {
  ours: [128, 32],
  tcp: [256, 64],
  others: [64, 4],
} as const;

export const OURS = {
  best: { impl: 'sleap-rtc-on-temporal auto', implementation: own('ours', 'auto') },
  werift: { impl: 'sleap-rtc-on-temporal werift', implementation: own('ours', 'werift') },
  libdatachannel: { impl: 'sleap-rtc-on-temporal libdatachannel', implementation: own('ours', 'libdatachannel') },
} as const;
const MIXED = [
  { impl: 'sleap-rtc-on-temporal mixed', implementation: own('ours', 'werift', 'libdatachannel') },
  { impl: 'sleap-rtc-on-temporal mixed back', implementation: own('ours', 'libdatachannel', 'werift') },
];
const RAW = { impl: 'node-datachannel raw', implementation: own('raw', 'auto') };
const TCP = { impl: 'tcp', implementation: own('tcp', 'auto') };

function own(of: 'ours' | 'raw' | 'tcp', sender: string, receiver = sender): Implementation {
  return { of, sender, receiver };
}

export function longPath(shape: PathShape): NetworkPath {
  const { rttMs = 0, lossPercent = 0 } = shape;
  return {
    path: `${rttMs} ms, ${lossPercent} %`,
    rtt_ms: rttMs,
    loss_percent: lossPercent,
    use: (action) => onPath(shape, action),
  };
}

/** All rows, in the order of measurement. Rows that this machine cannot measure are left out; `say` gets the reason. */
export async function allCompared(say: (line: string) => void, whyNoPaths: string | undefined): Promise<Compared[]> {
  const foreign = [];
  const original = await originalPeer().catch((error: unknown) => void say(`left out: original (${String(error)})`));
  if (original !== undefined)
    foreign.push({ impl: 'original', implementation: { of: 'foreign', peer: original } as const });
  const pion = await pionPeer().catch((error: unknown) => void say(`left out: pion (${String(error)})`));
  if (pion !== undefined) foreign.push({ impl: 'pion raw', implementation: { of: 'foreign', peer: pion } as const });
  else say('left out: pion (Go is not installed)');
  const { best, werift, libdatachannel } = OURS;
  const short = [werift, libdatachannel, ...MIXED, RAW, ...foreign, TCP];
  const rows: Compared[] = short.map((what) => ({ ...what, network: LOOPBACK, megabytes: 256 }));
  if (whyNoPaths !== undefined) {
    say(`left out: Ethernet and long paths (${whyNoPaths})`);
    return rows;
  }
  for (const what of [werift, libdatachannel, RAW, TCP]) rows.push({ ...what, network: ETHERNET, megabytes: 256 });
  for (const shape of LONG) {
    const network = longPath(shape);
    const lossy = shape.lossPercent > 0 ? 1 : 0;
    for (const what of [best, werift, libdatachannel]) rows.push({ ...what, network, megabytes: SENT.ours[lossy] });
    for (const what of [RAW, ...foreign]) rows.push({ ...what, network, megabytes: SENT.others[lossy] });
    rows.push({ ...TCP, network, megabytes: SENT.tcp[lossy] });
  }
  return rows;
}
