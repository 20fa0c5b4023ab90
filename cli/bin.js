#!/usr/bin/env node
// Plain JavaScript for any version of Node: it checks the version before it imports TypeScript.
import module from 'node:module';

const OLDEST = [22, 18];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `sleap-rtc needs Node ${OLDEST.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer Node from https://nodejs.org, or use ./quickstart, which installs one.\n',
  );
  process.exit(1);
}

// Node warns once per process that it strips types. That does not help a researcher.
const emitWarning = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  const type = typeof rest[0] === 'string' ? rest[0] : (rest[0]?.type ?? warning?.name);
  if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest);
};

// Node caches compiled code in the system's temporary folder, which halves the start-up time.
module.enableCompileCache?.();

const { main } = await import('./main.ts');
await main(process.argv.slice(2));
