import type { JobPhase } from '../../protocol/jobs/job.ts';
import type { RoomState } from '../room/room-state.ts';
import { workersOf } from '../room/room-state.ts';
import { count, PHASES } from '../room/words.ts';
import type { Actions } from './actions.ts';
import { html, type View } from './html.ts';
import { jobsPart } from './jobs.ts';
import { linkPill } from './link-pill.ts';
import { modelsPart } from './models.ts';
import { workersPart } from './workers.ts';

/** Phases in which a job has no worker. */
const IDLE: ReadonlySet<JobPhase> = new Set(['queued', 'awaiting_data', 'paused']);

/** The page of a room. `now` is in ms since 1970. */
export function roomPage(state: RoomState, actions: Actions, now: number): View {
  const jobs = state.jobs ?? [];
  const workers = workersOf(state);
  const running = jobs.filter(({ phase }) => !PHASES[phase].ended && !IDLE.has(phase)).length;
  const waiting = jobs.filter(({ phase }) => phase === 'queued').length;
  const free = workers.filter(({ metadata }) => metadata.properties.status === 'available').length;
  const models = Object.keys(state.manifest?.models ?? {}).length;
  const others = [...state.peers.values()].filter(({ role }) => role === 'client').length;
  return html`
    <header class="top">
      <img src="/dashboard/icon.svg" alt="" width="36" height="36" />
      <div class="title">
        <p>SLEAP-RTC room</p>
        <h1>${state.room}</h1>
      </div>
      ${linkPill(state.link, now)}
      <button type="button" class="quiet" onClick=${actions.leave}>Leave</button>
    </header>
    <main>
      <ul class="summary" aria-label="At a glance">
        ${tile(count(workers.length, 'worker'), workers.length === 0 ? 'none connected' : `${free} free`)}
        ${tile(`${count(running, 'job')} running`, waiting === 0 ? 'none waiting' : `${waiting} waiting`)}
        ${tile(count(models, 'model'), 'in this room')}
        ${tile(count(others, 'researcher'), 'connected now')}
      </ul>
      <div class="columns">${jobsPart(state, jobs, actions)} ${workersPart(state, workers, jobs)}</div>
      ${modelsPart(state, workers, actions)}
    </main>
  `;
}

function tile(figure: string, note: string): View {
  return html`<li><strong>${figure}</strong> <span>${note}</span></li>`;
}
