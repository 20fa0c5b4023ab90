import type { Part, RoomState } from '../room/room-state.ts';
import { html, type MaybeView } from './html.ts';

/** Says why a part of the page is out of date. */
export function trouble(state: RoomState, part: Part): MaybeView {
  const sentence = state.troubles.get(part);
  return sentence === undefined ? null : html`<p class="trouble" role="status">${sentence}</p>`;
}
