import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { RECORD_OVERHEAD_BYTES } from './record-path.ts';
import type { Clock } from './sctp/clock.ts';
import { DATA_OVERHEAD_BYTES } from './sctp/packets.ts';

/** Sizes of IP packets that are tried below the ceiling, in bytes: Ethernet's, then jumbo frames. The ceiling is tried too. */
const STEPS_BYTES = [1_500, 9_000];
/** A DTLS record has at most 16 KiB (RFC 6347, 4.1). */
const LARGEST_SCTP_BYTES = 16_384;
const UDP_BYTES = 8;
const IP_BYTES = { IPv4: 20, IPv6: 40 };
/** Probes of one size, and the time limit for each, in ms (RFC 8899, 5.1.1 and 5.1.2). The peer answers a probe at once. */
const PROBES = 3;
const PROBE_TIMEOUT_MS = 500;
/** Timeouts in a row after which a size that worked before may no longer work. */
const SUSPICIOUS_TIMEOUTS = 3;
/** Hosts that are remembered, about 50 bytes each. */
const MAX_BLACK_HOLES = 1_000;

/** Remote hosts to which large packets were lost. Kept until the process ends. */
const blackHoles = new Set<string>();

/** What path MTU discovery needs of an association. */
export interface ProbedAssociation {
  /** Sends an SCTP packet of this size, which the peer answers with one of the same size. `answered` resolves then. */
  probe(sctpBytes: number): { answered: Promise<void>; forget: () => void };
  payloadBytes: number;
  /** Called at each timeout with the number of timeouts in a row, and with 0 when data arrives again. */
  onTimeout: (inARow: number) => void;
  cutOff(): void;
}

/** The two ends of a path. */
export interface PathEnds {
  localHost: string;
  remoteHost: string;
  /** Largest IP packet that the peer accepts and the user allows, in bytes. */
  limitBytes: number;
}

/**
 * Finds out how large packets on a path may be (RFC 8899, datagram packetization layer path MTU discovery). It sends SCTP HEARTBEATs
 * of growing sizes, which the peer sends back. It tries nothing larger than the interface's own packets, because up to that size
 * Linux sends UDP with "don't fragment", so a probe that arrives was not fragmented. On other systems and over relays it tries
 * nothing. If data stops while small probes still come back, large packets are lost on the way: the connection is cut, and the
 * next one to that host uses small packets.
 */
export async function discoverPathMtu(association: ProbedAssociation, ends: PathEnds, clock: Clock): Promise<void> {
  const { remoteHost } = ends;
  const family = remoteHost.includes(':') ? 'IPv6' : 'IPv4';
  const overheadBytes = IP_BYTES[family] + UDP_BYTES + RECORD_OVERHEAD_BYTES;
  const interfaceBytes = interfaceMtu(ends.localHost, remoteHost);
  if (interfaceBytes === undefined || blackHoles.has(remoteHost)) return;
  const ceilingBytes = Math.min(interfaceBytes, ends.limitBytes, LARGEST_SCTP_BYTES + overheadBytes);
  watchForBlackHole(association, remoteHost, clock);
  for (const ipBytes of [...STEPS_BYTES.filter((step) => step < ceilingBytes), ceilingBytes]) {
    const sctpBytes = (ipBytes - overheadBytes) & ~3;
    if (sctpBytes - DATA_OVERHEAD_BYTES <= association.payloadBytes) continue;
    if (!(await arrives(association, sctpBytes, clock))) return;
    association.payloadBytes = sctpBytes - DATA_OVERHEAD_BYTES;
  }
}

async function arrives(association: ProbedAssociation, sctpBytes: number, clock: Clock): Promise<boolean> {
  for (let probe = 0; probe < PROBES; probe += 1) {
    const { answered, forget } = association.probe(sctpBytes);
    const waited = Promise.withResolvers<boolean>();
    const cancel = clock.after(PROBE_TIMEOUT_MS, () => waited.resolve(false));
    void answered.then(() => waited.resolve(true));
    const hasArrived = await waited.promise;
    cancel();
    forget();
    if (hasArrived) return true;
  }
  return false;
}

/** If a small packet comes back while large ones time out, the path drops large packets. If not, the path is dead. */
function watchForBlackHole(association: ProbedAssociation, remoteHost: string, clock: Clock): void {
  let silence: object | undefined;
  association.onTimeout = (inARow) => {
    if (inARow === 0) silence = undefined;
    if (inARow < SUSPICIOUS_TIMEOUTS) return;
    silence ??= {};
    const then = silence;
    const { answered, forget } = association.probe(0);
    clock.after(PROBE_TIMEOUT_MS, forget);
    void answered.then(() =>
      // If the path was only interrupted, data arrives again soon after the probe.
      clock.after(PROBE_TIMEOUT_MS, () => {
        if (silence !== then) return;
        if (blackHoles.size < MAX_BLACK_HOLES) blackHoles.add(remoteHost);
        association.cutOff();
      }),
    );
  };
}

/** Largest packet of a path's local interface, in bytes. Returns undefined if it is not known. */
export function interfaceMtu(localHost: string, remoteHost: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const interfaces = Object.entries(networkInterfaces());
  const named = (host: string) => interfaces.find(([, list]) => list?.some(({ address }) => address === host))?.[0];
  // Packets to an address of this machine use the loopback interface.
  const name = named(remoteHost) === undefined ? named(localHost) : 'lo';
  if (name === undefined || !/^[\w.:@-]+$/.test(name)) return undefined;
  // The first file belongs to the network namespace. The second may be mounted from another one.
  for (const file of [`/proc/sys/net/ipv6/conf/${name}/mtu`, `/sys/class/net/${name}/mtu`]) {
    try {
      return Number(readFileSync(file, 'utf8')) || undefined;
    } catch {
      // The file is missing, as without IPv6 or in a sandbox.
    }
  }
  return undefined;
}
