import { basename, dirname } from 'node:path';
import {
  acceptPeers,
  connectPeer,
  describeFiles,
  readWebRtcChoice,
  receiveFiles,
  StripeEntrance,
  sendFiles,
  stripeOpener,
} from '../../transport/index.ts';
import { join } from '../../transport/testing/join.ts';
import type { Implementation } from './task.ts';

const purpose = { job_id: 'benchmark', kind: 'dataset' } as const;

/** Our transfer, on the WebRTC stack that SLEAP_RTC_WEBRTC names. */
export const ours: Implementation = {
  async send({ serverUrl, path, ready }) {
    const files = await describeFiles([{ absolutePath: path, path: basename(path) }]);
    const signaling = await join(serverUrl, 'client-1', { webRtc: readWebRtcChoice(process.env) });
    const sent = Promise.withResolvers<void>();
    const entrance = new StripeEntrance();
    const accepting = acceptPeers(signaling, async (connection) => {
      if (connection.purpose.stripe !== undefined) return entrance.join(await connection.acceptChannel());
      await sendFiles(await connection.acceptChannel(), files, { striping: { entrance } }).then(
        sent.resolve,
        sent.reject,
      );
      await connection.closed;
    });
    ready();
    await sent.promise;
    await accepting[Symbol.asyncDispose]();
    await signaling.close();
  },

  async receive({ serverUrl, path, started }) {
    const signaling = await join(serverUrl, 'worker-1', { webRtc: readWebRtcChoice(process.env) });
    const connection = await connectPeer(signaling, { peerId: 'client-1', purpose });
    const channel = await connection.openChannel('dataset');
    started();
    const [file] = await receiveFiles(channel, dirname(path), {
      striping: { open: stripeOpener(signaling, { peerId: 'client-1', purpose }) },
    });
    void connection.close().then(() => signaling.close());
    return file?.sha256 ?? '';
  },
};
