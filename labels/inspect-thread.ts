/** The thread of `refuse-outside-references.ts`: libhdf5 may hang or run out of memory on a file that was made for that. */
import { parentPort, workerData } from 'node:worker_threads';
import { Unreadable } from './object-header.ts';
import { findOutsideReference, type OutsideReference } from './outside-references.ts';

/** What the thread finds: the first file that refers outside, or that cannot be judged; undefined if there is none. */
export type Finding = { path: string; reference?: OutsideReference; unreadable?: string } | undefined;

parentPort?.postMessage(await inspect(workerData as string[]));

async function inspect(paths: readonly string[]): Promise<Finding> {
  for (const path of paths) {
    try {
      const reference = await findOutsideReference(path);
      if (reference !== undefined) return { path, reference };
    } catch (error) {
      return { path, unreadable: error instanceof Unreadable ? error.message : 'libhdf5 cannot read it' };
    }
  }
  return undefined;
}
