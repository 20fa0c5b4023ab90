import { execa } from 'execa';
import { findOnPath } from '../processes/find-on-path.ts';

/** The first server release with task queue fairness, on which our queues rely. */
const FROM_SERVER = [1, 29] as const;

/** The machine's own `temporal`, if there is one and its server is new enough. */
export async function temporalOnPath(): Promise<string | undefined> {
  const path = await findOnPath('temporal');
  if (path === undefined) return undefined;
  const { stdout } = await execa(path, ['--version'], { reject: false, timeout: 5_000 });
  const [, major, minor] = /Server (\d+)\.(\d+)/.exec(stdout)?.map(Number) ?? [];
  if (major === undefined || minor === undefined) return undefined;
  const sufficient = major > FROM_SERVER[0] || (major === FROM_SERVER[0] && minor >= FROM_SERVER[1]);
  return sufficient ? path : undefined;
}
