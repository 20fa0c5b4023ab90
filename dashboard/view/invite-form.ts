import { html, type View } from './html.ts';

/** The form for an invite. `refusal` says why the last invite did not open its room. */
export function inviteForm(refusal: string | undefined, enter: (room: string, token: string) => void): View {
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    enter(String(fields.get('room') ?? ''), String(fields.get('token') ?? ''));
  };
  return html`
    <main class="invite-form">
      <img src="/dashboard/icon.svg" alt="" width="56" height="56" />
      <h1>SLEAP-RTC</h1>
      <p>See a room's workers, jobs and models. Open your invite link, or enter its parts.</p>
      ${refusal !== undefined && html`<p class="error" role="alert">${refusal}</p>`}
      <form onSubmit=${submit}>
        <label>Room, or the whole invite link <input name="room" required autocomplete="off" spellcheck="false" /></label>
        <label>Token <input name="token" type="password" autocomplete="off" /></label>
        <button type="submit" class="main">Enter the room</button>
      </form>
      <p class="faint"><code>sleap-rtc rooms create</code> creates a room. <code>sleap-rtc rooms invite</code> prints its link.</p>
    </main>
  `;
}
