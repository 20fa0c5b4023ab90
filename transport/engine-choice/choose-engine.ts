import { SleapRtcError } from '../../protocol/errors.ts';
import type { IceServer } from '../../protocol/wire/signaling.ts';
import type { Engine } from '../engines/engine.ts';
import { libdatachannelEngine } from '../engines/libdatachannel/libdatachannel-engine.ts';
import { weriftIsAsTuned } from '../engines/werift/tuning/shape.ts';
import { weriftEngine } from '../engines/werift/werift-engine.ts';
import { relayTransports } from '../ice/ice-urls.ts';
import type { WebRtcChoice } from './web-rtc-choice.ts';

/** What `auto` depends on. */
export interface EngineNeeds {
  iceServers: readonly IceServer[];
  /** Whether a connection to this peer has just failed. The other stack may succeed, since they find paths differently. */
  failedBefore: boolean;
}

/** Chooses the WebRTC stack for one connection. */
export type EngineChooser = (needs: EngineNeeds) => Engine;

/**
 * Loads the stacks that `choice` allows. `auto` chooses werift, which as tuned here is the faster one on every long or lossy path
 * (decision 008), or libdatachannel if the installed werift cannot be tuned. After a failure it chooses the other stack, unless
 * the relays need TCP or TLS, which libdatachannel does not support.
 * @param loadNative for tests; @param isTuned for tests
 * @throws SleapRtcError USAGE if libdatachannel is chosen and cannot be loaded
 */
export async function loadEngines(
  choice: WebRtcChoice,
  loadNative = libdatachannelEngine,
  isTuned = weriftIsAsTuned(),
): Promise<EngineChooser> {
  if (choice === 'werift') return () => weriftEngine;
  const native = await loadNative();
  if (choice === 'libdatachannel') {
    if (native !== undefined) return () => native;
    throw new SleapRtcError('USAGE', 'SLEAP_RTC_WEBRTC is “libdatachannel”, which cannot be loaded here.', {
      remedy: 'Install with optional dependencies, or set SLEAP_RTC_WEBRTC to “auto” or “werift”.',
    });
  }
  return ({ iceServers, failedBefore }) => {
    const relays = relayTransports(iceServers);
    if (native === undefined || (relays.other && !relays.udp)) return weriftEngine;
    return isTuned === failedBefore ? native : weriftEngine;
  };
}
