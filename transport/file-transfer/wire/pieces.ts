import { SleapRtcError } from '../../../protocol/errors.ts';
import { PIECE_BYTES, PIECE_HEADER_BYTES } from './limits.ts';

const KINDS = { data: 1, hashes: 2 } as const;
const KIND_NAMES = new Map<number, keyof typeof KINDS>(
  Object.entries(KINDS).map(([name, code]) => [code, name as keyof typeof KINDS]),
);

/** A binary message: a part of a block's data, or some of a file's block hashes. */
export interface Piece {
  kind: keyof typeof KINDS;
  /** Index of the file in the offer. */
  file: number;
  /** Index of the block, or of the first hash. */
  block: number;
  /** The data's place in the block, in bytes. */
  offset: number;
  data: Uint8Array;
}

/**
 * Cuts a block's data into messages of about the same size. They share one buffer, so each is valid only until the next one.
 * @param maxMessageBytes largest message that the peer accepts
 */
export function* dataPieces(
  file: number,
  block: number,
  data: Uint8Array,
  maxMessageBytes: number,
): Generator<Uint8Array> {
  const most = Math.min(PIECE_BYTES, maxMessageBytes - PIECE_HEADER_BYTES);
  const size = Math.ceil(data.byteLength / Math.ceil(data.byteLength / most));
  const message = Buffer.allocUnsafe(PIECE_HEADER_BYTES + size);
  for (let offset = 0; offset < data.byteLength; offset += size) {
    const part = data.subarray(offset, offset + size);
    yield writePiece(message, { kind: 'data', file, block, offset, data: part });
  }
}

/** A message with a piece, in a buffer of its own. */
export function encodePiece(piece: Piece): Uint8Array {
  return writePiece(Buffer.allocUnsafe(PIECE_HEADER_BYTES + piece.data.byteLength), piece);
}

/** Layout (big-endian): u8 kind, 3 zero bytes, u32 file, u32 block, u32 offset, data. */
function writePiece(message: Buffer, { kind, file, block, offset, data }: Piece): Uint8Array {
  message.writeUInt32BE(KINDS[kind] << 24, 0);
  message.writeUInt32BE(file, 4);
  message.writeUInt32BE(block, 8);
  message.writeUInt32BE(offset, 12);
  message.set(data, PIECE_HEADER_BYTES);
  return message.subarray(0, PIECE_HEADER_BYTES + data.byteLength);
}

/**
 * Reads a binary message. The piece's `data` is a view of the message.
 * @throws SleapRtcError MESSAGE_INVALID
 */
export function decodePiece(message: Uint8Array): Piece {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const kind = message.byteLength > PIECE_HEADER_BYTES ? KIND_NAMES.get(view.getUint8(0)) : undefined;
  if (kind === undefined) throw new SleapRtcError('MESSAGE_INVALID', 'A binary message of the transfer is not valid.');
  return {
    kind,
    file: view.getUint32(4),
    block: view.getUint32(8),
    offset: view.getUint32(12),
    data: message.subarray(PIECE_HEADER_BYTES),
  };
}
