import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import { nameOfModel } from '../room/model-names.ts';
import type { RoomState } from '../room/room-state.ts';
import { gpuMemory, when } from '../room/words.ts';
import { html, type MaybeView, type View } from './html.ts';

const STATUS: Record<string, string> = {
  available: 'Free',
  busy: 'Busy',
  draining: 'Finishing',
  drained: 'Drained',
  unhealthy: 'Out of order',
  reconnecting: 'Reconnecting',
};
/** Tags that every worker has are not shown. */
const USUAL_TAGS = new Set(['training-worker', 'inference-worker']);

/** The room's workers, what they have and what they do. */
export function workersPart(state: RoomState, workers: readonly PeerInfo[], jobs: readonly JobView[]): View {
  return html`
    <section class="workers" aria-labelledby="workers-title">
      <h2 id="workers-title">Workers</h2>
      ${workers.length === 0 && html`<p class="empty">${none(state)}</p>`}
      <ul class="cards">
        ${workers.map((worker) => card(state, worker, jobs))}
      </ul>
    </section>
  `;
}

function none(state: RoomState): string {
  if (state.link.state !== 'live') return 'The page shows the workers as soon as it is connected.';
  return 'No worker is in the room. Jobs wait until one joins.';
}

function card(state: RoomState, { peer_id, metadata, connected_at }: PeerInfo, jobs: readonly JobView[]): View {
  const { gpu_model, gpu_memory_mb, status, reason, job_id, models } = metadata.properties;
  const job = jobs.find((one) => one.job_id === job_id);
  const cached = Array.isArray(models) ? models : [];
  const tags = metadata.tags.filter((tag) => !USUAL_TAGS.has(tag));
  const gpu = [
    typeof gpu_model === 'string' ? gpuName(gpu_model) : 'unknown GPU',
    typeof gpu_memory_mb === 'number' && gpu_memory_mb > 0 ? gpuMemory(gpu_memory_mb) : '',
  ];
  return html`
    <li class="card worker" key=${peer_id} data-worker=${peer_id}>
      <div class="card-head">
        <h3>${peer_id}</h3>
        <span class="pill" data-status=${String(status)}>${STATUS[String(status)] ?? String(status ?? 'unknown')}</span>
      </div>
      <p>${gpu.filter((part) => part !== '').join(' · ')}</p>
      ${typeof job_id === 'string' && html`<p>Works on <strong>${job?.name ?? job_id}</strong></p>`}
      ${typeof reason === 'string' && html`<p class="faint">${reason}</p>`}
      ${chips(
        'Models on disk',
        cached.map((id) => nameOfModel(state.manifest, id)),
      )} ${chips('Tags', tags)}
      <p class="faint">connected since ${when(connected_at)}</p>
    </li>
  `;
}

/** A worker without a GPU reports its processor as `none (AMD EPYC)`. */
function gpuName(model: string): string {
  return model.replace(/^none \((.*)\)$/, 'no GPU · $1');
}

function chips(label: string, texts: readonly string[]): MaybeView {
  if (texts.length === 0) return null;
  return html`
    <p class="chips"><span class="faint">${label}:</span> ${texts.map((text) => html`<span class="chip">${text}</span>`)}</p>
  `;
}
