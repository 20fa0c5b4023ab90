import assert from 'node:assert/strict';
import type { InferenceSpec, JobRequirements, TrainingSpec } from '../../protocol/jobs/job.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import { holderOf } from './data-locality.ts';

const [video, labels, config] = ['a', 'b', 'c'].map((digit) => digit.repeat(64));

function worker(peer_id: string, properties: PeerInfo['metadata']['properties']): PeerInfo {
  const metadata = { tags: [], properties: { status: 'available', ...properties } };
  return { peer_id, role: 'worker', user_id: 'lab', connected_at: '', metadata };
}

function job(kind: 'training' | 'inference', requirements: JobRequirements = {}): TrainingSpec | InferenceSpec {
  const files = [
    { path: 'video.mp4', size_bytes: 9e9, sha256: String(video) },
    { path: 'labels.slp', size_bytes: 1e8, sha256: String(labels) },
    { path: 'config.yaml', size_bytes: 2000, sha256: String(config) },
  ];
  const common = { job_id: 'job00000001', name: 'flies', files, requirements, stage: true };
  if (kind === 'training') return { kind, ...common, runs: [], notes: '', tags: [] };
  return { kind, ...common, models: ['11111111', '22222222'], input: 'video.mp4', tracking: false };
}

describe('the worker that a job is offered to first', () => {
  const stranger = worker('stranger', { models: ['33333333'], data: ['d'.repeat(16)] });
  const withLabels = worker('with-labels', { data: ['b'.repeat(16)] });
  const withVideo = worker('with-video', { data: ['d'.repeat(16), 'a'.repeat(16)] });
  const withModels = worker('with-models', { models: ['22222222', '11111111'] });

  it('is the one that has most of its data, which then need not be sent again', () => {
    assert.equal(holderOf(job('training'), [stranger, withLabels, withVideo]), 'with-video');
    assert.equal(holderOf(job('training'), [stranger, withLabels]), 'with-labels');
    assert.equal(holderOf(job('inference'), [withModels, withVideo]), 'with-video');
  });

  it('is else the one that has every model of an inference', () => {
    assert.equal(holderOf(job('inference'), [stranger, withModels]), 'with-models');
    assert.equal(holderOf(job('training'), [stranger, withModels]), undefined);
  });

  it('is none that is busy or does not fit: the job does not wait for it', () => {
    const busy = worker('busy', { status: 'busy', data: ['a'.repeat(16)] });
    assert.equal(holderOf(job('training'), [busy]), undefined);
    assert.equal(holderOf(job('training', { min_gpu_memory_mb: 8000 }), [withVideo]), undefined);
    assert.equal(holderOf(job('training', { worker: 'with-labels' }), [withVideo, withLabels]), 'with-labels');
  });

  it('is none if no worker reports its data and models', () => {
    assert.equal(holderOf(job('training'), [worker('old', {})]), undefined);
  });
});
