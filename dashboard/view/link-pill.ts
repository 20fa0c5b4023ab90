import type { LinkState } from '../live-link.ts';
import { html, type View } from './html.ts';

/** Says whether the page is live. */
export function linkPill(link: LinkState, now: number): View {
  const [text, hint] = words(link, now);
  return html`<p class="pill link" data-link=${link.state} role="status" title=${hint}>${text}</p>`;
}

function words(link: LinkState, now: number): [string, string] {
  switch (link.state) {
    case 'live':
      return ['Live', 'Changes are shown as they happen.'];
    case 'connecting':
      return ['Connecting…', 'The page asks the server for the room.'];
    case 'lost': {
      const seconds = Math.max(0, Math.ceil((link.retryAt - now) / 1000));
      const text = seconds === 0 ? 'Reconnecting…' : `Reconnecting in ${seconds} s`;
      return [text, 'The live connection is lost; jobs and models are still asked for every few seconds.'];
    }
  }
}
