/** How classic BPF's jumps, loads and returns are written (linux/bpf_common.h). */
const LOAD_WORD = 0x20;
const JUMP_IF_EQUAL = 0x15;
const JUMP_IF_AT_LEAST = 0x35;
const RETURN = 0x06;
/** Answers of a filter (linux/seccomp.h). A refused call fails with EPERM. */
const ALLOW = 0x7fff_0000;
const REFUSE = 0x0005_0001;
/** Where a filter finds the call's number and its architecture (`struct seccomp_data`). */
const NUMBER = 0;
const ARCHITECTURE = 4;
/** x86-64 has a second set of numbers from here on (x32). */
const X32 = 0x4000_0000;

/**
 * Calls that are refused, by machine. The worker opens files of a run's folder by their names, so a run must not be able to make
 * anything there that leads out of the folder or that blocks whoever opens it: no symbolic link, device or pipe, also not by
 * io_uring, whose requests no filter sees. Keyrings are shared with the worker: no namespace separates them.
 */
const REFUSED: Partial<Record<NodeJS.Architecture, { audit: number; calls: readonly number[] }>> = {
  // symlink, symlinkat, mknod, mknodat, io_uring_setup, add_key, request_key, keyctl
  x64: { audit: 0xc000_003e, calls: [88, 266, 133, 259, 425, 248, 249, 250] },
  // symlinkat, mknodat, io_uring_setup, add_key, request_key, keyctl
  arm64: { audit: 0xc000_00b7, calls: [36, 33, 425, 217, 218, 219] },
};

/**
 * The seccomp filter of the sandbox, as `bwrap --seccomp` reads it.
 * @returns undefined on a machine whose calls have other numbers
 */
export function syscallFilter(machine: NodeJS.Architecture = process.arch): Buffer | undefined {
  const refused = REFUSED[machine];
  if (refused === undefined) return undefined;
  const { audit, calls } = refused;
  const program: [code: number, ifTrue: number, ifFalse: number, value: number][] = [
    [LOAD_WORD, 0, 0, ARCHITECTURE],
    // A program of another architecture (32 bits) has other numbers.
    [JUMP_IF_EQUAL, 0, calls.length + 3, audit],
    [LOAD_WORD, 0, 0, NUMBER],
    [JUMP_IF_AT_LEAST, calls.length + 1, 0, X32],
    ...calls.map((call, index): [number, number, number, number] => [JUMP_IF_EQUAL, calls.length - index, 0, call]),
    [RETURN, 0, 0, ALLOW],
    [RETURN, 0, 0, REFUSE],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  for (const [index, [code, ifTrue, ifFalse, value]] of program.entries()) {
    bytes.writeUInt16LE(code, index * 8);
    bytes.writeUInt8(ifTrue, index * 8 + 2);
    bytes.writeUInt8(ifFalse, index * 8 + 3);
    bytes.writeUInt32LE(value, index * 8 + 4);
  }
  return bytes;
}
