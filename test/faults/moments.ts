import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FaultRoom } from './fault-room.ts';
import type { WatchedJob } from './watched-job.ts';

/** Notices when a job reaches a point. `release` releases whatever was stopped at that point. */
export interface ArmedMoment {
  reached(job: WatchedJob): Promise<void>;
  /** Called when the fault has happened; calling it again does nothing. */
  release(): void;
}

/** A point of a job's life at which a fault may be injected. */
export interface Moment {
  phase: string;
  /** The data must be so large that sending it lasts. */
  large?: boolean;
  /** sleap-nn runs for the job then, and for no other job on its worker. */
  trains?: boolean;
  arm(at: FaultRoom): ArmedMoment;
}

/** The job is submitted; the fault has happened already. */
export function begin(large: boolean): Moment {
  return { phase: 'from the start', large, arm: submitted };
}

/** The job is submitted, and no worker may take it. */
export const queued: Moment = { phase: 'queued', arm: submitted };

function submitted(): ArmedMoment {
  return { reached: async (job) => void (await job.id), release: () => {} };
}

/** The worker has this part of the data and not the rest: the CLI is stopped there until the fault is injected. */
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

/** The upload of the model's largest file has begun, and does not reach S3 before the fault. */
export const upload: Moment = held('upload', /^PUT .*\/models\/[^/]+\/best\.ckpt/);

/** The complete model is in S3, and the write of the manifest does not reach S3 before the fault. */
export const publish: Moment = held('upload to publish', /^PUT [^/]+\/manifest\.json/);

/** S3 has done such a write, and its answer is lost. */
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
