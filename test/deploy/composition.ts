import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';

/** The parts of a service of `docker-compose.yml` that the tests read. */
const Service = z.object({
  image: z.string(),
  build: z.object({ dockerfile: z.string(), args: z.record(z.string(), z.string()).default({}) }).optional(),
  command: z.union([z.string(), z.array(z.string())]).optional(),
  healthcheck: z.object({ test: z.array(z.string()) }).optional(),
  depends_on: z.record(z.string(), z.object({ condition: z.string() })).default({}),
  environment: z.record(z.string(), z.string().nullable()).default({}),
});
const Composition = z.object({
  services: z.record(z.string(), Service),
  configs: z.record(z.string(), z.object({ content: z.string() })),
});
export type Composition = z.infer<typeof Composition>;

/** The text of a file, by its path in the repository. */
export function textOf(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
}

/** `docker-compose.yml`, parsed with YAML's merge keys but not interpolated. */
export function readComposition(): Composition {
  return Composition.parse(parse(textOf('docker-compose.yml'), { merge: true }));
}

/** `deploy/env.example` as an administrator leaves it: its blanks filled from `filled`, and its references followed. */
export function readExampleSettings(filled: Record<string, string>): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const line of textOf('deploy/env.example').split('\n')) {
    const [, name, value] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    settings[name] = value === '' ? (filled[name] ?? '') : interpolate(value, settings);
  }
  return { ...settings, ...filled };
}

/** What a container finds in its environment, as Compose makes it: a variable without a value is passed on, or left out. */
export function containerEnvironment(
  composition: Composition,
  service: string,
  settings: Record<string, string>,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(composition.services[service]?.environment ?? {})) {
    const found = value === null ? settings[name] : interpolate(value, settings);
    if (found !== undefined) environment[name] = found;
  }
  return environment;
}

/** A file that Compose makes from `configs`. */
export function configFile(composition: Composition, name: string, settings: Record<string, string>): string {
  const content = composition.configs[name]?.content ?? '';
  // `${NAME:+text with ${NAME}}`: the text, if the variable is set.
  const optional = /\$\{([A-Z0-9_]+):\+((?:[^{}]|\$\{[^}]*\})*)\}/g;
  const chosen = content.replace(optional, (_, variable: string, text: string) => (settings[variable] ? text : ''));
  return interpolate(chosen, settings);
}

/** Every file of ours that Node loads for `entries`, by paths in the repository; type-only imports are not loaded. */
export function loadedFiles(entries: readonly string[]): Set<string> {
  const loaded = new Set<string>();
  const visit = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    const statements = textOf(path).matchAll(/^(?:import|export)(?! type\b)[^;]*?from '(\.[^']+)';/gm);
    for (const [, imported] of statements) visit(posix.join(posix.dirname(path), imported ?? ''));
  };
  for (const entry of entries) visit(entry);
  return loaded;
}

/** The forms that our files use: `${NAME}`, `${NAME:-default}` and `${NAME:?complaint}`. */
function interpolate(text: string, settings: Record<string, string>): string {
  return text.replace(/\$\{([A-Z0-9_]+)(?::-([^}]*)|:\?[^}]*)?\}/g, (_, name: string, fallback?: string) => {
    return settings[name] || fallback || '';
  });
}
