import { basename, dirname } from 'node:path';
import {
  acceptTransfers,
  connectTransfer,
  describeFiles,
  readWebRtcChoice,
  receiveFiles,
  sendFiles,
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
    const accepting = acceptTransfers(signaling, async (channel, connection) => {
      await sendFiles(channel, files).then(sent.resolve, sent.reject);
      await connection.closed;
    });
    ready();
    await sent.promise;
    await accepting.close();
    await signaling.close();
  },

  async receive({ serverUrl, path, started }) {
    const signaling = await join(serverUrl, 'worker-1', { webRtc: readWebRtcChoice(process.env) });
    const received = Promise.withResolvers<string>();
    connectTransfer(signaling, { peerId: 'client-1', purpose }, async (channel) => {
      started();
      const [file] = await receiveFiles(channel, dirname(path));
      // The time that closing takes is not measured.
      received.resolve(file?.sha256 ?? '');
    })
      .finally(() => signaling.close())
      .catch(received.reject);
    return received.promise;
  },
};
