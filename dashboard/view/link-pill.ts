import type { LinkState } from '../connection/live-link.ts';
import { html, type View } from './html.ts';

/** Shows the state of the live connection. */
export function linkPill(link: LinkState, now: number): View {
  const [text, hint] = words(link, now);
  return html`<p class="pill link" data-link=${link.state} role="status" title=${hint}>${text}</p>`;
}

function words(link: LinkState, now: number): [string, string] {
  switch (link.state) {
    case 'live':
      return ['Live', 'The page shows changes immediately.'];
    case 'connecting':
      return ['Connecting…', 'The page is connecting to the server.'];
    case 'lost': {
      const seconds = Math.max(0, Math.ceil((link.retryAt - now) / 1000));
      const text = seconds === 0 ? 'Reconnecting…' : `Reconnecting in ${seconds} s`;
      return [text, 'The live connection is lost. The page still updates jobs and models every few seconds.'];
    }
  }
}
