import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { RECORD_OVERHEAD_BYTES } from './record-path.ts';
import type { Clock } from './sctp/clock.ts';
import { DATA_OVERHEAD_BYTES } from './sctp/packets.ts';

/** IP packets that are tried, in bytes, as far as the ceiling goes, which is tried too: Ethernet's, then jumbo frames. */
const STEPS_BYTES = [1_500, 9_000];
/** A DTLS record holds 16 KiB (RFC 6347, 4.1). */
const LARGEST_SCTP_BYTES = 16_384;
const UDP_BYTES = 8;
const IP_BYTES = { IPv4: 20, IPv6: 40 };
/** Tries of one size, and the time for each, in ms (RFC 8899, 5.1.1 and 5.1.2; a probe here is acknowledged at once). */
const PROBES = 3;
const PROBE_MS = 500;
/** Timeouts in a row after which a size that worked once is suspected. */
const SUSPICIOUS_TIMEOUTS = 3;
/** Peers that are remembered, each some 50 bytes. */
const MOST_REMEMBERED = 1_000;

/** Remote hosts to which large packets got lost on the way; for as long as this process lives. */
const blackHoles = new Set<string>();

/** What path discovery needs of an association. */
export interface ProbedAssociation {
  /** Sends an SCTP packet of this size that asks for an answer of the same size; resolves when the answer comes. */
  probe(sctpBytes: number): { answered: Promise<void>; forget: () => void };
  payloadBytes: number;
  /** Told at each timeout how many there were in a row. */
  onTimeout: (inARow: number) => void;
  cutOff(): void;
}

export interface PathEnds {
  localHost: string;
  remoteHost: string;
  /** Largest IP packet that the peer reads and the user allows, in bytes. */
  limitBytes: number;
}

/**
 * Finds how large the packets on a path may be, by trying (RFC 8899, datagram packetization layer path MTU discovery): an
 * SCTP HEARTBEAT of that size, which the peer sends back. Nothing larger than the interface's own packets is tried: up to
 * that size Linux sends UDP with "don't fragment", so a probe that comes through came through whole; on other systems and
 * over relays nothing is tried. When data stops while small probes still come back, large packets vanish on the way: the
 * connection is cut, and the next one to that host stays small.
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
    if (!(await comesThrough(association, sctpBytes, clock))) return;
    association.payloadBytes = sctpBytes - DATA_OVERHEAD_BYTES;
  }
}

async function comesThrough(association: ProbedAssociation, sctpBytes: number, clock: Clock): Promise<boolean> {
  for (let probe = 0; probe < PROBES; probe += 1) {
    const { answered, forget } = association.probe(sctpBytes);
    const waited = Promise.withResolvers<boolean>();
    const cancel = clock.after(PROBE_MS, () => waited.resolve(false));
    void answered.then(() => waited.resolve(true));
    const came = await waited.promise;
    cancel();
    forget();
    if (came) return true;
  }
  return false;
}

/** A small packet that comes back, while large ones time out, tells a path that drops large ones from one that is dead. */
function watchForBlackHole(association: ProbedAssociation, remoteHost: string, clock: Clock): void {
  let silence: object | undefined;
  association.onTimeout = (inARow) => {
    if (inARow === 0) silence = undefined;
    if (inARow < SUSPICIOUS_TIMEOUTS) return;
    silence ??= {};
    const then = silence;
    const { answered, forget } = association.probe(0);
    clock.after(PROBE_MS, forget);
    void answered.then(() =>
      // The data may come back right after the probe, where the path was only interrupted.
      clock.after(PROBE_MS, () => {
        if (silence !== then) return;
        if (blackHoles.size < MOST_REMEMBERED) blackHoles.add(remoteHost);
        association.cutOff();
      }),
    );
  };
}

/** Largest packet of the interface by which a path leaves, in bytes; undefined where it can't be told. */
export function interfaceMtu(localHost: string, remoteHost: string): number | undefined {
  if (process.platform !== 'linux') return undefined;
  const interfaces = Object.entries(networkInterfaces());
  const named = (host: string) => interfaces.find(([, list]) => list?.some(({ address }) => address === host))?.[0];
  // What goes to an address of this machine goes through the loopback.
  const name = named(remoteHost) === undefined ? named(localHost) : 'lo';
  if (name === undefined || !/^[\w.:@-]+$/.test(name)) return undefined;
  // The first is the network namespace's own; a mount of the second may be another's.
  for (const file of [`/proc/sys/net/ipv6/conf/${name}/mtu`, `/sys/class/net/${name}/mtu`]) {
    try {
      return Number(readFileSync(file, 'utf8')) || undefined;
    } catch {
      // Not there: without IPv6, or in a sandbox.
    }
  }
  return undefined;
}
