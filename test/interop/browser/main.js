/**
 * A peer that sends files, or receives them, over one connection, in a page. Reports as `main.py` does: `ready` when it is in
 * the room, `connected`, `blocks` sent or received so far, and at the end `done` or the `error` that it ended with.
 */

import { Connection, importKey, Signaling } from './connection.js';
import { receiveFiles, sendFiles } from './transfer.js';

/** What was received, for the next task too. */
const store = { files: new Map(), parts: new Map() };
let connection;

/** @param options as the arguments of `main.py`; `paths`: what to fetch from the page's server, to be sent */
async function start(options, report) {
  try {
    await run(options, report);
  } catch (error) {
    report({ error: error.code ?? 'INTERNAL', message: String(error.stack) });
  }
}

async function run({ part, room, roomKey, peerId, offerTo, jobId, paths }, report) {
  const key = await importKey(roomKey);
  const files = new Map();
  for (const path of paths) files.set(path, await fetchFile(path));
  const signaling = await Signaling.join(room, peerId, peerId.split('-')[0]);
  report({ ready: true });
  let channel;
  if (offerTo === undefined) {
    connection = await Connection.answer(key, signaling);
    report({ connected: true });
    channel = await connection.acceptChannel();
  } else {
    const kind = part === 'receive' ? 'dataset' : 'results';
    connection = await Connection.offer(key, signaling, offerTo, { job_id: jobId, kind });
    report({ connected: true });
    channel = await connection.openChannel(kind);
  }
  let blocks = 0;
  const count = () => {
    blocks += 1;
    report({ blocks });
  };
  try {
    const moved = await (part === 'receive' ? receiveFiles(channel, store, count) : sendFiles(channel, files, count));
    report({ done: moved.length, blocks });
  } finally {
    await connection.close();
    signaling.close();
  }
}

async function fetchFile(path) {
  const response = await fetch(`/files/${encodeURI(path)}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Sizes and hashes of what is there. */
async function received() {
  const entries = [];
  for (const [path, content] of store.files) {
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', content));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
    entries.push({ path, size_bytes: content.length, sha256 });
  }
  return entries;
}

Object.assign(window, { start, received, cut: () => connection.cut() });
