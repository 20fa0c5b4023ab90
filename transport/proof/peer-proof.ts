import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RoomKey } from '../../protocol/room-key.ts';
import type { ConnectionPurpose } from '../../protocol/signaling.ts';

/** Which part a peer has in making a connection. */
export type Side = 'offerer' | 'answerer';

/** One value of each of the two peers. */
export type OfBoth<Value> = Record<Side, Value>;

/** What both sides must agree on before they trust each other. None of it contains a line break. */
export interface ProofTranscript {
  connectionId: string;
  purpose: ConnectionPurpose;
  peerIds: OfBoth<string>;
  /** Of the certificates that the WebRTC stacks hold each other to; as `FingerprintPin` gives them. */
  fingerprints: OfBoth<string>;
  nonces: OfBoth<string>;
}

/** Version of the proof; part of it, so that no other version's proof is taken for one of this. */
export const PROOF_VERSION = 1;

/** Makes a nonce: 32 random bytes, in base64url. */
export function proofNonce(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * What `sender` sends to show that it has the key and sees the connection as the other side does: HMAC-SHA256 in base64url.
 * The sender's part is in it, so that a proof cannot be sent back to its maker.
 */
export function proofOf(roomKey: RoomKey, sender: Side, transcript: ProofTranscript): string {
  const { connectionId, purpose, peerIds, fingerprints, nonces } = transcript;
  const lines = [
    `sleap-rtc-proof ${PROOF_VERSION}`,
    sender,
    connectionId,
    purpose.job_id,
    purpose.kind,
    peerIds.offerer,
    peerIds.answerer,
    fingerprints.offerer,
    fingerprints.answerer,
    nonces.offerer,
    nonces.answerer,
  ];
  return createHmac('sha256', Buffer.from(roomKey, 'base64url')).update(lines.join('\n')).digest('base64url');
}

/** Compares two proofs in a time that does not depend on where they differ. */
export function isSameProof(expected: string, received: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(received)];
  return a.length === b.length && timingSafeEqual(a, b);
}
