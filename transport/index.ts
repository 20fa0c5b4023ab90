/** The public interface of transport/: a peer connection over signaling, and the transfer of files on it. */
export { type AcceptPeersOptions, acceptPeers } from './accept-peers.ts';
export { type ConnectPeerOptions, connectPeer } from './connect-peer.ts';
export type { DataChannel, PeerConnection, Route } from './connection.ts';
export { describeContent, describeFiles, rememberOwnFile, type SourceFile } from './file-transfer/describe-files.ts';
export { missingFiles } from './file-transfer/destination.ts';
export { HashCache, type KnownFile } from './file-transfer/hash-cache.ts';
export type { Reuse } from './file-transfer/holdings.ts';
export { placeFiles } from './file-transfer/place-files.ts';
export { type ReceiveOptions, receiveFiles } from './file-transfer/receive-files.ts';
export { type SendOptions, sendFiles } from './file-transfer/send-files.ts';
export { StripeEntrance } from './file-transfer/stripe.ts';
export { type IceTransportPolicy, readIceTransportPolicy } from './ice-transport-policy.ts';
export { SignalingClient, type SignalingClientOptions, type SignalingEvents } from './signaling-client.ts';
export { stripeOpener } from './stripe-opener.ts';
export { readWebRtcChoice, type WebRtcChoice } from './web-rtc-choice.ts';
