import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readObjectHeader, Unreadable } from './object-header.ts';

const WIDTHS = { address: 8, length: 8 } as const;
const EXTERNAL_FILES = 0x07;
const CONTINUATION = 0x10;

/** A message of version 1 or 2. */
function message(version: 1 | 2, type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(version === 1 ? 8 : 4);
  if (version === 1) head.writeUInt16LE(type, 0);
  else head.writeUInt8(type, 0);
  head.writeUInt16LE(data.length, version === 1 ? 2 : 1);
  return Buffer.concat([head, data]);
}

/** A header of which the last message is in the last of `parts` parts, each of which names the next. */
function header(version: 1 | 2, parts: number, last: Buffer): Buffer {
  const messages = Array.from({ length: parts }, (_, n) =>
    n === parts - 1 ? last : message(version, CONTINUATION, Buffer.alloc(16)),
  );
  const prefix = Buffer.alloc(version === 1 ? 16 : 10);
  const first = messages[0]?.length ?? 0;
  prefix.writeUInt32LE(first, version === 1 ? 8 : 6);
  if (version === 2) prefix.set([...Buffer.from('OHDR'), 2, 2]);
  else prefix[0] = 1;
  const wrapped = messages.map((bytes, n) =>
    version === 1 || n === 0 ? bytes : Buffer.concat([Buffer.from('OCHK'), bytes, Buffer.alloc(4)]),
  );
  let at = prefix.length;
  for (const [n, bytes] of wrapped.entries()) {
    at += bytes.length;
    const next = wrapped[n + 1];
    if (next === undefined) break;
    const data = bytes.length - 16 - (version === 2 && n > 0 ? 4 : 0);
    bytes.writeBigUInt64LE(BigInt(at), data);
    bytes.writeBigUInt64LE(BigInt(next.length), data + 8);
  }
  return Buffer.concat([prefix, ...wrapped, Buffer.alloc(16)]);
}

function reader(bytes: Buffer) {
  return (address: bigint, length: number) => {
    if (Number(address) + length > bytes.length) throw new Unreadable('behind the end');
    return bytes.subarray(Number(address), Number(address) + length);
  };
}

describe('an object header', () => {
  for (const version of [1, 2] as const) {
    it(`of version ${version} hides no external file in its last part`, () => {
      for (const parts of [1, 2, 5]) {
        const external = header(version, parts, message(version, EXTERNAL_FILES, Buffer.alloc(8)));
        assert.equal(readObjectHeader(reader(external), 0n, WIDTHS).hasExternalFiles, true, `${parts} parts`);
        const other = header(version, parts, message(version, 0x03, Buffer.alloc(8)));
        assert.equal(readObjectHeader(reader(other), 0n, WIDTHS).hasExternalFiles, false);
      }
    });

    it(`of version ${version} may say that its layout is virtual, in any version of that message`, () => {
      for (const [layout, isVirtual] of [
        [[4, 3], true],
        [[5, 3], true],
        [[3, 2], false],
        [[1, 1, 2], false],
      ] as const) {
        const bytes = header(version, 1, message(version, 0x08, Buffer.from([...layout, 0, 0, 0, 0])));
        assert.equal(readObjectHeader(reader(bytes), 0n, WIDTHS).isVirtual, isVirtual);
      }
    });
  }

  it('of any bytes is read or refused, and takes no time without end', () => {
    fc.assert(
      fc.property(
        fc.constantFrom([1], [...Buffer.from('OHDR'), 2]),
        fc.uint8Array({ minLength: 32, maxLength: 200 }),
        (start, bytes) => {
          try {
            readObjectHeader(reader(Buffer.concat([Buffer.from(start), bytes])), 0n, WIDTHS);
          } catch (error) {
            assert.ok(error instanceof Unreadable, String(error));
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('that continues in itself is refused', () => {
    const bytes = header(1, 2, message(1, 0x03, Buffer.alloc(8)));
    bytes.writeBigUInt64LE(16n, 24);
    bytes.writeBigUInt64LE(24n, 32);
    assert.throws(() => readObjectHeader(reader(bytes), 0n, WIDTHS), Unreadable);
  });
});
