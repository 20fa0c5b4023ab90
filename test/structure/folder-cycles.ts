/** One import: the importing file and the imported one, as paths from the repository's root. */
export interface Import {
  from: string;
  to: string;
}

/** Folders of one parent folder that import each other in a circle, with one import for each step of the circle. */
export interface FolderCycle {
  parent: string;
  imports: Import[];
}

/** The imports between the folders of one parent folder: importing folder, imported folder, an example. */
type FolderGraph = Map<string, Map<string, Import>>;

/**
 * Finds folders that import each other, directly or through others. Every import counts between the two folders in which the paths
 * of its files part, so `a/x/f.ts` → `a/y/z/g.ts` is an import of `a/y` by `a/x`.
 * @returns the shortest cycle of each group of folders that import each other
 */
export function folderCycles(imports: readonly Import[]): FolderCycle[] {
  const graphs = new Map<string, FolderGraph>();
  for (const each of imports) {
    const parts = whereTheyPart(each);
    if (parts === undefined) continue;
    const graph = graphs.get(parts.parent) ?? new Map<string, Map<string, Import>>();
    const imported = graph.get(parts.from) ?? new Map<string, Import>();
    if (!imported.has(parts.to)) imported.set(parts.to, each);
    graphs.set(parts.parent, graph.set(parts.from, imported));
  }
  return [...graphs].flatMap(([parent, graph]) => cyclesOf(graph).map((found) => ({ parent, imports: found })));
}

/** A folder's own files count as one more folder of it, except for its `index.ts`, which may import all of its folders. */
const OWN_FILES = '.';

/** Returns undefined if both files are in one folder, or if the importing one is the `index.ts` of a folder above. */
function whereTheyPart({ from, to }: Import): { parent: string; from: string; to: string } | undefined {
  const [a, b] = [foldersOf(from), foldersOf(to)];
  const depth = a.findIndex((part, index) => part !== b[index]);
  const shared = depth === -1 ? a.length : depth;
  const [fromFolder = OWN_FILES, toFolder = OWN_FILES] = [a[shared], b[shared]];
  if (fromFolder === toFolder) return undefined;
  if (fromFolder === OWN_FILES && from.endsWith('/index.ts')) return undefined;
  return { parent: a.slice(0, shared).join('/'), from: fromFolder, to: toFolder };
}

function foldersOf(path: string): string[] {
  return path.split('/').slice(0, -1);
}

/** The shortest cycle through each folder, leaving out those through folders of a cycle that was found before. */
function cyclesOf(graph: FolderGraph): Import[][] {
  const reported = new Set<string>();
  const cycles: Import[][] = [];
  for (const folder of graph.keys()) {
    if (reported.has(folder)) continue;
    const cycle = shortestCycle(graph, folder);
    if (cycle === undefined) continue;
    for (const name of cycle.folders) reported.add(name);
    cycles.push(cycle.imports);
  }
  return cycles;
}

/** Breadth first from `start` back to it. Returns undefined if there is no way back. */
function shortestCycle(graph: FolderGraph, start: string): { folders: string[]; imports: Import[] } | undefined {
  const ways = [{ folders: [start], imports: [] as Import[] }];
  const seen = new Set<string>();
  for (const way of ways) {
    for (const [next, example] of graph.get(way.folders.at(-1) ?? start) ?? []) {
      const imports = [...way.imports, example];
      if (next === start) return { folders: way.folders, imports };
      if (!seen.has(next)) ways.push({ folders: [...way.folders, next], imports });
      seen.add(next);
    }
  }
  return undefined;
}
