import { SleapRtcError } from '../../protocol/errors.ts';
import { MAX_CHANNEL_MESSAGE_BYTES } from '../limits.ts';
import { PIECE_HEADER_BYTES } from './limits.ts';

const KINDS = { data: 1, hashes: 2 } as const;
const KIND_NAMES = new Map<number, keyof typeof KINDS>(
  Object.entries(KINDS).map(([name, code]) => [code, name as keyof typeof KINDS]),
);

/** A binary message: part of a block's data, or some of a file's block hashes. */
export interface Piece {
  kind: keyof typeof KINDS;
  /** Index of the file in the offer. */
  file: number;
  /** Index of the block, or of the first hash. */
  block: number;
  /** Where in the block the data belongs, in bytes. */
  offset: number;
  data: Uint8Array;
}

/** Data bytes that fit in one message. */
const MAX_PIECE_BYTES = MAX_CHANNEL_MESSAGE_BYTES - PIECE_HEADER_BYTES;

/** Cuts a block's data into messages. */
export function* dataPieces(file: number, block: number, data: Uint8Array): Generator<Uint8Array> {
  for (let offset = 0; offset < data.byteLength; offset += MAX_PIECE_BYTES) {
    yield encodePiece({ kind: 'data', file, block, offset, data: data.subarray(offset, offset + MAX_PIECE_BYTES) });
  }
}

/** Layout (big-endian): u8 kind, 3 bytes nought, u32 file, u32 block, u32 offset, data. */
export function encodePiece({ kind, file, block, offset, data }: Piece): Uint8Array {
  const message = Buffer.allocUnsafe(PIECE_HEADER_BYTES + data.byteLength);
  message.writeUInt32BE(KINDS[kind] << 24, 0);
  message.writeUInt32BE(file, 4);
  message.writeUInt32BE(block, 8);
  message.writeUInt32BE(offset, 12);
  message.set(data, PIECE_HEADER_BYTES);
  return message;
}

/**
 * Reads a binary message. `data` is a view of it.
 * @throws SleapRtcError MESSAGE_INVALID
 */
export function decodePiece(message: Uint8Array): Piece {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const kind = message.byteLength > PIECE_HEADER_BYTES ? KIND_NAMES.get(view.getUint8(0)) : undefined;
  if (kind === undefined)
    throw new SleapRtcError('MESSAGE_INVALID', 'A binary message of the transfer is not understood.');
  return {
    kind,
    file: view.getUint32(4),
    block: view.getUint32(8),
    offset: view.getUint32(12),
    data: message.subarray(PIECE_HEADER_BYTES),
  };
}
