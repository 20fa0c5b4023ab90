import { isAbsolute } from 'node:path';
import { execa } from 'execa';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { findOnPath } from '../processes/find-on-path.ts';

/** Python versions for which sleap-nn is released; the upper one is exclusive. */
const FROM = [3, 11] as const;
const BELOW = [3, 14] as const;

const probe = z.object({
  executable: z.string().startsWith('/'),
  version: z.tuple([z.number(), z.number(), z.number()]),
});
const PROBE = 'import json, sys; print(json.dumps({"executable": sys.executable, "version": sys.version_info[:3]}))';

/** The Python that SLEAP_RTC_PYTHON names, if any. */
export function chosenPython(): string | undefined {
  return process.env.SLEAP_RTC_PYTHON || undefined;
}

/**
 * The absolute path of a Python that can run sleap-nn: the one of SLEAP_RTC_PYTHON, else the machine's default one, else any on the PATH.
 * @throws SleapRtcError SETUP_FAILED if there is none; it names those that were found
 */
export async function findPython(signal?: AbortSignal): Promise<string> {
  const chosen = chosenPython();
  const candidates = chosen ? [chosen] : ['python3', 'python', 'python3.13', 'python3.12', 'python3.11'];
  const unsuitable: string[] = [];
  for (const candidate of candidates) {
    const path = isAbsolute(candidate) ? candidate : await findOnPath(candidate);
    if (path === undefined) continue;
    const { stdout } = await execa(path, ['-c', PROBE], { reject: false, ...(signal ? { cancelSignal: signal } : {}) });
    signal?.throwIfAborted();
    const found = probe.safeParse(parseJson(stdout));
    if (!found.success) continue; // e.g. a shim for a version that is not installed
    const { executable, version } = found.data;
    if (isSuitable(version)) return executable;
    unsuitable.push(`${path} is ${version.join('.')}`);
  }
  const range = `Python ${FROM.join('.')} or newer, below ${BELOW.join('.')}`;
  throw new SleapRtcError(
    'SETUP_FAILED',
    `No suitable Python was found: sleap-nn needs ${range}${unsuitable.length > 0 ? `, but ${unsuitable.join(', ')}` : ''}.`,
    { remedy: `Install ${range}, or set SLEAP_RTC_PYTHON to the path of one.` },
  );
}

function isSuitable([major, minor]: readonly [number, number, number]): boolean {
  return major === FROM[0] && minor >= FROM[1] && minor < BELOW[1];
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
