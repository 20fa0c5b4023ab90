import { ask } from '../output/terminal.ts';

/** Longest text that is read from stdin, in characters. An invite has less than 500. */
const MAX_INVITE = 8192;

/** Gets an invite without showing it to other users of this machine: asks on a terminal, else reads stdin to its end. */
export async function askInvite(): Promise<string> {
  if (!process.stdin.isTTY) return readStdin();
  const message = 'Paste the invite (it is not shown):';
  return ask(({ password }) => password({ message }, { output: process.stderr }));
}

async function readStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_INVITE) break;
  }
  return text.slice(0, MAX_INVITE);
}
