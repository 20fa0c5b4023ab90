import assert from 'node:assert/strict';
import { readFields, readFragment, readInvite, removeInvite, saveInvite, type TabStorage } from './invite.ts';

const invite = { room: 'lab-mice', token: 'a+b/c=' };

function memory(): TabStorage {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
  };
}

describe('an invite on the page', () => {
  it('is read from the fragment that the CLI writes', () => {
    assert.deepEqual(readFragment(`#${new URLSearchParams(invite)}`), invite);
  });

  it('ignores the room’s key, which the page neither needs nor saves', () => {
    const withKey = readFragment(`#${new URLSearchParams({ ...invite, key: 'k'.repeat(43) })}`);
    assert.deepEqual(withKey, invite);
    const stored: string[] = [];
    saveInvite({ ...memory(), setItem: (_, value) => void stored.push(value) }, { ...invite, ...withKey });
    assert.ok(stored.length === 1 && !stored[0]?.includes('kkk'));
  });

  it('is refused if a part is missing or no room can have the name', () => {
    for (const fragment of ['', '#', '#room=lab-mice', '#token=x', '#room=NO&token=x', '#room=../x&token=x']) {
      assert.equal(readFragment(fragment), undefined, fragment);
    }
    assert.equal(readFragment(`#room=lab-mice&token=${'x'.repeat(257)}`), undefined);
  });

  it('may be typed, or pasted as a whole link into either field, broken by a mail program', () => {
    assert.deepEqual(readFields(' lab-mice ', ' a+b/c= '), invite);
    const link = `https://server.test/#${new URLSearchParams(invite)}`;
    assert.deepEqual(readFields(link, ''), invite);
    assert.deepEqual(readFields('', `${link.slice(0, 30)}\n ${link.slice(30)}`), invite);
    assert.equal(readFields('lab mice', 'x'), undefined);
  });

  it('outlives a reload, until the room is left', () => {
    const storage = memory();
    saveInvite(storage, invite);
    assert.deepEqual(readInvite(storage), invite);
    removeInvite(storage);
    assert.equal(readInvite(storage), undefined);
  });

  it('is ignored if the stored text is not an invite', () => {
    for (const stored of ['{', 'null', '[]', '{"room":"NO","token":"x"}', '{"room":"lab-mice"}']) {
      assert.equal(readInvite({ ...memory(), getItem: () => stored }), undefined, stored);
    }
  });
});
