import assert from 'node:assert/strict';
import { RoomApi } from './api.ts';

describe('the page’s identity', () => {
  const original = globalThis.fetch;
  afterEach(() => {
    globalThis.fetch = original;
  });

  /** A server that accepts one token, and the requests that it gets. */
  function serve(accepted: () => string, { knowsUser = true } = {}): string[] {
    const requests: string[] = [];
    globalThis.fetch = async (input, init) => {
      const path = String(input);
      requests.push(path);
      if (path.endsWith('-signin')) {
        if (path === '/refresh-signin' && !knowsUser) return refusal();
        const { length } = requests.filter((request) => request.endsWith('-signin'));
        return Response.json({ user_id: 'u', id_token: `id-${length}`, expires_at: '', refresh_token: 'refresh-1' });
      }
      const isAccepted = new Headers(init?.headers).get('authorization') === `Bearer ${accepted()}`;
      return isAccepted ? Response.json({ jobs: [] }) : refusal();
    };
    return requests;
  }
  const refusal = () =>
    Response.json({ error: { code: 'SIGN_IN_REQUIRED', message: 'Expired.', remedy: 'Sign in.' } }, { status: 401 });

  function page(): RoomApi {
    const stored = new Map<string, string>();
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
      removeItem: (key: string) => void stored.delete(key),
    };
    return new RoomApi({ room: 'lab', token: 't' }, { storage, signal: new AbortController().signal });
  }

  it('remains the same user when its token has expired', async () => {
    const requests = serve(() => 'id-2');
    await page().jobs();
    const jobs = '/api/rooms/lab/jobs';
    assert.deepEqual(requests, ['/anonymous-signin', jobs, '/refresh-signin', jobs]);
  });

  it('is a new one only if the server does not know the old one any more', async () => {
    const requests = serve(() => 'id-3', { knowsUser: false });
    await page().jobs();
    assert.deepEqual(requests.slice(2), ['/refresh-signin', '/anonymous-signin', '/api/rooms/lab/jobs']);
  });
});
