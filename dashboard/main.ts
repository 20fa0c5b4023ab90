/** Starts the page: shows the room of the invite, or a form for an invite if there is none. */
import { type ComponentChild, render } from 'preact';
import { type Invite, readFields, readFragment, readInvite, removeInvite, saveInvite } from './connection/invite.ts';
import type { RoomState } from './room/room-state.ts';
import { RoomWatch } from './room/room-watch.ts';
import type { Actions } from './view/actions.ts';
import { html } from './view/html.ts';
import { inviteForm } from './view/invite-form.ts';
import { roomPage } from './view/room-page.ts';

/** Times such as `Reconnecting in 3 s` are updated this often, in ms. */
const CLOCK_MS = 1000;

const place = document.getElementById('page');
place?.replaceChildren();

function show(view: ComponentChild | ComponentChild[]): void {
  if (place !== null) render(view, place);
}

function showForm(refusal?: string): void {
  document.title = 'SLEAP-RTC';
  show(
    inviteForm(refusal, (room, token) => {
      const invite = readFields(room, token);
      if (invite === undefined) showForm('This is not a room and its token. Copy the whole invite link again.');
      else enter(invite);
    }),
  );
}

/** Shows a room until the reader leaves it. */
function enter(invite: Invite): void {
  saveInvite(sessionStorage, invite);
  document.title = `${invite.room} · SLEAP-RTC`;
  let state: RoomState | undefined;
  let due = false;
  const draw = (): void => {
    due = false;
    if (state === undefined) return;
    try {
      show(roomPage(state, actions, Date.now()));
    } catch (error) {
      show(html`<p class="starting">The page could not show the room. Reload the page. ${String(error)}</p>`);
      throw error;
    }
  };
  const end = (refusal?: string): void => {
    watch.stop();
    clearInterval(clock);
    window.removeEventListener('online', wake);
    document.removeEventListener('visibilitychange', wake);
    state = undefined;
    removeInvite(sessionStorage);
    showForm(refusal);
  };
  const watch = new RoomWatch({
    invite,
    origin: location.origin,
    storage: sessionStorage,
    onChange(now) {
      state = now;
      // Draws once for many changes. A timer is used, since a hidden page has no animation frames.
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

/** Returns the invite in the address bar, and removes it there so that it does not stay on the screen or in a bookmark. */
function takeFragment(): Invite | undefined {
  const invite = readFragment(location.hash);
  if (location.hash !== '') history.replaceState(null, '', location.pathname);
  return invite;
}

// Opening an invite link in the tab of another room changes only the fragment.
window.addEventListener('hashchange', () => {
  const invite = takeFragment();
  if (invite === undefined) return;
  saveInvite(sessionStorage, invite);
  location.reload();
});

const invite = takeFragment() ?? readInvite(sessionStorage);
if (invite === undefined) showForm();
else enter(invite);
