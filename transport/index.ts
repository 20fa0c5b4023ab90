/** The public interface of transport/: connections to peers over signaling, and the transfer of files on them. */
export { type AcceptPeersOptions, acceptPeers } from './connection/accept-peers.ts';
export { type ConnectPeerOptions, connectPeer } from './connection/connect-peer.ts';
export type { DataChannel, PeerConnection, Route } from './connection/connection.ts';
export { readWebRtcChoice, type WebRtcChoice } from './engine-choice/web-rtc-choice.ts';
export { acceptTransfers } from './file-transfer/accept-transfers.ts';
export { connectTransfer } from './file-transfer/connect-transfer.ts';
export { cacheOwnFile, describeContent, describeFiles, type SourceFile } from './file-transfer/disk/describe-files.ts';
export { missingFiles } from './file-transfer/disk/destination.ts';
export { HashCache, type KnownFile } from './file-transfer/disk/hash-cache.ts';
export type { Reuse } from './file-transfer/disk/local-blocks.ts';
export { placeFiles } from './file-transfer/disk/place-files.ts';
export { type ReceiveOptions, receiveFiles } from './file-transfer/receive/receive-files.ts';
export { type SendOptions, sendFiles } from './file-transfer/send/send-files.ts';
export { ProgressMeter } from './file-transfer/wire/progress-meter.ts';
export type { TransferChannel } from './file-transfer/wire/transfer-channel.ts';
export { type IceTransportPolicy, readIceTransportPolicy } from './ice/ice-transport-policy.ts';
export { SignalingClient, type SignalingClientOptions } from './signaling/signaling-client.ts';
export type { SignalingEvents } from './signaling/signaling-events.ts';
