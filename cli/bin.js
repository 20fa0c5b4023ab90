#!/usr/bin/env node
// Plain JavaScript that any Node can read: it says what is missing before TypeScript is met.
import module from 'node:module';

const OLDEST = [22, 18];
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `sleap-rtc needs Node ${OLDEST.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).\n` +
      'Install a newer Node from https://nodejs.org, or start it through ./quickstart, which brings its own.\n',
  );
  process.exit(1);
}

// Node says once per process that it strips types. A researcher can do nothing with that.
const emitWarning = process.emitWarning;
process.emitWarning = (warning, ...rest) => {
  const type = typeof rest[0] === 'string' ? rest[0] : (rest[0]?.type ?? warning?.name);
  if (type !== 'ExperimentalWarning') emitWarning.call(process, warning, ...rest);
};

// Compiled code is kept between runs (under the system's temporary folder): it halves the start-up.
module.enableCompileCache?.();

const { main } = await import('./main.ts');
await main(process.argv.slice(2));
