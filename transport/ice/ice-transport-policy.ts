import { SleapRtcError } from '../../protocol/errors.ts';

/** As in `RTCConfiguration.iceTransportPolicy` (W3C WebRTC): `relay` lets data go through the TURN server only. */
export type IceTransportPolicy = 'all' | 'relay';

/**
 * Reads the environment variable SLEAP_RTC_ICE_TRANSPORT_POLICY; unset or empty is `all`.
 * @throws SleapRtcError USAGE
 */
export function readIceTransportPolicy(environment: NodeJS.ProcessEnv): IceTransportPolicy {
  const value = environment.SLEAP_RTC_ICE_TRANSPORT_POLICY || 'all';
  if (value === 'all' || value === 'relay') return value;
  throw new SleapRtcError('USAGE', `SLEAP_RTC_ICE_TRANSPORT_POLICY is “all” or “relay”, not “${value}”.`);
}
