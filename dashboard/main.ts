/** The page's beginning: an invite leads into its room, no invite to the form for one. */
import { type ComponentChild, render } from 'preact';
import { forgetInvite, type Invite, keepInvite, readFields, readFragment, recallInvite } from './invite.ts';
import type { RoomState } from './room-state.ts';
import { RoomWatch } from './room-watch.ts';
import type { Actions } from './view/actions.ts';
import { door } from './view/door.ts';
import { html } from './view/html.ts';
import { roomPage } from './view/room-page.ts';

/** Times such as `reconnecting in 3 s` are said anew this often, in ms. */
const CLOCK_MS = 1000;

const place = document.getElementById('page');
place?.replaceChildren();

function show(view: ComponentChild | ComponentChild[]): void {
  if (place !== null) render(view, place);
}

function showDoor(refusal?: string): void {
  document.title = 'SLEAP-RTC';
  show(
    door(refusal, (room, token) => {
      const invite = readFields(room, token);
      if (invite === undefined) showDoor('That is no room and token: copy the invite link once more, in one piece.');
      else enter(invite);
    }),
  );
}

/** Shows a room until it is left. */
function enter(invite: Invite): void {
  keepInvite(sessionStorage, invite);
  document.title = `${invite.room} · SLEAP-RTC`;
  let state: RoomState | undefined;
  let due = false;
  const draw = (): void => {
    due = false;
    if (state === undefined) return;
    try {
      show(roomPage(state, actions, Date.now()));
    } catch (error) {
      show(html`<p class="starting">The page could not show the room. Reload it. ${String(error)}</p>`);
      throw error;
    }
  };
  const end = (refusal?: string): void => {
    watch.stop();
    clearInterval(clock);
    window.removeEventListener('online', wake);
    document.removeEventListener('visibilitychange', wake);
    state = undefined;
    forgetInvite(sessionStorage);
    showDoor(refusal);
  };
  const watch = new RoomWatch({
    invite,
    origin: location.origin,
    keep: sessionStorage,
    onChange(now) {
      state = now;
      // Many words in one moment are drawn once; a timer, since frames stand still in a page that nobody looks at.
      if (!due) setTimeout(draw, 50);
      due = true;
    },
    onRefused: end,
  });
  const actions: Actions = {
    leave: () => end(),
    toggleJob: (jobId) => watch.toggleJob(jobId),
    toggleFiles: (modelId) => void watch.toggleFiles(modelId),
  };
  const wake = (): void => watch.wake();
  const clock = setInterval(draw, CLOCK_MS);
  window.addEventListener('online', wake);
  document.addEventListener('visibilitychange', wake);
  watch.start();
}

/** The address bar's invite, taken out of it so that it does not stay on screen or in a bookmark. */
function takeFragment(): Invite | undefined {
  const invite = readFragment(location.hash);
  if (location.hash !== '') history.replaceState(null, '', location.pathname);
  return invite;
}

// An invite link opened in the tab of another room changes nothing but the fragment.
window.addEventListener('hashchange', () => {
  const invite = takeFragment();
  if (invite === undefined) return;
  keepInvite(sessionStorage, invite);
  location.reload();
});

const invite = takeFragment() ?? recallInvite(sessionStorage);
if (invite === undefined) showDoor();
else enter(invite);
