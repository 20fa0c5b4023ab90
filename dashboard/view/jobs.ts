import type { JobView } from '../../protocol/jobs/job-view.ts';
import { nameOfModel } from '../room/model-names.ts';
import type { RoomState } from '../room/room-state.ts';
import { bytes, duration, PHASES, person, STORY, when } from '../room/words.ts';
import type { Actions } from './actions.ts';
import { curveView } from './curve.ts';
import { html, type MaybeView, safeHref, type View } from './html.ts';
import { trouble } from './trouble.ts';

/** Shown while Temporal does not answer the server. */
const OUTDATED = 'The jobs may be out of date, since the server cannot reach Temporal. It tries again automatically.';

/** The room's jobs, newest first, each with as much as is known of it. */
export function jobsPart(state: RoomState, jobs: readonly JobView[], actions: Actions): View {
  const none = !state.isListed ? 'Loading…' : 'No job has been submitted to this room yet.';
  return html`
    <section class="jobs" aria-labelledby="jobs-title">
      <h2 id="jobs-title">Jobs</h2>
      ${trouble(state, 'jobs')} ${trouble(state, 'details')}
      ${jobs.some(({ outdated }) => outdated) && html`<p class="trouble" role="status">${OUTDATED}</p>`}
      ${jobs.length === 0 && !state.troubles.has('jobs') && html`<p class="empty">${none}</p>`}
      <ul class="cards">
        ${jobs.map((job) => card(state, job, actions))}
      </ul>
    </section>
  `;
}

function card(state: RoomState, job: JobView, { toggleJob }: Actions): View {
  const { job_id, phase, name, kind, user_id, submitted_at, error } = job;
  const open = state.open.has(job_id);
  const { doing, ended } = PHASES[phase];
  return html`
    <li class="card job" key=${job_id} data-job=${job_id} data-phase=${phase}>
      <button type="button" class="card-head" aria-expanded=${open} onClick=${() => toggleJob(job_id)}>
        <span class="name">${name}</span>
        <span class="faint">${kind} · ${when(submitted_at)} · by <span title=${user_id}>${person(user_id)}</span></span>
        <span class="pill" data-phase=${phase}>${doing}</span>
      </button>
      ${!ended && progressLine(job)}
      ${
        error !== null &&
        html`<p class="error" data-code=${error.code}><strong>${error.message}</strong> ${error.remedy}</p>`
      }
      ${open && details(state, job)}
    </li>
  `;
}

/** How far it is: bytes, epochs or frames, as a bar and in words. */
function progressLine(job: JobView): View {
  const { phase, waiting } = job;
  const detail = waiting?.sentence ?? job.detail;
  const { done, total, words } = measure(job);
  const text = [words, detail === phase || words.includes(detail) ? '' : detail]
    .filter((part) => part !== '')
    .join(' · ');
  const bar = total > 0 ? html`<progress value=${done} max=${total} aria-label=${words}></progress>` : null;
  return html`<div class="progress">${bar}<p>${text}</p></div>`;
}

function measure({ transfer, epoch, frames, phase }: JobView): { done: number; total: number; words: string } {
  const left = (seconds: number | null): string => (seconds === null ? '' : `, about ${duration(seconds)} left`);
  if (phase === 'training' && epoch !== undefined) {
    const many = epoch.run_count > 1 ? `${epoch.run} (${epoch.run_index + 1} of ${epoch.run_count}): ` : '';
    const of = epoch.max_epochs === null ? '' : ` of ${epoch.max_epochs}`;
    const words = `${many}epoch ${epoch.epoch}${of}${left(epoch.seconds_left)}`;
    return { done: epoch.epoch, total: epoch.max_epochs ?? 0, words };
  }
  if (phase === 'predicting' && frames !== undefined) {
    const { total_frames: total, frames_per_s: speed } = frames;
    const words = `${frames.frames}${total === null ? '' : ` of ${total}`} frames${speed === null ? '' : `, ${speed.toFixed(1)} a second`}`;
    return { done: frames.frames, total: total ?? 0, words: words + left(frames.seconds_left) };
  }
  if (transfer !== undefined) {
    const words = `${bytes(transfer.bytes)} of ${bytes(transfer.total_bytes)}, ${bytes(transfer.bytes_per_s)}/s`;
    return { done: transfer.bytes, total: transfer.total_bytes, words };
  }
  return { done: 0, total: 0, words: '' };
}

function details(state: RoomState, job: JobView): View {
  const { job_id, worker, models, temporal_ui_url: url } = job;
  const curves = state.curves.get(job_id) ?? [];
  return html`
    <div class="details">
      ${story(job)}
      <dl>
        ${worker !== null && html`<div><dt>Worker</dt><dd>${worker}</dd></div>`}
        <div><dt>Job</dt><dd><code>${job_id}</code></dd></div>
        ${
          models.length > 0 &&
          html`<div>
            <dt>${models.length === 1 ? 'Model' : 'Models'}</dt>
            <dd>
              ${models.map(({ id, aliases, stopped_early }) => {
                const name = aliases[0] ?? nameOfModel(state.manifest, id);
                return html`<span class="chip">${name}${stopped_early && ', stopped early'}</span> `;
              })}
            </dd>
          </div>`
        }
        ${
          url !== null &&
          html`<div>
            <dt>History</dt>
            <dd><a href=${safeHref(url)} target="_blank" rel="noreferrer">open in Temporal</a></dd>
          </div>`
        }
      </dl>
      ${curves.map(curveView)}
    </div>
  `;
}

/** The phases of the job's life, with the present one marked. */
function story({ kind, phase, error }: JobView): MaybeView {
  if (error !== null || phase === 'cancelled') return null;
  const steps = STORY[kind];
  const present = steps.indexOf(phase);
  return html`
    <ol class="story" aria-label="Phases">
      ${steps.map((step, index) => {
        const place = phase === 'done' || index < present ? 'past' : index === present ? 'present' : 'future';
        return html`<li data-place=${place} aria-current=${place === 'present' ? 'step' : undefined}>${step}</li>`;
      })}
    </ol>
  `;
}
