import { SleapRtcError } from '../../../protocol/errors.ts';

/**
 * Normalizes the server's address: scheme, host and path without a slash at the end. `lab.org` means `https://lab.org`.
 * @throws SleapRtcError USAGE if it is not an http(s) address
 */
export function serverUrl(text: string): string {
  const withScheme = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `https://${text}`;
  if (!URL.canParse(withScheme)) throw new SleapRtcError('USAGE', `“${text}” is not a server's address.`);
  const url = new URL(withScheme);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new SleapRtcError(
      'USAGE',
      `The server's address must start with http:// or https://, not ${url.protocol}//.`,
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new SleapRtcError('USAGE', "The server's address must not hold a user name or password.");
  }
  return `${url.protocol}//${url.host}${url.pathname.replace(/\/+$/, '')}`;
}
