import assert from 'node:assert/strict';
import { maxMessageBytes } from './message-size.ts';

const KiB = 1024;

describe('the largest message for a peer', () => {
  for (const [line, bytes] of [
    ['', 64 * KiB],
    ['a=max-message-size:65536\r\n', 64 * KiB],
    ['a=max-message-size:16384\r\n', 16 * KiB],
    ['a=max-message-size:262144\n', 256 * KiB],
    ['a=max-message-size:1073741823\r\n', 256 * KiB],
    ['a=max-message-size:0\r\n', 256 * KiB],
  ] as const) {
    it(`is ${bytes / KiB} KiB by ${JSON.stringify(line)}`, () => {
      assert.equal(maxMessageBytes(`v=0\r\na=mid:0\r\n${line}a=sctp-port:5000\r\n`), bytes);
    });
  }
});
