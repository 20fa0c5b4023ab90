/** A program: installs the stack's tools and prints their paths as one JSON object. Arguments: parts; default: all. */
import { z } from 'zod';
import { toSleapRtcError } from '../protocol/errors.ts';
import { ensureTools } from './setup.ts';

const parts = z.array(z.enum(['servers', 'sleap-nn', 'samples'])).parse(process.argv.slice(2));
try {
  const tools = await ensureTools({
    ...(parts.length > 0 ? { parts } : {}),
    onProgress: (message) => process.stderr.write(`${message}\n`),
  });
  process.stdout.write(`${JSON.stringify(tools)}\n`);
} catch (error) {
  const { message, remedy, exitCode } = toSleapRtcError(error);
  process.stderr.write(`${message}\n${remedy}\n`);
  process.exitCode = exitCode;
}
