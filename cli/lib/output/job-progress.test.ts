import assert from 'node:assert/strict';
import type { JobStatus } from '../../../protocol/job.ts';
import type { ProgressMessage } from '../../../protocol/peer-messages.ts';
import type { Display } from './display.ts';
import { JobProgress } from './job-progress.ts';

class FakeDisplay implements Display {
  readonly live: boolean;
  readonly said: string[] = [];
  lines: () => string[] = () => [];

  constructor(live: boolean) {
    this.live = live;
  }
  say(line: string): void {
    this.said.push(line);
  }
  show(lines: () => string[]): void {
    this.lines = lines;
  }
  pause(): void {}
  resume(): void {}
  close(): void {}
}

function message(changes: Partial<ProgressMessage> & Pick<ProgressMessage, 'phase'>): ProgressMessage {
  return { type: 'progress', job_id: 'abcdefgh', worker: 'gpu-1', at: new Date().toISOString(), ...changes };
}

function epoch(number: number): NonNullable<ProgressMessage['epoch']> {
  const losses = { train_loss: 0.00123456, val_loss: null, seconds_left: 83 };
  return { run: 'centroid', run_index: 0, run_count: 2, epoch: number, max_epochs: 3, ...losses };
}

function status(phase: JobStatus['phase'], worker: string | null = 'gpu-1'): JobStatus {
  const fixed = { job_id: 'abcdefgh', kind: 'training', name: 'x', user_id: 'u', submitted_at: '' } as const;
  return { ...fixed, phase, detail: 'waiting for a worker', worker, models: [], error: null };
}

describe('job progress', () => {
  it('without a terminal says each phase and epoch once, however often it hears of them', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.status(status('queued', null));
    progress.status(status('queued', null));
    progress.message(message({ phase: 'receiving' }));
    for (const number of [0, 1, 1, 2]) progress.message(message({ phase: 'training', epoch: epoch(number) }));
    assert.deepEqual(display.said, [
      'Waiting for a worker…',
      'Worker gpu-1 has the job.',
      'Sending the data…',
      'Training…',
      'centroid (1/2): epoch 1/3  train loss 0.00123  1:23 left',
      'centroid (1/2): epoch 2/3  train loss 0.00123  1:23 left',
    ]);
  });

  it('says how to go on with a paused job, and that it does', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.message(message({ phase: 'training' }));
    progress.status({ ...status('paused', null), detail: 'paused: `sleap-rtc jobs resume abcdefgh` goes on with it' });
    progress.status(status('queued', null));
    progress.message(message({ phase: 'receiving' }));
    assert.deepEqual(display.said.slice(2), [
      'The job is paused: `sleap-rtc jobs resume abcdefgh` goes on with it.',
      'Waiting for a worker…',
      'Worker gpu-1 has the job.',
      'Sending the data…',
    ]);
  });

  it('does not step back when the server’s word is older than the worker’s', () => {
    const progress = new JobProgress(new FakeDisplay(false));
    progress.message(message({ phase: 'training' }));
    progress.status(status('receiving'));
    progress.status(status('queued', null));
    assert.equal(progress.phase, 'training');
  });

  it('tells that the job waits anew when its worker was lost, and who goes on with it', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.status(status('training'));
    progress.status(status('queued', null));
    progress.message(message({ phase: 'receiving', worker: 'gpu-2' }));
    assert.deepEqual(display.said.slice(2), [
      'Waiting for a worker…',
      'Worker gpu-2 has the job.',
      'Sending the data…',
    ]);
  });

  it('says once that the server is away, whoever notices, and once that it is back', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.trouble('api', 'away');
    progress.trouble('signaling', 'gone');
    progress.trouble('api', 'still away');
    progress.trouble('signaling', undefined);
    progress.trouble('api', undefined);
    progress.trouble('api', undefined);
    assert.deepEqual(display.said, ['away', 'Back again.']);
  });

  it('adds up the time of a phase that is entered again, as with several runs', () => {
    const progress = new JobProgress(new FakeDisplay(false));
    const start = Date.now();
    for (const phase of ['training', 'uploading', 'training'] as const) progress.message(message({ phase }));
    const seconds = progress.seconds(start + 60_000);
    assert.deepEqual(Object.keys(seconds), ['training', 'uploading']);
    assert.ok((seconds.training ?? 0) > 59);
    assert.equal(progress.seconds(start + 60_000).training, seconds.training);
  });

  it('on a terminal draws bytes, rate, epochs and time left in place', () => {
    const display = new FakeDisplay(true);
    const progress = new JobProgress(display);
    progress.message(message({ phase: 'receiving' }));
    progress.transfer({ bytes: 5e6, total_bytes: 20e6, bytes_per_s: 1e6 });
    assert.deepEqual(display.lines(), [
      'Sending the data  0:00',
      '██████░░░░░░░░░░░░░░░░░░ 5 MB of 20 MB  1 MB/s  0:15 left',
    ]);
    progress.message(message({ phase: 'training', detail: 'loading sleap-nn' }));
    assert.deepEqual(display.lines(), ['Training: loading sleap-nn  0:00']);
    progress.message(message({ phase: 'training', epoch: epoch(1) }));
    assert.match(display.lines()[1] ?? '', /^████████░+ centroid \(1\/2\): epoch 1\/3 .* 1:23 left$/);
    progress.status(status('done'));
    assert.deepEqual(display.lines(), []);
  });
});
