/** The public interface of transport/: a peer connection over signaling, and the transfer of files on it. */
export { type AcceptPeersOptions, acceptPeers } from './connection/accept-peers.ts';
export { type ConnectPeerOptions, connectPeer } from './connection/connect-peer.ts';
export type { DataChannel, PeerConnection, Route } from './connection/connection.ts';
export { readWebRtcChoice, type WebRtcChoice } from './engine-choice/web-rtc-choice.ts';
export {
  describeContent,
  describeFiles,
  rememberOwnFile,
  type SourceFile,
} from './file-transfer/disk/describe-files.ts';
export { missingFiles } from './file-transfer/disk/destination.ts';
export { HashCache, type KnownFile } from './file-transfer/disk/hash-cache.ts';
export type { Reuse } from './file-transfer/disk/local-blocks.ts';
export { placeFiles } from './file-transfer/disk/place-files.ts';
export { type ReceiveOptions, receiveFiles } from './file-transfer/receive/receive-files.ts';
export { type SendOptions, sendFiles } from './file-transfer/send/send-files.ts';
export { StripeEntrance } from './file-transfer/stripes/stripe.ts';
export { stripeOpener } from './file-transfer/stripes/stripe-opener.ts';
export { ProgressMeter } from './file-transfer/wire/progress-meter.ts';
export { type IceTransportPolicy, readIceTransportPolicy } from './ice/ice-transport-policy.ts';
export { SignalingClient, type SignalingClientOptions, type SignalingEvents } from './signaling/signaling-client.ts';
