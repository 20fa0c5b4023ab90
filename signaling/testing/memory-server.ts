import { pino } from 'pino';
import type { SignalingConfig } from '../config.ts';
import { type SignalingServer, startSignalingServer } from '../server.ts';
import { createMemoryBackends, memoryConfig } from './memory-backends.ts';

/** The room of a server in memory that `startMemoryServer` opens, and its token. */
export const MEMORY_ROOM = { roomId: 'test-room', token: 'test-token' } as const;

/** The real signaling server on backends in memory, with one room. Whoever starts it disposes it. */
export function startMemoryServer(
  options: {
    host?: string;
    /** 0, the default, lets the system choose a free one. */
    port?: number;
    ice?: SignalingConfig['ice'];
  } = {},
): Promise<SignalingServer> {
  const config = memoryConfig();
  const { host = config.host, port = 0, ice = config.ice } = options;
  const backends = createMemoryBackends();
  backends.rooms.add(MEMORY_ROOM.roomId, MEMORY_ROOM.token);
  return startSignalingServer({ ...config, host, port, ice }, { backends, logger: pino({ level: 'silent' }) });
}
