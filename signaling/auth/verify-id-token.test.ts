import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { createIdTokenVerifier } from './verify-id-token.ts';

const clientId = 'client-1';

describe('the check of identity tokens', () => {
  let keyServer: Server;
  let issuer: string;
  let keys: { privateKey: CryptoKey; publicKey: CryptoKey };
  let verify: ReturnType<typeof createIdTokenVerifier>;

  before(async () => {
    keys = await generateKeyPair('RS256', { extractable: true });
    const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'key-1', alg: 'RS256' };
    keyServer = createServer((_req, res) => res.end(JSON.stringify({ keys: [jwk] }))).listen(0, '127.0.0.1');
    await once(keyServer, 'listening');
    issuer = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/pool`;
    verify = createIdTokenVerifier({ issuer, clientId });
  });
  after(() => {
    keyServer.closeAllConnections();
    keyServer.close();
  });

  const token = (claims: object = {}, key: CryptoKey | Uint8Array = keys.privateKey, alg = 'RS256') =>
    new SignJWT({ sub: 'user-1', token_use: 'id', iss: issuer, aud: clientId, exp: seconds(60), ...claims })
      .setProtectedHeader({ alg, kid: 'key-1' })
      .sign(key);
  const seconds = (fromNow: number) => Math.floor(Date.now() / 1000) + fromNow;
  const refused = { code: 'SIGN_IN_REQUIRED' };

  it('believes a token of the pool, for our client, until it expires', async () => {
    const exp = seconds(60);
    assert.deepEqual(await verify(await token({ exp })), { user_id: 'user-1', expires_at_ms: exp * 1000 });
  });

  it('refuses a token that is expired, for another client, of another pool, or not an id token', async () => {
    for (const claims of [
      { exp: seconds(-60) },
      { exp: undefined },
      { aud: 'client-2' },
      { iss: 'http://127.0.0.1/pool-2' },
      { token_use: 'access' },
      { sub: undefined },
      { sub: '../../etc' },
    ]) {
      await assert.rejects(verify(await token(claims)), refused, JSON.stringify(claims));
    }
  });

  it('refuses forgeries: another key, the public key as an HMAC secret, no signature, no token', async () => {
    const stranger = await generateKeyPair('RS256');
    const publicPem = new TextEncoder().encode(await exportSPKI(keys.publicKey));
    const unsigned = new UnsecuredJWT({ sub: 'user-1', token_use: 'id' })
      .setIssuer(issuer)
      .setAudience(clientId)
      .setExpirationTime('1m')
      .encode();
    for (const forged of [
      await token({}, stranger.privateKey),
      await token({}, publicPem, 'HS256'),
      unsigned,
      '',
      'a.b.c',
    ]) {
      await assert.rejects(verify(forged), refused, forged);
    }
  });

  it('reports an error of the server, not of the user, if the keys cannot be fetched', async () => {
    const unavailable = createIdTokenVerifier({ issuer: 'http://127.0.0.1:1/pool', clientId });
    await assert.rejects(unavailable(await token()), { code: 'SERVER_ERROR' });
  });
});
