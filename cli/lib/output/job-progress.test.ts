import assert from 'node:assert/strict';
import type { EpochProgress, JobView } from '../../../protocol/jobs/job-view.ts';
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

function epoch(number: number): EpochProgress {
  const losses = { train_loss: 0.00123456, val_loss: null, seconds_left: 83 };
  return { run: 'centroid', run_index: 0, run_count: 2, epoch: number, max_epochs: 3, ...losses };
}

/** What the server says of a job that gpu-1 has, unless `changes` say otherwise. */
function view(phase: JobView['phase'], changes: Partial<JobView> = {}): JobView {
  const fixed = { job_id: 'abcdefgh', kind: 'training', name: 'x', user_id: 'u', submitted_at: '' } as const;
  const nothing = { detail: '', models: [], error: null, temporal_ui_url: null };
  return { ...fixed, ...nothing, phase, worker: phase === 'queued' || phase === 'paused' ? null : 'gpu-1', ...changes };
}

describe('job progress', () => {
  it('without a terminal shows each phase and epoch once, however often they are reported', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.view(view('queued'));
    progress.view(view('queued'));
    progress.view(view('receiving'));
    for (const number of [0, 1, 1, 2]) progress.view(view('training', { epoch: epoch(number) }));
    assert.deepEqual(display.said, [
      'Waiting for a worker…',
      'Worker gpu-1 has the job.',
      'Sending the data…',
      'Training…',
      'centroid (1/2): epoch 1/3  train loss 0.00123  1:23 left',
      'centroid (1/2): epoch 2/3  train loss 0.00123  1:23 left',
    ]);
  });

  it('says how to resume a paused job, and that it has resumed', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.view(view('training'));
    progress.view(view('paused', { detail: 'paused: `sleap-rtc jobs resume abcdefgh` resumes it' }));
    progress.view(view('queued'));
    progress.view(view('receiving'));
    assert.deepEqual(display.said.slice(2), [
      'The job is paused: `sleap-rtc jobs resume abcdefgh` resumes it.',
      'Waiting for a worker…',
      'Worker gpu-1 has the job.',
      'Sending the data…',
    ]);
  });

  it('says that the job waits again after its worker was lost, and which worker continues it', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.view(view('training'));
    progress.view(view('queued'));
    progress.view(view('receiving', { worker: 'gpu-2' }));
    assert.deepEqual(display.said.slice(2), [
      'Waiting for a worker…',
      'Worker gpu-2 has the job.',
      'Sending the data…',
    ]);
  });

  it('says why the job waits again if it has left a worker', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.view(view('receiving'));
    progress.view(view('queued', { detail: 'waiting for a free worker of lab; gpu-1 had trouble: its disk is full' }));
    assert.equal(display.said.at(-1), 'Waiting for a free worker of lab; gpu-1 had trouble: its disk is full.');
  });

  it('shows the missed epochs once each, and only a few of a long run that it has not followed', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    const curve = (epochs: number[]) => {
      const losses = epochs.map(() => 0.5);
      return { run: 'centroid', run_index: 0, max_epochs: 60, epochs, train_loss: losses, val_loss: losses };
    };
    progress.view(view('training', { epoch: epoch(1) }));
    progress.curve([curve([1, 2, 3])]);
    progress.view(view('training', { epoch: epoch(3) }));
    progress.view(view('training', { epoch: epoch(4) }));
    const numbers = () => display.said.flatMap((line) => /epoch (\d+)/.exec(line)?.[1] ?? []);
    assert.deepEqual(numbers(), ['1', '2', '3', '4']);
    progress.curve([{ ...curve(Array.from({ length: 60 }, (_, index) => index + 1)), run: 'other' }]);
    assert.equal(numbers().length, 4 + 20);
    assert.equal(numbers().at(-1), '60');
  });

  it('says once that the server is unavailable, whichever part notices, and once that it is back', () => {
    const display = new FakeDisplay(false);
    const progress = new JobProgress(display);
    progress.trouble('api', 'unavailable');
    progress.trouble('signaling', 'gone');
    progress.trouble('api', 'still unavailable');
    progress.trouble('signaling', undefined);
    progress.trouble('api', undefined);
    progress.trouble('api', undefined);
    assert.deepEqual(display.said, ['unavailable', 'Available again.']);
  });

  it('adds up the time of a phase that is entered again, as with several runs', () => {
    const progress = new JobProgress(new FakeDisplay(false));
    const start = Date.now();
    for (const phase of ['training', 'uploading', 'training'] as const) progress.view(view(phase));
    const seconds = progress.seconds(start + 60_000);
    assert.deepEqual(Object.keys(seconds), ['training', 'uploading']);
    assert.ok((seconds.training ?? 0) > 59);
    assert.equal(progress.seconds(start + 60_000).training, seconds.training);
  });

  it('on a terminal draws bytes, rate, epochs and time left in place', () => {
    const display = new FakeDisplay(true);
    const progress = new JobProgress(display);
    progress.view(view('receiving'));
    progress.transfer({ bytes: 5e6, total_bytes: 20e6, bytes_per_s: 1e6 });
    assert.deepEqual(display.lines(), [
      'Sending the data  0:00',
      '██████░░░░░░░░░░░░░░░░░░ 5 MB of 20 MB  1 MB/s  0:15 left',
    ]);
    progress.view(view('training', { detail: 'loading sleap-nn' }));
    assert.deepEqual(display.lines(), ['Training: loading sleap-nn  0:00']);
    progress.view(view('training', { epoch: epoch(1) }));
    assert.match(display.lines()[1] ?? '', /^████████░+ centroid \(1\/2\): epoch 1\/3 .* 1:23 left$/);
    progress.view(view('done'));
    assert.deepEqual(display.lines(), []);
  });
});
