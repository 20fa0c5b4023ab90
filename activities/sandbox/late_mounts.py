"""Gives a process that is in the sandbox already the files of its job.

A process that has done sleap-nn's imports waits before its job is known, so bwrap cannot mount the job's files. It mounts
the worker's folder where only the supervisor looks, and leaves the supervisor the capability to mount. The supervisor forks
the process that will run sleap-nn, which gives the capability up at once (`drop_capabilities`). When the job is known, the
supervisor calls `grant`: it mounts the job's files at their own paths, unmounts the worker's folder, and gives up the
capability itself. Only then does anything of the job run, and no process in the sandbox can mount or see more.

Run as a program, it grants what one JSON line on stdin names, and lists it: the worker's check that this works here.
"""

import ctypes
import json
import os
import sys

# The worker's folder, twice. `sandbox.ts` names the same paths.
OUTSIDE = "/run/sleap-rtc"
READ = OUTSIDE + "/read"
WRITE = OUTSIDE + "/write"

# mount(2), umount(2), capset(2)
MS_BIND = 0x1000
MS_REC = 0x4000
MNT_DETACH = 2
CAPABILITY_VERSION_3 = 0x20080522

libc = ctypes.CDLL(None, use_errno=True)


def succeed(result, what):
    """Raises OSError with `what` if a call of libc failed."""
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def drop_capabilities():
    """Gives up every capability of this thread. bwrap has set no_new_privs, so no program can get one back."""
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    succeed(libc.capset(header, (ctypes.c_uint32 * 6)()), "could not give up capabilities")


def grant(access):
    """Mounts what `access` names at its own path: `folder` is the worker's, `read` and `write` are absolute paths below it."""
    folder = access["folder"]
    wanted = [(path, READ) for path in access["read"]] + [(path, WRITE) for path in access["write"]]
    for path, outside in sorted(wanted):  # a folder before what is in it
        source = os.path.join(outside, os.path.relpath(path, folder))
        if os.path.commonpath([outside, os.path.normpath(source)]) != outside:
            raise PermissionError(f"{path} is not in the worker's folder")
        if outside == READ and not os.path.exists(source):
            continue
        if os.path.isdir(source):
            os.makedirs(path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not os.path.exists(path):
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        succeed(libc.mount(source.encode(), path.encode(), None, MS_BIND | MS_REC, None), f"could not mount {path}")
    for outside in (READ, WRITE):
        succeed(libc.umount2(outside.encode(), MNT_DETACH), f"could not unmount {outside}")
    drop_capabilities()


def main():
    access = json.loads(sys.stdin.readline())
    grant(access)
    print(json.dumps(sorted(os.listdir(access["folder"]))))


if __name__ == "__main__":
    main()
