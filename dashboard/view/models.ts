import type { Manifest, ModelEntry } from '../../protocol/models/manifest.ts';
import type { PeerInfo } from '../../protocol/wire/signaling.ts';
import { aliasesOf, newestFirst } from '../room/model-names.ts';
import type { RoomState } from '../room/room-state.ts';
import { bytes, duration, loss, modelType, person, when } from '../room/words.ts';
import type { Actions } from './actions.ts';
import { html, type MaybeView, safeHref, type View } from './html.ts';
import { trouble } from './trouble.ts';

const COLUMNS = ['Model', 'Type', 'Epochs', 'Loss', 'Trained', 'Size', 'On workers', ''];

/** The models in the room's manifest. */
export function modelsPart(state: RoomState, workers: readonly PeerInfo[], actions: Actions): View {
  const { manifest } = state;
  const models = manifest === undefined ? [] : newestFirst(manifest);
  return html`
    <section class="models" aria-labelledby="models-title">
      <h2 id="models-title">Models</h2>
      ${trouble(state, 'models')}
      ${models.length === 0 && html`<p class="empty">${none(state)}</p>`}
      ${
        manifest !== undefined &&
        models.length > 0 &&
        html`
          <table>
            <thead>
              <tr>
                ${COLUMNS.map((name) => html`<th scope="col">${name}</th>`)}
              </tr>
            </thead>
            <tbody>
              ${models.map((model) => rows(state, manifest, model, workers, actions))}
            </tbody>
          </table>
        `
      }
    </section>
  `;
}

function none(state: RoomState): string {
  return state.manifest === undefined ? 'Loading…' : 'The room has no models yet. Train one with sleap-rtc train.';
}

function rows(
  state: RoomState,
  manifest: Manifest,
  model: ModelEntry,
  workers: readonly PeerInfo[],
  { toggleFiles }: Actions,
): View {
  const [name = model.id, ...otherNames] = aliasesOf(manifest, model);
  const { training } = model;
  const files = state.files.get(model.id);
  return html`
    <tr key=${model.id} data-model=${model.id}>
      <th scope="row">
        <strong>${name}</strong> <code>${model.id}</code>
        <span class="chips">
          ${training.stopped_early && html`<span class="chip">stopped early</span>`}
          ${otherNames.map((alias) => html`<span class="chip">${alias}</span>`)}
          ${model.tags.map((tag) => html`<span class="chip tag">${tag}</span>`)}
        </span>
        ${model.notes !== '' && html`<span class="notes">${model.notes}</span>`}
      </th>
      <td data-label="Type">${modelType(model.model_type)}</td>
      <td class="short" data-label="Epochs">${training.epochs} <small>in ${duration(training.training_duration_sec)}</small></td>
      <td class="short" data-label="Loss">${loss(training.final_loss)}</td>
      <td data-label="Trained">
        ${when(model.trained_at)}
        <small title=${model.trained_by}>by ${person(model.trained_by)} on ${model.trained_on_worker}</small>
      </td>
      <td class="short" data-label="Size">${bytes(model.size_bytes)}</td>
      <td data-label="On workers">${onWorkers(model, workers)}</td>
      <td>
        <button type="button" aria-expanded=${files !== undefined} onClick=${() => toggleFiles(model.id)}>
          ${files === undefined ? 'Download' : 'Close'}
        </button>
      </td>
    </tr>
    ${fileRow(model, files)}
  `;
}

/** The workers that have the model: connected workers report it themselves, and the manifest lists the others. */
function onWorkers(model: ModelEntry, workers: readonly PeerInfo[]): string {
  const here = workers.filter(({ metadata: { properties } }) => {
    return Array.isArray(properties.models) && properties.models.includes(model.id);
  });
  const names = new Set([...here.map(({ peer_id }) => peer_id), ...model.available_on_workers]);
  return names.size === 0 ? 'in storage' : [...names].sort().join(', ');
}

function fileRow(
  model: ModelEntry,
  files: RoomState['files'] extends ReadonlyMap<string, infer F> ? F | undefined : never,
): MaybeView {
  if (files === undefined) return null;
  return html`
    <tr key=${`${model.id}-files`} class="files">
      <td colspan=${COLUMNS.length}>
        <p>
          All files: <code>sleap-rtc models download ${model.id}</code>
        </p>
        ${files === null && html`<p class="empty">Loading the links…</p>`}
        <ul>
          ${files?.map(
            ({ path, size_bytes, url }) => html`
              <li key=${path}>
                <a href=${safeHref(url)} download=${path} target="_blank" rel="noreferrer">${path}</a>
                <span class="faint">${bytes(size_bytes)}</span>
              </li>
            `,
          )}
        </ul>
      </td>
    </tr>
  `;
}
