import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** What the stub does, by `sleap-nn VERB`; it prints its process id and that of a child of its own first. */
const STUB_CLI = `
import json, os, signal, subprocess, sys, time

def cli():
    verb = sys.argv[1]
    child = subprocess.Popen(["sleep", "1000"])
    print("pids", os.getpid(), child.pid, flush=True)
    print("cwd", os.getcwd(), "tmp", os.environ.get("TMPDIR"), "env", json.dumps(sorted(os.environ)), flush=True)
    if verb == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", flush=True)
    if verb == "polite":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        print("ready", flush=True)
    if verb in ("stubborn", "polite", "sleep"):
        time.sleep(1000)
    if verb == "shout":
        for _ in range(64):
            sys.stdout.write("x" * 100_000)
        print("end of the long line")
        print("a line")
    if verb == "fail":
        print("a traceback", file=sys.stderr)
        sys.exit(3)
    if verb == "die":
        os.kill(os.getpid(), signal.SIGKILL)
`;

/**
 * A Python whose sleap-nn is a stub, so that the launching of processes can be tested in milliseconds.
 * @returns the path to give as `python`
 */
export async function stubSleapNn(folder: string): Promise<string> {
  const modules: Record<string, string> = {
    'torch/__init__.py': '',
    'lightning/__init__.py': '',
    'sleap_nn/__init__.py': '',
    'sleap_nn/cli.py': STUB_CLI,
    'sleap_nn/train.py': '',
    'sleap_nn/training/__init__.py': '',
    'sleap_nn/training/model_trainer.py': '',
  };
  for (const [file, text] of Object.entries(modules)) {
    const path = join(folder, 'modules', file);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, text);
  }
  const python = join(folder, 'python');
  await writeFile(python, `#!/bin/sh\nPYTHONPATH='${join(folder, 'modules')}' exec python3 "$@"\n`);
  await chmod(python, 0o755);
  return python;
}
