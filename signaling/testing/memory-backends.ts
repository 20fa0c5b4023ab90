import { SleapRtcError } from '../../protocol/errors.ts';
import type { FileEntry } from '../../protocol/files.ts';
import type { SignalingState } from '../../protocol/stored/signaling-state.ts';
import type { SignInReply } from '../../protocol/wire/api.ts';
import type { Backends } from '../backends.ts';
import { readSignalingConfig, type SignalingConfig } from '../config.ts';
import type { StoredManifest } from '../models/room-files.ts';
import { MemoryJobs } from './memory-jobs.ts';
import { MemoryRooms } from './memory-rooms.ts';

/** The user as whom everybody acts, except with a token `id-of-USER`. */
const USER = 'user-1';

const REFRESH_TOKEN = 'refresh-token';

type Link = FileEntry & { url: string };

/** What the server relies on, in this process's memory, with handles for tests. */
export interface MemoryBackends extends Backends {
  jobs: MemoryJobs;
  rooms: MemoryRooms;
  /** Manifests by room, as JSON text. */
  manifests: Map<string, string>;
  /** Files of models and of predictions, by `room/id`. */
  links: Map<string, Link[]>;
  /** Logs by `room/job`. */
  logs: Map<string, string>;
  /** The state that was backed up last. */
  savedState: SignalingState | undefined;
  /** While true storage fails, as if S3 were unavailable. */
  storageUnavailable: boolean;
  /** How long identity tokens are valid, as their sign-in says. */
  identityLifetimeMs: number;
  /** Identity tokens that are refused from now on. */
  refusedTokens: Set<string>;
}

/** Backends for a server without Cognito, DynamoDB, S3 and Temporal. They outlive the server, so a test can restart it. */
export function createMemoryBackends(): MemoryBackends {
  let signedIn = 0;
  const identity = (): SignInReply => {
    signedIn += 1;
    const expires_at = new Date(Date.now() + backends.identityLifetimeMs).toISOString();
    return { user_id: USER, id_token: `id-${signedIn}`, expires_at, refresh_token: REFRESH_TOKEN };
  };
  const stored = <T>(value: T | undefined, none: SleapRtcError): T => {
    throwIfUnavailable();
    if (value === undefined) throw none;
    return value;
  };
  const throwIfUnavailable = () => {
    if (backends.storageUnavailable)
      throw new SleapRtcError('STORAGE_UNREACHABLE', 'The S3 storage cannot be reached.');
  };
  const backends: MemoryBackends = {
    jobs: new MemoryJobs(),
    manifests: new Map(),
    links: new Map(),
    logs: new Map(),
    savedState: undefined,
    storageUnavailable: false,
    identityLifetimeMs: 3_600_000,
    refusedTokens: new Set(),
    signIn: {
      async signIn() {
        return identity();
      },
      async refresh(refreshToken) {
        if (refreshToken === REFRESH_TOKEN) return identity();
        throw new SleapRtcError('SIGN_IN_REQUIRED', 'The identity is not known.');
      },
    },
    async verifyIdToken(idToken) {
      if (!idToken.startsWith('id-') || backends.refusedTokens.has(idToken))
        throw new SleapRtcError('SIGN_IN_REQUIRED', 'The identity token is not known.');
      return { user_id: /^id-of-(.+)$/.exec(idToken)?.[1] ?? USER };
    },
    rooms: new MemoryRooms(),
    state: {
      load: async () => backends.savedState,
      async save(state) {
        backends.savedState = state;
      },
    },
    files: {
      async manifest(roomId): Promise<StoredManifest> {
        throwIfUnavailable();
        const text = backends.manifests.get(roomId);
        return text === undefined ? { state: 'none' } : { state: 'found', etag: undefined, body: Buffer.from(text) };
      },
      modelFiles: async (roomId, id) => ({
        files: stored(backends.links.get(`${roomId}/${id}`), new SleapRtcError('MODEL_NOT_FOUND', `No model ${id}.`)),
      }),
      removeRoom: async (roomId) => {
        throwIfUnavailable();
        backends.manifests.delete(roomId);
        for (const key of backends.links.keys()) if (key.startsWith(`${roomId}/`)) backends.links.delete(key);
      },
      jobResults: async (roomId, id) => ({
        files: stored(
          backends.links.get(`${roomId}/${id}`),
          new SleapRtcError('JOB_NOT_FOUND', `No results of ${id}.`),
        ),
      }),
    },
    readJobLogs: async (roomId, id) =>
      stored(backends.logs.get(`${roomId}/${id}`), new SleapRtcError('JOB_NOT_FOUND', `No log of ${id}.`)),
    curveReader: (live) => async (roomId, jobId) => live.of(roomId, jobId),
    close: async () => undefined,
  };
  return backends;
}

/** The configuration of such a server, on a free port. */
export function memoryConfig(): SignalingConfig {
  return readSignalingConfig({
    SLEAP_RTC_PORT: '0',
    SLEAP_RTC_COGNITO_USER_POOL_ID: 'none',
    SLEAP_RTC_COGNITO_CLIENT_ID: 'none',
  });
}
