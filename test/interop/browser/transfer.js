/** The file transfer of transport/PROTOCOL.md in a browser: a sender, and a receiver that keeps what it has got. */

import { PeerError } from './connection.js';

const BLOCK_BYTES = 1024 * 1024;
const WINDOW_BLOCKS = 16;
const BLOCK_ATTEMPTS = 3;
const HASHES_PER_REQUEST = 1024;
const BLOCKS_PER_REQUEST = 64;
const OFFER_BYTES = 48 * 1024;
const MESSAGE_BYTES = 65_536;
const HASH_BYTES = 32;
/** Before the data of a binary message: kind, 3 bytes nought, number of the file, block or first hash, offset in the block. */
const HEADER_BYTES = 16;
const DATA = 1;
const HASHES = 2;

/**
 * Pulls the offered files into `store`. Of a file that an earlier attempt has begun, only missing blocks are asked for.
 * @param store `files`: contents by path; `parts`: the blocks of unfinished files, by path and SHA-256. Both are Maps
 */
export function receiveFiles(channel, store, onBlock) {
  return tellingWhy(channel, () => new Receiver(channel, store, onBlock).run());
}

/** Offers files, a Map of contents by path, and serves what is asked for, until the receiver has all. */
export function sendFiles(channel, files, onBlock) {
  return tellingWhy(channel, () => new Sender(channel, files, onBlock).run());
}

class Receiver {
  #channel;
  #store;
  #onBlock;
  #hadBytes = 0;

  constructor(channel, store, onBlock) {
    this.#channel = channel;
    this.#store = store;
    this.#onBlock = onBlock;
  }

  async run() {
    await say(this.#channel, hello());
    const files = await this.#offer();
    for (const [number, file] of files.entries()) await this.#receive(number, file);
    await say(this.#channel, { type: 'done', had_bytes: this.#hadBytes });
    await hear(this.#channel, 'goodbye');
    await say(this.#channel, { type: 'goodbye' });
    await this.#channel.close();
    return files;
  }

  async #offer() {
    checkHello(await hear(this.#channel, 'hello'));
    const files = [];
    for (;;) {
      const offer = await hear(this.#channel, 'offer');
      files.push(...offer.files);
      // The names are keys of a Map here. Who writes them to a disk has more to refuse: see PROTOCOL.md.
      if (offer.last) return files;
    }
  }

  async #receive(number, file) {
    const { files, parts } = this.#store;
    const there = files.get(file.path);
    if (there !== undefined && hex(await sha256(there)) === file.sha256) {
      this.#hadBytes += file.size_bytes;
      return;
    }
    const key = `${file.path} ${file.sha256}`;
    const blocks = parts.get(key) ?? Array(blockCount(file)).fill(undefined);
    parts.set(key, blocks);
    this.#hadBytes += blocks.reduce((sum, block) => sum + (block?.length ?? 0), 0);
    const hashes = await this.#hashes(number, file);
    await this.#fetch(number, file, hashes, blocks);
    const content = await joined(blocks);
    if (hex(await sha256(content)) !== file.sha256)
      throw new PeerError('INTEGRITY', `${file.path} is not what was promised.`);
    files.set(file.path, content);
    parts.delete(key);
  }

  async #hashes(number, file) {
    const count = blockCount(file);
    if (count === 1) return [file.sha256];
    const hashes = [];
    while (hashes.length < count) {
      const asked = { first: hashes.length, count: Math.min(HASHES_PER_REQUEST, count - hashes.length) };
      await say(this.#channel, { type: 'hashes', file: number, ...asked });
      const { block, data } = await this.#piece(HASHES, number);
      if (block !== asked.first || data.length !== asked.count * HASH_BYTES) {
        throw new PeerError('MESSAGE_INVALID', 'Other hashes came than were asked for.');
      }
      for (let i = 0; i < data.length; i += HASH_BYTES) hashes.push(hex(data.subarray(i, i + HASH_BYTES)));
    }
    return hashes;
  }

  /** Keeps some blocks asked for, keeps those whose hash is right, and asks for the others again. */
  async #fetch(number, file, hashes, blocks) {
    const missing = hashes.map((_, block) => block).filter((block) => blocks[block] === undefined);
    const attempts = hashes.map(() => 0);
    const coming = new Map();
    while (missing.length > 0 || coming.size > 0) {
      while (missing.length > 0 && coming.size < WINDOW_BLOCKS) {
        const first = missing.shift();
        coming.set(first, { content: new Uint8Array(blockBytes(file, first)), filled: 0 });
        attempts[first] += 1;
        await say(this.#channel, { type: 'want', file: number, first, count: 1, had_bytes: this.#hadBytes });
      }
      const { block, offset, data } = await this.#piece(DATA, number);
      const wanted = coming.get(block);
      if (wanted === undefined || offset !== wanted.filled || offset + data.length > wanted.content.length) {
        throw new PeerError('MESSAGE_INVALID', 'Data came that was not asked for.');
      }
      wanted.content.set(data, offset);
      wanted.filled += data.length;
      if (wanted.filled < wanted.content.length) continue;
      coming.delete(block);
      if (hex(await sha256(wanted.content)) === hashes[block]) {
        blocks[block] = wanted.content;
        this.#onBlock();
      } else if (attempts[block] < BLOCK_ATTEMPTS) {
        missing.unshift(block);
      } else {
        throw new PeerError('INTEGRITY', `A block of ${file.path} came corrupt ${BLOCK_ATTEMPTS} times.`);
      }
    }
  }

  /** The next binary message, which must be of this kind and file. */
  async #piece(kind, number) {
    const message = await this.#channel.receive();
    // Raises what the sender reports.
    if (typeof message === 'string') parse(message);
    else if (message.length > HEADER_BYTES) {
      const view = new DataView(message.buffer, message.byteOffset);
      if (view.getUint8(0) === kind && view.getUint32(4) === number) {
        return { block: view.getUint32(8), offset: view.getUint32(12), data: message.subarray(HEADER_BYTES) };
      }
    }
    throw new PeerError('MESSAGE_INVALID', 'The sender said something out of turn.');
  }
}

class Sender {
  #channel;
  #contents;
  #onBlock;
  #files = [];

  constructor(channel, contents, onBlock) {
    this.#channel = channel;
    this.#contents = contents;
    this.#onBlock = onBlock;
  }

  async run() {
    await say(this.#channel, hello());
    await this.#offer();
    checkHello(await hear(this.#channel, 'hello'));
    for (;;) {
      const request = await hear(this.#channel, 'hashes', 'want', 'busy', 'done');
      if (request.type === 'hashes') await this.#sendHashes(this.#asked(request, HASHES_PER_REQUEST));
      if (request.type === 'want') await this.#sendBlocks(this.#asked(request, BLOCKS_PER_REQUEST));
      if (request.type === 'done') break;
    }
    await say(this.#channel, { type: 'goodbye' });
    try {
      await hear(this.#channel, 'goodbye');
      // The receiver ends the channel.
      await this.#channel.receive();
    } catch {
      // It has all, so nothing that happens now is a failure.
    }
    return this.#files;
  }

  async #offer() {
    for (const [path, content] of this.#contents) {
      this.#files.push({ path, size_bytes: content.length, sha256: hex(await sha256(content)) });
    }
    let part = [];
    for (const file of this.#files) {
      if (encode([...part, file]).length > OFFER_BYTES) {
        await say(this.#channel, { type: 'offer', files: part, last: false });
        part = [];
      }
      part.push(file);
    }
    await say(this.#channel, { type: 'offer', files: part, last: true });
  }

  async #sendHashes({ number, blocks }) {
    const hashes = await Promise.all(blocks.map((block) => sha256(this.#block(number, block))));
    await this.#channel.send(message(HASHES, number, blocks[0], 0, await joined(hashes)));
  }

  async #sendBlocks({ number, blocks }) {
    for (const block of blocks) {
      const data = this.#block(number, block);
      const step = MESSAGE_BYTES - HEADER_BYTES;
      for (let offset = 0; offset < data.length; offset += step) {
        await this.#channel.send(message(DATA, number, block, offset, data.subarray(offset, offset + step)));
      }
      this.#onBlock();
    }
  }

  #block(number, block) {
    return this.#contents.get(this.#files[number].path).subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES);
  }

  #asked({ file: number, first, count }, most) {
    const file = this.#files[number];
    if (file === undefined || first < 0 || count < 1 || count > most || first + count > blockCount(file)) {
      throw new PeerError('MESSAGE_INVALID', 'Something was asked for that is not on offer.');
    }
    return { number, blocks: Array.from({ length: count }, (_, i) => first + i) };
  }
}

/** The other side gave up and said why. */
class Reported extends PeerError {}

/** A side that gives up says so, unless the other side knows. */
async function tellingWhy(channel, side) {
  try {
    return await side();
  } catch (error) {
    if (error instanceof PeerError && !(error instanceof Reported) && error.code !== 'PEER_GONE') {
      await say(channel, { type: 'error', code: error.code, message: error.message });
    }
    throw error;
  }
}

async function say(channel, content) {
  await channel.send(JSON.stringify(content));
}

/** The next message, which must be a text of one of these types. */
async function hear(channel, ...types) {
  const received = await channel.receive();
  const parsed = typeof received === 'string' ? parse(received) : { type: 'data' };
  if (types.includes(parsed.type)) return parsed;
  throw new PeerError('MESSAGE_INVALID', `${parsed.type} came in place of ${types.join(' or ')}.`);
}

function parse(received) {
  const parsed = JSON.parse(received);
  if (parsed.type === 'error') throw new Reported(parsed.code, parsed.message);
  return parsed;
}

function hello() {
  return { type: 'hello', protocol: 'sleap-rtc-files', version: 1 };
}

function checkHello({ protocol, version }) {
  if (protocol === hello().protocol && version === hello().version) return;
  throw new PeerError('MESSAGE_INVALID', 'The other side speaks another protocol, or another version of it.');
}

function message(kind, number, block, offset, data) {
  const bytes = new Uint8Array(HEADER_BYTES + data.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, kind);
  view.setUint32(4, number);
  view.setUint32(8, block);
  view.setUint32(12, offset);
  bytes.set(data, HEADER_BYTES);
  return bytes;
}

function blockCount({ size_bytes }) {
  return Math.ceil(size_bytes / BLOCK_BYTES);
}

function blockBytes({ size_bytes }, block) {
  return Math.min(BLOCK_BYTES, size_bytes - block * BLOCK_BYTES);
}

async function joined(parts) {
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function sha256(data) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', data));
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function encode(value) {
  return new TextEncoder().encode(JSON.stringify(value));
}
