import type { Engine, EngineChannel, IceCandidate } from '../engines/engine.ts';

/** Connects two stacks, and returns the two ends of a channel between them, the offerer's first. */
export function connectEngines(
  offerer: Engine,
  answerer: Engine,
): { channels: [EngineChannel, EngineChannel]; close: () => Promise<void> } {
  const early: IceCandidate[] = [];
  let add = (candidate: IceCandidate): unknown => early.push(candidate);
  const ignore = { channel: () => undefined, failed: () => undefined };
  const options = { iceServers: [], iceTransportPolicy: 'all' } as const;
  const answering = answerer.createConnection(options, {
    ...ignore,
    candidate: (candidate) => void offering.addCandidate(candidate),
  });
  const offering = offerer.createConnection(options, { ...ignore, candidate: (candidate) => add(candidate) });
  const channels: [EngineChannel, EngineChannel] = [
    offering.createChannel('data', { negotiatedId: 100 }),
    answering.createChannel('data', { negotiatedId: 100 }),
  ];
  void (async () => {
    const answer = await answering.acceptOffer(await offering.createOffer());
    await offering.acceptAnswer(answer);
    add = (candidate) => answering.addCandidate(candidate);
    for (const candidate of early) await answering.addCandidate(candidate);
  })();
  return { channels, close: async () => void (await Promise.all([offering.close(), answering.close()])) };
}
