import { SleapRtcError } from '../../../protocol/errors.ts';

/** Any path carries as much: IPv6's least (RFC 8200, 5). */
const SMALLEST_DATAGRAM_BYTES = 1_280;
const LARGEST_DATAGRAM_BYTES = 65_535;

/**
 * Reads the environment variable SLEAP_RTC_DATAGRAM_BYTES: the largest IP packet to send, in bytes, for a network that
 * drops large ones without saying so. Unset or empty is no limit of ours.
 * @throws SleapRtcError USAGE
 */
export function readDatagramLimit(environment: NodeJS.ProcessEnv): number {
  const value = environment.SLEAP_RTC_DATAGRAM_BYTES;
  if (value === undefined || value === '') return LARGEST_DATAGRAM_BYTES;
  const bytes = Number(value);
  if (Number.isInteger(bytes) && bytes >= SMALLEST_DATAGRAM_BYTES && bytes <= LARGEST_DATAGRAM_BYTES) return bytes;
  throw new SleapRtcError(
    'USAGE',
    `SLEAP_RTC_DATAGRAM_BYTES is a number from ${SMALLEST_DATAGRAM_BYTES} to ${LARGEST_DATAGRAM_BYTES}, not “${value}”.`,
  );
}
