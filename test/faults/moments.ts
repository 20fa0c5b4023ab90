import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FaultRoom } from './fault-room.ts';
import type { WatchedJob } from './watched-job.ts';

/** Makes a point of a job's life known when it is reached. `release` lets go of what was held for that. */
export interface ArmedMoment {
  reached(job: WatchedJob): Promise<void>;
  /** Called when the fault has happened; calling it again does nothing. */
  release(): void;
}

/** A point of a job's life at which a fault may come. */
export interface Moment {
  phase: string;
  /** The data must be so large that sending it lasts. */
  large?: boolean;
  /** sleap-nn runs for the job then, and for nobody else on its worker. */
  trains?: boolean;
  arm(at: FaultRoom): ArmedMoment;
}

/** The job is submitted; the fault has happened already. */
export function begin(large: boolean): Moment {
  return { phase: 'from the start', large, arm: submitted };
}

/** The job is submitted, and there is no worker that may have it. */
export const queued: Moment = { phase: 'queued', arm: submitted };

function submitted(): ArmedMoment {
  return { reached: async (job) => void (await job.id), release: () => {} };
}

/** This part of the data is across, and the rest is not: the CLI is frozen there until the fault has come. */
export function transfer(part: number): Moment {
  return {
    phase: `transfer, ${part * 100} %`,
    large: true,
    arm(at) {
      let thaw = () => {};
      return {
        async reached(job) {
          const { message } = await job.until(
            ({ transfer }) => transfer !== undefined && transfer.bytes >= part * transfer.total_bytes,
          );
          job.command.freeze();
          thaw = job.command.thaw;
          if (await datasetIsWhole(at, message.worker, message.job_id)) throw new Error('the data was across too soon');
        },
        release: () => thaw(),
      };
    },
  };
}

/** sleap-nn has reported the end of this epoch. */
export function epoch(number: number): Moment {
  return {
    phase: `training, epoch ${number}`,
    trains: true,
    arm: () => ({
      async reached(job) {
        await job.until((message) => (message.epoch?.epoch ?? 0) >= number);
      },
      release: () => {},
    }),
  };
}

/** sleap-nn has reported the first predicted frames, of many. */
export const predicting: Moment = {
  phase: 'predicting',
  trains: true,
  arm: () => ({
    async reached(job) {
      const { message } = await job.until(({ frames }) => (frames?.frames ?? 0) > 0);
      if (message.frames?.frames === message.frames?.total_frames) throw new Error('all was predicted too soon');
    },
    release: () => {},
  }),
};

/** The model's largest file is on its way to S3, and does not get there before the fault. */
export const upload: Moment = held('upload', /^PUT .*\/models\/[^/]+\/best\.ckpt/);

/** The model is in S3, whole, and the write of the manifest does not get there before the fault. */
export const publish: Moment = held('upload to publish', /^PUT [^/]+\/manifest\.json/);

/** S3 has done such a write, and the answer has not come. */
export function replyLost(phase: string, request: RegExp): Moment {
  return {
    phase,
    arm(at) {
      const lost = at.network.loseReply(request);
      return { reached: (job) => Promise.race([lost, job.untilEnded()]), release: () => {} };
    },
  };
}

function held(phase: string, request: RegExp): Moment {
  return {
    phase,
    arm(at) {
      const { arrived, release } = at.network.hold(request);
      return { reached: (job) => Promise.race([arrived, job.untilEnded()]), release };
    },
  };
}

async function datasetIsWhole(at: FaultRoom, worker: string, jobId: string): Promise<boolean> {
  const folder = join(at.worker(worker).workDir, 'jobs', jobId, 'dataset');
  const names = await readdir(folder).catch(() => []);
  const labels = names.find((name) => name.endsWith('.pkg.slp'));
  return labels !== undefined && (await stat(join(folder, labels))).isFile();
}
