export { readConfig, type SignalingConfig } from './config.ts';
export { type SignalingServer, startSignalingServer } from './server.ts';
