/** HTML by tagged templates that make Preact nodes: what is put in is text or an attribute's value, never markup. */
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

/** A link's address if a browser may follow it: addresses come from the server's settings and from storage. */
export function safeHref(url: string): string | undefined {
  return /^https?:\/\//i.test(url) ? url : undefined;
}
