import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { box, mp4 } from '../../testing/fixtures.ts';
import { TestHome } from '../../testing/run-cli.ts';
import { checkVideo } from './video-file.ts';

describe('checking a video', () => {
  let home: TestHome;
  beforeEach(async () => {
    home = await TestHome.make();
  });
  afterEach(() => home[Symbol.asyncDispose]());

  async function check(name: string, content: Buffer | string): Promise<string> {
    await writeFile(home.path(name), content);
    try {
      await checkVideo(home.path(name));
      return 'fine';
    } catch (error) {
      assert.ok(error instanceof SleapRtcError);
      assert.equal(error.code, 'VIDEO_INVALID');
      return error.message;
    }
  }

  const small = Buffer.from('x');
  const good: [name: string, content: Buffer][] = [
    ['a.mp4', mp4()],
    ['index-first.MP4', Buffer.concat([box('ftyp', small), box('moov', small), box('mdat', small)])],
    ['old.mov', Buffer.concat([box('wide', Buffer.alloc(0)), box('mdat', small), box('moov', small)])],
    ['to-the-end.mp4', Buffer.concat([box('ftyp', small), box('moov', small), box('mdat', small, 0)])],
    ['large.mp4', Buffer.concat([box('moov', small), box('mdat', small, 1)])],
    ['bytes-of-the-camera.mp4', Buffer.concat([box('moov', small), Buffer.from([0, 0, 0, 0, 0, 0])])],
    ['a.avi', Buffer.from('RIFF0000AVI LIST')],
    ['a.mkv', Buffer.from([0x1a, 0x45, 0xdf, 0xa3, 0x01])],
    ['a.tif', Buffer.from('II*\0more')],
    ['a.TIFF', Buffer.from('MM\0*more')],
    ['a.h5', Buffer.from('left to the worker')],
  ];
  for (const [name, content] of good) {
    it(`takes ${name}`, async () => assert.equal(await check(name, content), 'fine'));
  }

  it('says how much is missing of an MP4 that was not copied completely', async () => {
    const whole = mp4();
    assert.match(await check('a.mp4', whole.subarray(0, whole.length - 5)), /^a\.mp4 is cut short: .* 2\d{3} bytes/);
  });

  const bad: [name: string, content: Buffer | string, says: RegExp][] = [
    ['empty.mp4', '', /^empty\.mp4 is empty/],
    ['text.mp4', 'a\nb\nc\nd', /is not a \.mp4 video/],
    ['words.mp4', 'not a video, only words', /is cut short|no index/],
    ['broken-off.mp4', Buffer.concat([box('ftyp', small), box('mdat', small)]), /no index \(moov\)/],
    ['text.avi', 'RIFF0000WAVE', /is not a \.avi video/],
    ['notes.txt', 'x', /^notes\.txt is neither a video \(\.mp4 .*\) nor labels/],
  ];
  for (const [name, content, says] of bad) {
    it(`refuses ${name}`, async () => assert.match(await check(name, content), says));
  }

  it('ends for any input', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        await check('any.mp4', Buffer.concat([box('ftyp', small), bytes]));
      }),
      { numRuns: 50 },
    );
  });
});
