import type { WebRtcChoice } from '../engine-choice/web-rtc-choice.ts';
import { libdatachannelEngine } from '../engines/libdatachannel/libdatachannel-engine.ts';

/** Which stack each side of a connection uses. */
export interface EnginePairing {
  name: string;
  offerer: WebRtcChoice;
  answerer: WebRtcChoice;
}

/** Every pairing of the stacks that can be loaded here: four, or one if the native stack is missing. */
export async function enginePairings(): Promise<EnginePairing[]> {
  const native = (await libdatachannelEngine()) !== undefined;
  const engines: WebRtcChoice[] = native ? ['werift', 'libdatachannel'] : ['werift'];
  return engines.flatMap((offerer) =>
    engines.map((answerer) => ({ name: `${offerer} to ${answerer}`, offerer, answerer })),
  );
}
