import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';

const ROOT = join(import.meta.dirname, '..');
/** The list of what we ship and build with, for whoever runs a release. */
const SBOM = join(ROOT, 'node_modules/.cache/sbom.cdx.json');

/** Licences (SPDX) that ask no more than notices and, as MPL, the source of their own files. Those of CC-BY are data. */
const ALLOWED = new Set([
  ...['0BSD', 'Apache-2.0', 'BlueOak-1.0.0', 'BSD-2-Clause', 'BSD-3-Clause', 'CC0-1.0', 'ISC', 'MIT', 'MPL-2.0'],
  ...['CC-BY-3.0', 'CC-BY-4.0', 'NIST-Software', 'PSF-2.0', 'Python-2.0', 'Unlicense', 'Zlib'],
]);
/** Packages whose entry in the lock file names no licence of SPDX: their own files do. */
const STATED_ELSEWHERE: readonly [RegExp, string][] = [
  [/^(@node-datachannel\/.*|node-datachannel)$/, 'MPL-2.0'],
  [/^querystring$/, 'MIT'],
  [/^unionfs$/, 'Unlicense'],
  [/^h5wasm$/, 'NIST-Software'], // and HDF5's own, which is like BSD
];

const Component = z.object({
  name: z.string(),
  version: z.string(),
  purl: z.string(),
  licenses: z
    .array(z.union([z.object({ license: z.object({ id: z.string() }) }), z.object({ expression: z.string() })]))
    .default([]),
});
const Sbom = z.object({ bomFormat: z.literal('CycloneDX'), components: z.array(Component) });
const Lock = z.object({
  packages: z.record(z.string(), z.object({ version: z.string().optional() })),
});

describe('the packages that we use', function () {
  this.timeout(120_000);

  let components: z.infer<typeof Component>[];

  before(async () => {
    const { stdout } = await npm('run', '--silent', 'sbom');
    components = Sbom.parse(JSON.parse(stdout)).components;
    await mkdir(dirname(SBOM), { recursive: true });
    await writeFile(SBOM, stdout);
  });

  it('are all in the software bill of materials, with version and origin', async () => {
    const lock = Lock.parse(JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')));
    const locked = Object.entries(lock.packages).flatMap(([path, { version }]) =>
      path === '' ? [] : [`${path.replace(/^.*node_modules\//, '')}@${version}`],
    );
    const listed = new Set(components.map(({ name, version }) => `${name}@${version}`));
    assert.ok(locked.length > 100);
    assert.deepEqual(
      locked.filter((entry) => !listed.has(entry)),
      [],
    );
    for (const { name, purl } of components) assert.match(purl, /^pkg:npm\//, name);
  });

  it('have licences under which we may ship what we make with them', () => {
    const refused = components.filter((component) => !isAllowed(component));
    assert.deepEqual(
      refused.map(({ name, licenses }) => `${name}: ${JSON.stringify(licenses)}`),
      [],
    );
  });
});

function npm(...args: string[]) {
  return execa('npm', args, { cwd: ROOT });
}

function isAllowed({ name, licenses }: z.infer<typeof Component>): boolean {
  const stated = licenses.map((entry) => ('license' in entry ? entry.license.id : entry.expression));
  if (stated.length === 0) stated.push(...STATED_ELSEWHERE.filter(([names]) => names.test(name)).map(([, id]) => id));
  return stated.length > 0 && stated.every(mayBeShipped);
}

/** Reads an SPDX expression: of alternatives (OR) one must be allowed, of the rest (AND) all. */
function mayBeShipped(expression: string): boolean {
  return expression
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((id) => ALLOWED.has(id.trim())));
}
