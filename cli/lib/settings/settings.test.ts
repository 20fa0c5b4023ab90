import assert from 'node:assert/strict';
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { TestHome } from '../../testing/run-cli.ts';
import { readConfigFile, rememberRoom, roomAt } from './config-file.ts';
import { formatInvite, parseInvite } from './invite.ts';
import { serverUrl } from './server-url.ts';
import { needKey, needRoom, resolveSettings } from './settings.ts';

const SERVER = 'https://lab.example.org';
const KEY = Buffer.alloc(32, 'k').toString('base64url');
const OTHER_KEY = Buffer.alloc(32, 'o').toString('base64url');
const file = {
  server: SERVER,
  room: 'file-room',
  tokens: { [roomAt(SERVER, 'file-room')]: 'file-token', [roomAt(SERVER, 'other-room')]: 'other-token' },
  keys: { [roomAt(SERVER, 'file-room')]: KEY },
  owned: {},
};

describe('settings', () => {
  const resolve = (flags: object, env: NodeJS.ProcessEnv) =>
    resolveSettings({ flags, env, file, filePath: '/config.json' });

  it('prefers flags to the environment and the environment to the file, and names the source', () => {
    const env = { SLEAP_RTC_ROOM: 'env-room', SLEAP_RTC_SERVER: '' };
    assert.deepEqual(resolve({ room: 'flag-room' }, env).room, { value: 'flag-room', source: '--room' });
    assert.deepEqual(resolve({}, env).room, { value: 'env-room', source: 'SLEAP_RTC_ROOM' });
    assert.deepEqual(resolve({}, {}).room, { value: 'file-room', source: '/config.json' });
    assert.deepEqual(resolve({}, env).server, { value: SERVER, source: '/config.json' });
  });

  it('finds the token of each joined room, and never sends one room’s token to another', () => {
    assert.equal(resolve({ room: 'other-room' }, {}).token.value, 'other-token');
    assert.equal(resolve({ room: 'third-room' }, {}).token.value, undefined);
    assert.equal(resolve({ server: 'https://elsewhere.org', room: 'file-room' }, {}).token.value, undefined);
    assert.throws(() => needRoom(resolve({ room: 'third-room' }, {})), { code: 'USAGE', message: /third-room/ });
  });

  it('prefers a room’s key in the environment to the saved one, and runs no job without a key', () => {
    assert.deepEqual(resolve({}, {}).key, { value: KEY, source: '/config.json' });
    const { key } = resolve({}, { SLEAP_RTC_ROOM_KEY: OTHER_KEY });
    assert.deepEqual(key, { value: OTHER_KEY, source: 'SLEAP_RTC_ROOM_KEY' });
    assert.equal(needKey(needRoom(resolve({}, {}))).key, KEY);
    assert.throws(() => needKey(needRoom(resolve({ room: 'other-room' }, {}))), { code: 'USAGE', message: /no key/ });
    assert.throws(
      () => resolve({}, { SLEAP_RTC_ROOM_KEY: 'half-a-key' }),
      (error: Error) => error.message.includes('SLEAP_RTC_ROOM_KEY') && !error.message.includes('half-a-key'),
    );
  });

  it('does not use the saved room on another server', () => {
    assert.equal(resolve({ server: 'https://elsewhere.org' }, {}).room.value, undefined);
  });

  it('names the source of a room name that cannot be one', () => {
    assert.throws(() => resolve({}, { SLEAP_RTC_ROOM: 'No Room' }), { code: 'USAGE', message: /SLEAP_RTC_ROOM/ });
  });

  it('normalizes a server’s address and refuses other text', () => {
    assert.equal(serverUrl('lab.example.org/'), SERVER);
    assert.equal(serverUrl('http://127.0.0.1:8080/sleap/'), 'http://127.0.0.1:8080/sleap');
    for (const bad of ['ftp://x', 'http://user:pw@x', 'http://', ''])
      assert.throws(() => serverUrl(bad), { code: 'USAGE' });
  });

  it('an invite survives mail programs, and its token and key stay out of server logs', () => {
    const invite = { server: SERVER, room: 'lab-mice', token: 'a+b/c=&#é', key: KEY };
    const link = formatInvite(invite);
    assert.deepEqual(parseInvite(`  ${link.slice(0, 30)}\n ${link.slice(30)}\n`), invite);
    assert.equal(new URL(link).href.split('#')[0], `${SERVER}/`);
    const { key: _, ...keyless } = invite;
    assert.deepEqual(parseInvite(formatInvite(keyless)), keyless);
    for (const bad of [
      '',
      'hello',
      SERVER,
      `${SERVER}/#room=lab-mice`,
      '#room=lab-mice&token=secret',
      `${SERVER}/#room=NO&token=secret`,
      `${SERVER}/#room=lab-mice&token=secret&key=secret`,
    ]) {
      assert.throws(
        () => parseInvite(bad),
        (error: Error) => !error.message.includes('secret'),
      );
    }
  });

  it('lets only the owner read tokens, even if others could read the file before', async () => {
    const home = await TestHome.make();
    try {
      const folder = home.path('config');
      await mkdir(folder);
      await writeFile(home.path('config', 'config.json'), '{"future": 1}', { mode: 0o644 });
      await rememberRoom(folder, { server: SERVER, room: 'lab-mice', token: 'old', key: KEY });
      await rememberRoom(folder, { server: SERVER, room: 'lab-mice', token: 't' });
      assert.equal((await stat(home.path('config', 'config.json'))).mode & 0o777, 0o600);
      const stored = await readConfigFile(folder);
      assert.equal(stored.tokens[roomAt(SERVER, 'lab-mice')], 't');
      assert.equal(stored.keys[roomAt(SERVER, 'lab-mice')], KEY);
      assert.equal(stored.future, 1);
      await writeFile(home.path('config', 'config.json'), '{"token": "secret",');
      await assert.rejects(readConfigFile(folder), (error: Error) => !error.message.includes('secret'));
    } finally {
      await home[Symbol.asyncDispose]();
    }
  });
});
