"""Runs one sleap-nn command for the worker, and never outlives it.

Two processes, both in the process group that the worker made for this one:

- the supervisor (this file's ``main``) imports nothing heavy. It reads the worker's pipe on stdin and kills the whole
  group when that pipe closes, which it does even if the worker is killed with ``kill -9``;
- its child runs sleap-nn. With ``--warm`` it imports what sleap-nn needs before it knows its command (half a minute of
  CPU on a small machine, and most of a small job). Imports start no CUDA context, so a waiting child uses no GPU memory.

stdin: one JSON line ``{"argv": [...], "cwd": "...", "env": {...}, "log": "...", "lines": false}``, then silence.
``lines`` leaves stdout to the worker (``predict --gui``); otherwise stdout and stderr both go to the file ``log``.
File descriptor 3: one JSON object a line for the worker: ``warm``, ``started``, ``exited``. Nothing else is written there.
"""

import json
import os
import select
import signal
import sys

CONTROL_FD = 3
# Longest job line that is accepted, in bytes.
MAX_LINE = 1 << 20


def send_event(event, **fields):
    """Sends the worker an event. Does not fail if the worker has ended."""
    try:
        os.write(CONTROL_FD, (json.dumps({"event": event, **fields}) + "\n").encode())
    except OSError:
        pass


def die_with_parent():
    """Asks Linux to kill this process when the supervisor dies; on other systems the worker kills the group."""
    if not sys.platform.startswith("linux"):
        return
    try:
        import ctypes

        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError, ImportError):
        pass


def read_line(fd):
    """Reads up to a newline, one byte at a time so that nothing after it is read. Returns None at the end of the pipe."""
    line = bytearray()
    while len(line) < MAX_LINE:
        byte = os.read(fd, 1)
        if not byte:
            return None
        if byte == b"\n":
            return bytes(line)
        line += byte
    return None


def preload():
    """Imports what `sleap-nn train` and `sleap-nn predict` import, without touching a GPU."""
    import lightning  # noqa: F401
    import torch  # noqa: F401

    import sleap_nn.cli  # noqa: F401
    import sleap_nn.train  # noqa: F401
    import sleap_nn.training.model_trainer  # noqa: F401


def make_stop_check_instant():
    """sleap-nn waits 10 ms for a stop command after every batch; it is enough to look without waiting."""
    try:
        from sleap_nn.training.callbacks import TrainingControllerZMQ

        original = TrainingControllerZMQ.__init__

        def patched(self, *args, **kwargs):
            original(self, *args, **kwargs)
            self.timeout = 0

        TrainingControllerZMQ.__init__ = patched
    except (ImportError, AttributeError):
        pass


def redirect_output(log, lines):
    """Sends stderr, and stdout unless `lines`, to the end of the log file."""
    sys.stdout.flush()
    sys.stderr.flush()
    fd = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(fd, 2)
    if not lines:
        os.dup2(fd, 1)
    os.close(fd)


def run_child(jobs_fd, warm):
    """The child: imports, waits for its job, and becomes sleap-nn. Ends by SystemExit or an exception, as sleap-nn does."""
    die_with_parent()
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    os.close(devnull)
    if warm:
        preload()
        send_event("warm")
    line = read_line(jobs_fd)
    os.close(jobs_fd)
    if line is None:
        os._exit(0)
    job = json.loads(line)
    os.chdir(job["cwd"])
    os.environ.update(job.get("env") or {})
    redirect_output(job["log"], job.get("lines", False))
    send_event("started", pid=os.getpid())
    os.close(CONTROL_FD)

    import tempfile

    tempfile.tempdir = None  # so that the job's own TMPDIR counts
    from sleap_nn.cli import cli

    if job["argv"][:1] == ["train"]:
        make_stop_check_instant()
    sys.argv = ["sleap-nn", *job["argv"]]
    cli()


def supervise(child, jobs_fd):
    """Waits for the child's end or the worker's, whichever comes first; forwards the job line once."""
    forwarded = False
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # The worker signals the whole group: the child decides what to do, and the supervisor stays to report the end.
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, lambda *_: None)
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid == child:
            return status
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            try:
                os.read(wake_read, 4096)
            except BlockingIOError:
                pass
        if 0 in ready:
            line = None if forwarded else read_line(0)
            if line is None:
                os.killpg(0, signal.SIGKILL)  # the worker has ended or closed the pipe: no process of ours may go on
            os.write(jobs_fd, line + b"\n")
            os.close(jobs_fd)
            forwarded = True


def main():
    """Forks before anything heavy is imported, reports how the child ended, and kills what the child left in the group."""
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        run_child(read_end, "--warm" in sys.argv[1:])
        return
    os.close(read_end)
    status = supervise(child, write_end)
    code = os.waitstatus_to_exitcode(status)
    send_event("exited", code=code if code >= 0 else None, signal=-code if code < 0 else None)
    # Ends data loader workers that outlived their parent, and this process with them.
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
