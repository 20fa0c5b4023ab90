import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { useDesk } from '../testing/desk.ts';
import type { CliResult } from '../testing/run-cli.ts';
import { ROOM } from '../testing/test-server.ts';

describe('what a room’s owner does', function () {
  this.timeout(60_000);

  const desk = useDesk({ inRoom: false, prepare: async () => undefined });
  const useConfig = (name: string) => {
    desk.home.env.SLEAP_RTC_CONFIG_DIR = desk.home.path(name);
  };
  async function ok(...args: string[]): Promise<CliResult> {
    const result = await desk.home.run(...args);
    assert.equal(result.exitCode, 0, result.stderr);
    return result;
  }
  const json = async (...args: string[]) => JSON.parse((await ok(...args, '--json')).stdout);
  const refused = async (code: string, ...args: string[]) => {
    const { exitCode, stderr } = await desk.home.run(...args);
    assert.notEqual(exitCode, 0);
    assert.ok(stderr.includes(`[${code}]`), stderr);
  };

  it('rooms rotate makes earlier invites useless, and its new invite lets the members in again', async () => {
    useConfig('owner');
    const made = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    useConfig('member');
    await ok('rooms', 'join', made.invite);
    await refused('USAGE', 'rooms', 'rotate');
    useConfig('owner');
    const rotated = await json('rooms', 'rotate');
    assert.notEqual(rotated.key, made.key);
    assert.match((await ok('rooms', 'show')).stdout, /You are: +member/);
    assert.equal((await json('rooms', 'invite')).invite, rotated.invite);
    useConfig('member');
    await refused('TOKEN_REFUSED', 'rooms', 'show');
    await ok('rooms', 'join', rotated.invite);
    assert.ok((await readFile(desk.home.path('member', 'config.json'), 'utf8')).includes(rotated.key));
  });

  it('rooms invite --viewer lets people look and nothing else, and has no key', async () => {
    useConfig('owner');
    const { key } = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    const { invite } = await json('rooms', 'invite', '--viewer');
    assert.ok(!invite.includes(key) && !invite.includes('key='));
    useConfig('viewer');
    assert.match((await ok('rooms', 'join', invite)).stdout, /change nothing/);
    await ok('models', 'list');
    await ok('jobs', 'list');
    await refused('NOT_ALLOWED', 'rooms', 'open');
    await refused('USAGE', 'rooms', 'invite', '--viewer');
  });

  it('rooms remove-member refuses an identity, and says how to shut out whoever has the invite', async () => {
    useConfig('owner');
    await json('rooms', 'create', ROOM, '--server', desk.server.url);
    const { stdout } = await ok('rooms', 'remove-member', 'user-1');
    assert.match(stdout, /User user-1 is removed[\s\S]*rooms rotate/);
    await refused('NOT_ALLOWED', 'jobs', 'list');
  });

  it('rooms delete asks first, and then nobody has the room any more, nor this machine its tokens', async () => {
    useConfig('owner');
    const made = await json('rooms', 'create', ROOM, '--server', desk.server.url);
    await refused('USAGE', 'rooms', 'delete');
    await ok('rooms', 'show');
    assert.match((await ok('rooms', 'delete', '--yes')).stdout, /lab-mice is deleted with its models/);
    const stored = await readFile(desk.home.path('owner', 'config.json'), 'utf8');
    for (const secret of [made.token, made.key, made.owner_token, made.viewer_token])
      assert.ok(!stored.includes(secret));
    useConfig('member');
    await refused('TOKEN_REFUSED', 'rooms', 'join', made.invite);
  });

  it('rooms delete asks on a terminal, and deletes nothing if another name is typed', async () => {
    useConfig('owner');
    await json('rooms', 'create', ROOM, '--server', desk.server.url);
    for (const [typed, exitCode] of [
      ['another-room', 2],
      [ROOM, 0],
    ] as const) {
      const running = desk.home.startOnTerminal('rooms', 'delete');
      await desk.home.says(running, /to delete the room/);
      running.stdin.write(`${typed}\r`);
      const ended = await running;
      assert.equal(ended.exitCode, exitCode, ended.stdout);
      assert.doesNotMatch(ended.stdout, /\\u001b/, 'the question is drawn, not escaped');
    }
    await refused('TOKEN_REFUSED', 'rooms', 'show', '--room', ROOM, '--server', desk.server.url, '--token', 'any');
  });
});
