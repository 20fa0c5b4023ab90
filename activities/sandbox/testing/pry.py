"""Tries what a malicious model could try, and prints what came of it as one JSON line.

Arguments: JSON `{"files": [...], "folders": [...], "write": [...], "scratch": "...", "port": 1}`: what it tries to read, to list, to
write to, and to connect to; `scratch` is a folder that it may write to.
"""

import glob
import json
import os
import socket
import sys


def attempt(function):
    try:
        return str(function())
    except BaseException as error:
        return f"refused: {type(error).__name__}: {error}"


def read(path):
    with open(path, "rb") as file:
        return file.read(100_000).decode(errors="replace")


def write(path):
    with open(path, "a") as file:
        file.write("changed")


def through_hdf5(path, scratch):
    """The bytes of a file, by HDF5's external raw storage."""
    import h5py

    with h5py.File(os.path.join(scratch, "external.h5"), "w") as file:
        file.create_dataset("bytes", (300,), dtype="u1", external=[(path, 0, 300)])
    with h5py.File(os.path.join(scratch, "external.h5"), "r") as file:
        return bytes(file["bytes"][()]).decode(errors="replace")


def capabilities():
    status = read("/proc/self/status") + "".join(read(path) for path in glob.glob("/proc/self/task/*/status"))
    return sorted({line.split()[1] for line in status.splitlines() if line.startswith(("CapPrm", "CapEff", "CapBnd:"))})


def pry(wanted):
    scratch = wanted["scratch"]
    files = wanted["files"] + [f"/proc/{os.getppid()}/environ", *glob.glob("/proc/[0-9]*/environ")]
    return {
        "environment": dict(os.environ),
        "files": {path: attempt(lambda path=path: read(path)) for path in files},
        "hdf5": {path: attempt(lambda path=path: through_hdf5(path, scratch)) for path in files},
        "folders": {path: attempt(lambda path=path: os.listdir(path)) for path in wanted["folders"]},
        "writes": {path: attempt(lambda path=path: write(path)) for path in wanted["write"]},
        "processes": len(glob.glob("/proc/[0-9]*")),
        "network": attempt(lambda: socket.create_connection(("127.0.0.1", wanted["port"]), 2)),
        "link": attempt(lambda: os.symlink("/etc/passwd", os.path.join(scratch, "link"))),
        "pipe": attempt(lambda: os.mkfifo(os.path.join(scratch, "pipe"))),
        "capabilities": capabilities(),
    }


if __name__ == "__main__":
    print(json.dumps(pry(json.loads(sys.argv[1]))))
