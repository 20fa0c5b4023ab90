/** SCTP's transmission sequence numbers (TSN): 32 bits that wrap (RFC 9260, 1.6; serial number arithmetic of RFC 1982). */

const MODULO = 2 ** 32;

export function tsnPlus(tsn: number, count: number): number {
  return (tsn + count + MODULO) % MODULO;
}

/** How far `a` is ahead of `b`. Negative if it is behind. */
export function tsnDistance(a: number, b: number): number {
  return (a - b) | 0;
}
