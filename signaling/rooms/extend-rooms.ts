import type { Logger } from 'pino';
import type { Rooms } from './rooms.ts';

/** Time between two extensions of rooms in use. A small part of their two hours. */
const EXTEND_INTERVAL_MS = 5 * 60 * 1000;

/** A source of activity: connected peers, running jobs. If it fails, that is logged, and it is asked again next time. */
export type ActivitySource = () => Promise<Iterable<string>>;

/** Extends rooms while they are in use. Starts at once; `stop` ends it. */
export function startExtendingRooms(options: {
  rooms: Pick<Rooms, 'extend'>;
  sources: readonly ActivitySource[];
  logger: Logger;
  intervalMs?: number;
}): { stop(): Promise<void> } {
  let running: Promise<void> = round();
  const timer = setInterval(() => {
    running = running.then(round);
  }, options.intervalMs ?? EXTEND_INTERVAL_MS);

  async function round(): Promise<void> {
    for (const source of options.sources) {
      try {
        await options.rooms.extend(new Set(await source()));
      } catch (error) {
        options.logger.warn({ event: 'rooms_not_extended', err: error }, 'rooms in use could not be extended');
      }
    }
  }

  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
