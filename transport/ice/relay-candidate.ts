/** Whether a candidate, as written in descriptions (RFC 8839, 5.1), belongs to a relay at this address and port. */
export function isRelayAt(candidate: string, address: string, port: number): boolean {
  const words = candidate.split(' ');
  return words[4] === address && words[5] === String(port) && words[7] === 'relay';
}
