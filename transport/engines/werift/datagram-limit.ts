import { SleapRtcError } from '../../../protocol/errors.ts';

/** Every path carries this much: IPv6's minimum (RFC 8200, section 5). */
const SMALLEST_DATAGRAM_BYTES = 1_280;
const LARGEST_DATAGRAM_BYTES = 65_535;

/**
 * Reads the environment variable SLEAP_RTC_DATAGRAM_BYTES: the largest IP packet to send, in bytes, for a network that silently
 * drops larger ones. Unset or empty means no limit.
 * @throws SleapRtcError USAGE
 */
export function readDatagramLimit(environment: NodeJS.ProcessEnv): number {
  const value = environment.SLEAP_RTC_DATAGRAM_BYTES;
  if (value === undefined || value === '') return LARGEST_DATAGRAM_BYTES;
  const bytes = Number(value);
  if (Number.isInteger(bytes) && bytes >= SMALLEST_DATAGRAM_BYTES && bytes <= LARGEST_DATAGRAM_BYTES) return bytes;
  throw new SleapRtcError(
    'USAGE',
    `SLEAP_RTC_DATAGRAM_BYTES must be a number from ${SMALLEST_DATAGRAM_BYTES} to ${LARGEST_DATAGRAM_BYTES}, not “${value}”.`,
  );
}
