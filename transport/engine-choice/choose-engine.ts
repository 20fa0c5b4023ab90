import { SleapRtcError } from '../../protocol/errors.ts';
import type { IceServer } from '../../protocol/signaling.ts';
import type { Engine } from '../engines/engine.ts';
import { libdatachannelEngine } from '../engines/libdatachannel/libdatachannel-engine.ts';
import { weriftIsAsTuned } from '../engines/werift/tuning/shape.ts';
import { weriftEngine } from '../engines/werift/werift-engine.ts';
import { relayTransports } from '../ice/ice-urls.ts';
import type { WebRtcChoice } from './web-rtc-choice.ts';

/** What `auto` goes by. */
export interface EngineNeeds {
  iceServers: readonly IceServer[];
  /** Whether a connection to this peer has just failed: the other stack may succeed, since they find paths differently. */
  failedBefore: boolean;
  /** The path loses packets, or may: werift bears that, libdatachannel falls to a fraction. */
  tolerant?: boolean;
}

/** Gives the WebRTC stack for one connection. */
export type EngineChooser = (needs: EngineNeeds) => Engine;

/**
 * Loads the stacks that `choice` allows. `auto` takes werift, the faster on every long or lossy path as it is tuned here
 * (decision 008), or libdatachannel where this werift can't be tuned; after a failure the other one, if it can use the
 * relays: libdatachannel reaches none over TCP or TLS.
 * @param loadNative for tests; @param isTuned for tests
 * @throws SleapRtcError USAGE where libdatachannel is asked for and can't be loaded
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
    throw new SleapRtcError('USAGE', 'SLEAP_RTC_WEBRTC asks for libdatachannel, which can’t be loaded here.', {
      remedy: 'Install with optional dependencies, or set SLEAP_RTC_WEBRTC to “auto” or “werift”.',
    });
  }
  return ({ iceServers, failedBefore, tolerant }) => {
    const relays = relayTransports(iceServers);
    if (native === undefined || tolerant || (relays.other && !relays.udp)) return weriftEngine;
    return isTuned === failedBefore ? native : weriftEngine;
  };
}
