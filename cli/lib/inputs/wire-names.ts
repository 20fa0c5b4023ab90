import { basename, extname } from 'node:path';
import { unsafePathReason } from '../../../protocol/files.ts';

/** Longest name of a run; `TrainingRun` has the same limit. */
const MAX_RUN_NAME = 100;

/** Gives each of a job's files a unique name on the wire: its own name if every system can store that. */
export class WireNames {
  readonly #taken = new Set<string>();

  /** The name for a file on the researcher's disk. */
  forFile(path: string): string {
    const own = basename(path).normalize('NFC');
    const safe =
      unsafePathReason(own) === undefined ? own : own.replaceAll(/[^\p{L}\p{N}._ =-]/gu, '_').replace(/[. ]+$/, '_');
    return this.#free(unsafePathReason(safe) === undefined ? safe : `file${extname(safe)}`);
  }

  /** The name for a run, made from its config's name: letters, digits and `._=-`. */
  forRun(configPath: string): string {
    const stem = basename(configPath).replace(/\.ya?ml$/i, '');
    const safe = stem
      .normalize('NFKD')
      .replaceAll(/[^A-Za-z0-9._=-]+/g, '_')
      .replace(/^[^A-Za-z0-9]+/, '');
    return this.#free(safe.slice(0, MAX_RUN_NAME) || 'model');
  }

  #free(name: string): string {
    const dot = name.indexOf('.', 1);
    const [stem, ending] = dot < 0 ? [name, ''] : [name.slice(0, dot), name.slice(dot)];
    let candidate = name;
    for (let number = 2; this.#taken.has(candidate.toLowerCase()); number++) candidate = `${stem}-${number}${ending}`;
    this.#taken.add(candidate.toLowerCase());
    return candidate;
  }
}
