import { join } from 'node:path';
import type { Tools } from '../../stack/index.ts';

/** A centroid config that trains in seconds. */
export const FLIES_CONFIG = join(import.meta.dirname, '../../stack/quickstart/flies-centroid.yaml');

/** One labelled frame of two flies, from sleap-nn's source distribution. */
export function fliesLabels(tools: Tools): string {
  return join(tools.sampleDataDir, 'minimal_instance.pkg.slp');
}
