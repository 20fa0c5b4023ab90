import { fileURLToPath } from 'node:url';
import { flush, run } from '@oclif/core';
import { reportError } from './lib/output/report-error.ts';

/** Folder of package.json, which contains the settings for oclif. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * Runs one command line and ends the process with its exit code, even if a socket is still open.
 * @param argv the arguments after `sleap-rtc`
 */
export async function main(argv: string[]): Promise<never> {
  let exitCode = 0;
  try {
    await run(argv, { root: ROOT });
    exitCode = Number(process.exitCode ?? 0);
  } catch (error) {
    exitCode = reportError(error, argv);
  }
  await flush();
  process.exit(exitCode);
}
