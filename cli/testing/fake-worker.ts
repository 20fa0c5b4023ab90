import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { FileEntry } from '../../protocol/files.ts';
import type { JobModel, JobSpec } from '../../protocol/jobs/job.ts';
import type { WorkerProgress } from '../../protocol/jobs/job-view.ts';
import type { Role } from '../../protocol/wire/signaling.ts';
import { connectPeer, describeFiles, receiveFiles, SignalingClient, sendFiles } from '../../transport/index.ts';
import { identityOf } from '../../transport/testing/join.ts';
import { ROOM, ROOM_KEY, type TestServer, TOKEN } from './test-server.ts';

/** A worker that speaks the protocols and pretends to train. */
export class FakeWorker implements AsyncDisposable {
  readonly name: string;
  readonly #server: TestServer;
  readonly #signaling: SignalingClient;
  /** Sessions by job. */
  readonly #sessions = new Map<string, string>();

  private constructor(server: TestServer, name: string, signaling: SignalingClient) {
    this.#server = server;
    this.name = name;
    this.#signaling = signaling;
  }

  static async join(
    server: TestServer,
    name = 'gpu-1',
    role: Role = 'worker',
    roomKey = ROOM_KEY,
  ): Promise<FakeWorker> {
    const signaling = await SignalingClient.connect({
      serverUrl: server.url,
      roomId: ROOM,
      token: TOKEN,
      roomKey,
      identity: identityOf('id-0'),
      peerId: name,
      role,
      metadata: {
        tags: ['cuda'],
        properties: { status: 'available', gpu_memory_mb: 16_000, gpu_model: 'Test', models: [] },
      },
    });
    return new FakeWorker(server, name, signaling);
  }

  /** Answers the requests before a submission: the worker can take the job, and has the models or not. */
  answer(hasModels: boolean): void {
    this.#signaling.on('peer_message', ({ from_peer_id, payload }) => {
      if (payload.type === 'job_request') {
        const { job_id } = payload;
        const response = { type: 'job_response', job_id, accepted: true, reason: 'The worker is free.' } as const;
        void this.#signaling.sendPeerMessage(from_peer_id, response);
      } else if (payload.type === 'registry_query') {
        const has_models = Object.fromEntries(payload.model_ids.map((id) => [id, hasModels]));
        void this.#signaling.sendPeerMessage(from_peer_id, { type: 'registry_response', has_models });
      }
    });
  }

  /** Reports the progress of this worker's job. */
  async progress(jobId: string, progress: Omit<WorkerProgress, 'job_id'>): Promise<void> {
    await this.#signaling.reportProgress(this.#sessions.get(jobId) ?? 'no-session', { job_id: jobId, ...progress });
  }

  /** Finds the researcher's CLI and pulls the dataset. */
  async receive(spec: JobSpec, folder: string, onProgress?: (bytes: number) => void): Promise<FileEntry[]> {
    this.#sessions.set(spec.job_id, this.#server.openSession(spec.job_id, this.name));
    const connection = await this.#connect(spec.job_id, 'dataset');
    try {
      await mkdir(folder, { recursive: true });
      return await receiveFiles(await connection.openChannel('dataset'), folder, {
        expected: spec.files,
        onProgress: ({ bytes }) => onProgress?.(bytes),
      });
    } finally {
      await connection.close();
    }
  }

  /** Reports the epochs of a run one by one, as sleap-nn does. */
  async epochs(jobId: string, run: string, upTo: number, max: number): Promise<void> {
    this.#server.update(jobId, { phase: 'training' });
    for (let epoch = 1; epoch <= upTo; epoch++) {
      const losses = { train_loss: 0.1 / epoch, val_loss: 0.2 / epoch, seconds_left: max - epoch };
      const progress = { run, run_index: 0, run_count: 1, epoch, max_epochs: max, ...losses };
      await this.progress(jobId, { phase: 'training', epoch: progress });
    }
  }

  /** Reports that a job's data is in the room's storage. */
  async staged(jobId: string): Promise<void> {
    await this.progress(jobId, { staging: 'staged' });
  }

  /** Puts a finished model into the room's storage, and on this worker's disk below `folder`. */
  async publish(jobId: string, model: JobModel, folder: string): Promise<void> {
    const files = ['best.ckpt', 'training_config.yaml', 'sub/labels_gt.slp'].map((path) => {
      const content = Buffer.from(`${model.id} ${path}`.repeat(5000));
      return { path, content, sha256: createHash('sha256').update(content).digest('hex') };
    });
    this.#server.storage.set(model.id, files);
    for (const { path, content } of files) {
      const target = join(folder, model.run, path);
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, content);
    }
    const { models } = this.#server.jobs.get(jobId)?.status ?? { models: [] };
    this.#server.update(jobId, { phase: 'returning', models: [...models, model] });
  }

  /** Brings the files below `folder` to the researcher. */
  async send(jobId: string, folder: string, paths: string[]): Promise<void> {
    const connection = await this.#connect(jobId, 'results');
    try {
      const files = await describeFiles(paths.map((path) => ({ path, absolutePath: join(folder, path) })));
      await sendFiles(await connection.openChannel('results'), files);
    } finally {
      await connection.close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#signaling.close();
  }

  async #connect(jobId: string, kind: 'dataset' | 'results') {
    for (;;) {
      const changed = Promise.withResolvers<void>();
      const offs = [
        this.#signaling.on('peer_joined', () => changed.resolve()),
        this.#signaling.on('peer_updated', () => changed.resolve()),
      ];
      const peers = await this.#signaling.discoverPeers({ role: 'client', properties: { job_id: { $eq: jobId } } });
      const peer = peers.at(-1);
      if (peer === undefined) await changed.promise;
      for (const off of offs) off();
      if (peer === undefined) continue;
      return connectPeer(this.#signaling, { peerId: peer.peer_id, purpose: { job_id: jobId, kind } });
    }
  }
}
