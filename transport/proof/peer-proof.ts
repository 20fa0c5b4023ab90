import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { RoomKey } from '../../protocol/room-key.ts';
import type { ConnectionPurpose } from '../../protocol/wire/signaling.ts';

/** A peer's role when a connection is made. */
export type Side = 'offerer' | 'answerer';

/** One value for each of the two peers. */
export type OfBoth<Value> = Record<Side, Value>;

/** What both sides must agree on before they trust each other. No value contains a line break. */
export interface ProofTranscript {
  connectionId: string;
  purpose: ConnectionPurpose;
  peerIds: OfBoth<string>;
  /** Fingerprints of the certificates that the WebRTC stacks accept from each other, as `FingerprintPin` returns them. */
  fingerprints: OfBoth<string>;
  nonces: OfBoth<string>;
}

/** Version of the proof. It is part of the proof, so that a proof of another version is never accepted. */
export const PROOF_VERSION = 1;

/** Makes a nonce: 32 random bytes, in base64url. */
export function proofNonce(): string {
  return randomBytes(32).toString('base64url');
}

/**
 * The proof that `sender` has the key and sees the same connection as the other side: an HMAC-SHA256 in base64url. It contains the
 * sender's role, so that a proof cannot be sent back to the peer that made it.
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

/** Compares two proofs. The time it takes does not show where they differ. */
export function isSameProof(expected: string, received: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(received)];
  return a.length === b.length && timingSafeEqual(a, b);
}
