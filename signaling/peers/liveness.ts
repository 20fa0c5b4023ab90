import { once } from 'node:events';
import type { WebSocket } from 'ws';
import { PING_INTERVAL_MS, PROBE_MS, SILENCE_LIMIT_MS } from './limits.ts';

/**
 * Notices sockets whose other end is gone without notice, such as a closed laptop: every socket is pinged, and one that was silent for
 * two pings is closed, at most 9.5 s after its last message. Owns one timer.
 */
export class Liveness {
  readonly #lastSeen = new Map<WebSocket, number>();
  readonly #timer: NodeJS.Timeout;
  readonly #silenceMs: number;

  constructor(options: { intervalMs?: number; silenceMs?: number } = {}) {
    this.#silenceMs = options.silenceMs ?? SILENCE_LIMIT_MS;
    this.#timer = setInterval(() => this.#round(), options.intervalMs ?? PING_INTERVAL_MS);
  }

  /** Watches a socket until it closes. */
  watch(socket: WebSocket): void {
    const seen = () => this.#lastSeen.set(socket, performance.now());
    seen();
    socket.on('pong', seen);
    socket.on('message', seen);
    socket.on('close', () => this.#lastSeen.delete(socket));
  }

  #round(): void {
    const now = performance.now();
    for (const [socket, seenAt] of this.#lastSeen) {
      if (now - seenAt > this.#silenceMs) socket.terminate();
      else ping(socket);
    }
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#lastSeen.clear();
  }
}

/** Pings one socket. Returns whether it answers in time. */
export async function responds(socket: WebSocket, withinMs = PROBE_MS): Promise<boolean> {
  if (socket.readyState !== socket.OPEN) return false;
  const pong = once(socket, 'pong', { signal: AbortSignal.timeout(withinMs) });
  ping(socket);
  return pong.then(
    () => true,
    () => false,
  );
}

function ping(socket: WebSocket): void {
  // A socket that is closing cannot be pinged; its close event follows.
  if (socket.readyState === socket.OPEN) socket.ping(() => undefined);
}
