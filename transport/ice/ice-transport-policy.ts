import { SleapRtcError } from '../../protocol/errors.ts';

/** As `RTCConfiguration.iceTransportPolicy` (W3C WebRTC): with `relay`, data goes only through a TURN server. */
export type IceTransportPolicy = 'all' | 'relay';

/**
 * Reads the environment variable SLEAP_RTC_ICE_TRANSPORT_POLICY. Unset or empty means `all`.
 * @throws SleapRtcError USAGE
 */
export function readIceTransportPolicy(environment: NodeJS.ProcessEnv): IceTransportPolicy {
  const value = environment.SLEAP_RTC_ICE_TRANSPORT_POLICY || 'all';
  if (value === 'all' || value === 'relay') return value;
  throw new SleapRtcError('USAGE', `SLEAP_RTC_ICE_TRANSPORT_POLICY must be “all” or “relay”, not “${value}”.`);
}
