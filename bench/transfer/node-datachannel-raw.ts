import { createReadStream } from 'node:fs';
import { type DataChannel, PeerConnection } from 'node-datachannel';
import type { SignalingClient } from '../../transport/index.ts';
import { join } from '../../transport/testing/join.ts';
import { DiskSink } from './disk-sink.ts';
import type { Implementation } from './task.ts';

/** The message size with which it is fastest, and the amount that stays in its buffer, in bytes. */
const MESSAGE_BYTES = 256 * 1024;
const BUFFER_BYTES = 1024 * 1024;

const connection_id = 'benchmark';
const purpose = { job_id: 'benchmark', kind: 'dataset' } as const;

/** node-datachannel by itself: one channel, no resume, and one SHA-256 over the whole file at the receiver. */
export const nodeDatachannelRaw: Implementation = {
  async send({ serverUrl, path, ready }) {
    const signaling = await join(serverUrl, 'client-1');
    const peer = new PeerConnection('sender', { iceServers: [] });
    const channel = Promise.withResolvers<DataChannel>();
    peer.onDataChannel(channel.resolve);
    exchange(signaling, peer, 'worker-1');
    signaling.on('offer', ({ sdp }) => peer.setRemoteDescription(sdp, 'offer'));
    ready();
    await pump(await channel.promise, path);
    peer.close();
    await signaling.close();
  },

  async receive({ serverUrl, path, bytes, started }) {
    const signaling = await join(serverUrl, 'worker-1');
    const sink = await DiskSink.open(path, bytes);
    const peer = new PeerConnection('receiver', { iceServers: [] });
    exchange(signaling, peer, 'client-1');
    signaling.on('answer', ({ sdp }) => peer.setRemoteDescription(sdp, 'answer'));
    const channel = peer.createDataChannel('data');
    channel.onOpen(started);
    channel.onClosed(() => peer.close());
    channel.onMessage((data) => void (typeof data !== 'string' && sink.take(new Uint8Array(data))));
    const sha256 = await sink.done;
    channel.sendMessage('done');
    void signaling.close();
    return sha256;
  },
};

function exchange(signaling: SignalingClient, peer: PeerConnection, target: string): void {
  peer.onLocalDescription((sdp, type) => {
    const message = type === 'offer' ? { type: 'offer' as const, purpose } : { type: 'answer' as const };
    void signaling.relay({ ...message, target, connection_id, sdp });
  });
  peer.onLocalCandidate((candidate, sdpMid) => {
    void signaling.relay({ type: 'candidate', target, connection_id, candidate: { candidate, sdpMid } });
  });
  signaling.on('candidate', ({ candidate }) => {
    if (candidate !== null) peer.addRemoteCandidate(candidate.candidate, candidate.sdpMid ?? '0');
  });
}

/** Sends the file with a full buffer and waits until the receiver confirms that it has everything. */
async function pump(channel: DataChannel, path: string): Promise<void> {
  const done = Promise.withResolvers<void>();
  let low = Promise.withResolvers<void>();
  channel.onMessage(() => done.resolve());
  channel.setBufferedAmountLowThreshold(BUFFER_BYTES / 2);
  channel.onBufferedAmountLow(() => low.resolve());
  for await (const data of createReadStream(path, { highWaterMark: MESSAGE_BYTES })) {
    low = Promise.withResolvers<void>();
    channel.sendMessageBinary(data);
    if (channel.bufferedAmount() >= BUFFER_BYTES) await low.promise;
  }
  await done.promise;
}
