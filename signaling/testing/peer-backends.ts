import { SleapRtcError } from '../../protocol/errors.ts';
import type { Backends } from '../backends.ts';
import type { MemoryRooms } from './memory-rooms.ts';

/** The user as whom everybody acts. */
const USER = 'user-1';
const TOKEN_LIFETIME_MS = 60 * 60 * 1000;

/** Backends of a signaling server for tests of peers: rooms are in memory, every identity token is accepted, no jobs or files. */
export function peerBackends(rooms: MemoryRooms): Backends {
  let signedIn = 0;
  const none = (): Promise<never> => Promise.reject(new SleapRtcError('SERVER_ERROR', 'This server has none.'));
  return {
    signIn: {
      async signIn() {
        signedIn += 1;
        const expires_at = new Date(Date.now() + TOKEN_LIFETIME_MS).toISOString();
        return { user_id: USER, id_token: `id-${signedIn}`, expires_at };
      },
    },
    async verifyIdToken(idToken) {
      if (!idToken.startsWith('id-')) throw new SleapRtcError('SIGN_IN_REQUIRED', 'Sign in.');
      return { user_id: USER };
    },
    rooms,
    state: undefined,
    files: { manifest: none, modelFiles: none, jobResults: none },
    readJobLogs: none,
    jobs: {
      start: none,
      status: none,
      list: none,
      queued: none,
      control: none,
      runningRooms: async () => [],
      uiUrl: () => null,
    },
    curveReader: () => none,
    close: async () => undefined,
  };
}
