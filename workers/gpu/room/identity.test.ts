import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { workerIdentity } from './identity.ts';

describe('a worker’s identity', () => {
  let server: Server;
  let requests: string[];
  let lifetimeMs: number;
  let isKnown: boolean;
  let identity: ReturnType<typeof workerIdentity>;

  beforeEach(async () => {
    requests = [];
    lifetimeMs = 3_600_000;
    isKnown = true;
    server = createServer(async (req, res) => {
      const { refresh_token = '' } = JSON.parse((await text(req)) || '{}') as { refresh_token?: string };
      requests.push(`${req.url} ${refresh_token}`.trim());
      if (req.url === '/refresh-signin' && !isKnown) {
        const error = { code: 'SIGN_IN_REQUIRED', message: 'The identity is not known.', remedy: 'Sign in.' };
        return void res.writeHead(401).end(JSON.stringify({ error }));
      }
      const expires_at = new Date(Date.now() + lifetimeMs).toISOString();
      const user_id = isKnown ? 'user-1' : 'user-2';
      res.end(JSON.stringify({ user_id, id_token: `id-${requests.length}`, expires_at, refresh_token: 'refresh-1' }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    identity = workerIdentity(`http://127.0.0.1:${port}`, new AbortController().signal);
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  it('stays the same user: its token is renewed before it expires', async () => {
    lifetimeMs = 30_000;
    assert.equal(await identity.idToken(), 'id-1');
    lifetimeMs = 3_600_000;
    assert.equal(await identity.idToken(), 'id-2');
    assert.equal(await identity.idToken(), 'id-2');
    assert.deepEqual(requests, ['/anonymous-signin', '/refresh-signin refresh-1']);
  });

  it('is renewed if the server refuses it, whatever the worker’s clock says', async () => {
    await identity.idToken();
    identity.refused();
    assert.equal(await identity.idToken(), 'id-2');
    assert.deepEqual(requests, ['/anonymous-signin', '/refresh-signin refresh-1']);
  });

  it('is another user only if the server does not know the first one any more', async () => {
    await identity.idToken();
    isKnown = false;
    identity.refused();
    assert.equal(await identity.idToken(), 'id-3');
    assert.deepEqual(requests, ['/anonymous-signin', '/refresh-signin refresh-1', '/anonymous-signin']);
  });
});
