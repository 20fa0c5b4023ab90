/** HTML as tagged templates that make Preact nodes. A value in a template becomes text or an attribute, never markup. */
import htm from 'htm';
import { type ComponentChildren, h, type VNode } from 'preact';

/** A piece of the page. */
export type View = VNode | VNode[];
/** A piece of the page, or nothing. */
export type MaybeView = ComponentChildren;

// htm's type declarations count as CommonJS, so that TypeScript sees the function one level deeper than it is.
const bound = (htm as unknown as typeof htm.default).bind<VNode>(h);

/** Makes a piece of the page. */
export function html(strings: TemplateStringsArray, ...values: unknown[]): View {
  return bound(strings, ...values);
}

/** Returns a link's address, or undefined if it is not http(s). Addresses come from the server's settings and from S3. */
export function safeHref(url: string): string | undefined {
  return /^https?:\/\//i.test(url) ? url : undefined;
}
