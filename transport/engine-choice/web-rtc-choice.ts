import { SleapRtcError } from '../../protocol/errors.ts';

/** Which WebRTC stack to use. `auto`: the fastest one that can do what is needed. */
export type WebRtcChoice = 'auto' | 'werift' | 'libdatachannel';

/**
 * Reads the environment variable SLEAP_RTC_WEBRTC. Unset or empty means `auto`.
 * @throws SleapRtcError USAGE
 */
export function readWebRtcChoice(environment: NodeJS.ProcessEnv): WebRtcChoice {
  const value = environment.SLEAP_RTC_WEBRTC || 'auto';
  if (value === 'auto' || value === 'werift' || value === 'libdatachannel') return value;
  throw new SleapRtcError('USAGE', `SLEAP_RTC_WEBRTC must be “auto”, “werift” or “libdatachannel”, not “${value}”.`);
}
