import { execa } from 'execa';

/**
 * The ids of the processes of sleap-nn, and of those that start it, which a worker has now. A parent comes before its children, so
 * the last one is sleap-nn itself.
 */
export async function sleapNnOf(worker: number): Promise<number[]> {
  const { stdout } = await execa('ps', ['-A', '-o', 'pid=,ppid=,args=']);
  const processes = stdout.split('\n').map((line) => {
    const [, pid, parent, args = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(pid), parent: Number(parent), args };
  });
  const below = (parents: number[]): number[] => {
    const children = processes.filter(({ parent }) => parents.includes(parent)).map(({ pid }) => pid);
    return children.length === 0 ? [] : [...children, ...below(children)];
  };
  const launchers = processes
    .filter(({ parent, args }) => parent === worker && args.includes('launcher.py'))
    .map(({ pid }) => pid);
  return [...launchers, ...below(launchers)];
}
