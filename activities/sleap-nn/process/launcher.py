"""Runs one sleap-nn command for the worker, and never outlives it.

Two processes, both in the process group that the worker made for this one:

- the supervisor (this file's ``main``) imports nothing heavy. It reads the worker's pipe on stdin and kills the whole
  group when that pipe closes, which it does even if the worker is killed with ``kill -9``. In the sandbox it is process 1,
  with which every process there ends. It also binds the ZMQ sockets to which sleap-nn connects, and passes events on over
  its own pipe, so that sleap-nn needs no port outside;
- its child runs sleap-nn. With ``--warm`` it imports what sleap-nn needs before it knows its command (half a minute of
  CPU on a small machine, and most of a small job). Imports start no CUDA context, so a waiting child uses no GPU memory.

stdin: one JSON line ``{"argv": [...], "cwd": "...", "env": {...}, "log": "...", "lines": false, "events": false, "access": null}``,
then a line ``stop`` to end a training early. ``lines`` leaves stdout to the worker (``predict --gui``); otherwise stdout and
stderr both go to the file ``log``. ``events`` asks for the events of a training. ``access`` names the job's files if the
sandbox does not have them yet (``late_mounts.py``).
File descriptor 3: one JSON object a line for the worker: ``warm``, ``started``, ``training`` (with sleap-nn's ``message``),
``exited``. Nothing else is written there.
"""

import json
import os
import select
import signal
import sys

CONTROL_FD = 3
# How long events that are still under way are waited for when sleap-nn has ended, in milliseconds.
LAST_EVENTS_MS = 100
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
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_DFL)  # ignored by bwrap, beside which this runs
    signal.signal(signal.SIGINT, signal.default_int_handler)
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
    from own_videos import open_own_videos_only
    from sleap_nn.cli import cli

    open_own_videos_only(os.path.dirname(os.getcwd()))
    if job["argv"][:1] == ["train"]:
        make_stop_check_instant()
    sys.argv = ["sleap-nn", *job["argv"]]
    cli()


class Supervisor:
    """Waits for the child's end or the worker's, whichever comes first. Forwards the job's line, events and the stop."""

    def __init__(self, child, jobs_fd, waits_for_files):
        self.child = child
        self.waits_for_files = waits_for_files
        self.jobs_fd = jobs_fd
        self.training = None
        self.wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write)
        # The worker signals the whole group: the child decides what to do, and the supervisor stays to report the end.
        for name in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(name, lambda *_: None)

    def until_exit(self):
        """Returns the child's exit status."""
        while True:
            status = self.reap()
            if status is not None:
                return status
            ready = self.wait()
            if self.wake_read in ready:
                os.read(self.wake_read, 4096)
            if self.training is not None:
                self.training.forward()
            if 0 in ready:
                self.on_line(read_line(0))

    def reap(self):
        """Collects processes that have ended: as process 1, it inherits those whose parent has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if pid == self.child:
                return status
            if pid == 0:
                return None

    def wait(self):
        """The file descriptors on which there is something to read."""
        if self.training is None:
            return select.select([0, self.wake_read], [], [])[0]
        return self.training.wait([0, self.wake_read])

    def on_line(self, line):
        if line is None:
            end_group()  # the worker has ended or closed the pipe: no process of ours may go on
        elif self.jobs_fd is not None:
            self.begin(json.loads(line))
        elif line == b"stop" and self.training is not None:
            self.training.stop()

    def begin(self, job):
        """Gives the sandbox the job's files, opens its sockets, and passes the job on to the child."""
        if self.waits_for_files:
            late_mounts().grant(job["access"])
        if job.get("events"):
            from training_events import TrainingEvents

            self.training = TrainingEvents(lambda message: send_event("training", message=message))
            job["argv"] += self.training.overrides
        os.write(self.jobs_fd, json.dumps(job).encode() + b"\n")
        os.close(self.jobs_fd)
        self.jobs_fd = None


def late_mounts():
    """The module that gives a sandbox the job's files. Imported only if it is needed."""
    sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../sandbox"))
    import late_mounts as module

    return module


def end_group():
    """Ends every process of the group, and this one. In the sandbox, whose process 1 no signal from inside ends, by its exit."""
    os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main():
    """Forks before anything heavy is imported, reports how the child ended, and kills what the child left."""
    waits_for_files = "--waits-for-files" in sys.argv[1:]
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        if waits_for_files:
            late_mounts().drop_capabilities()
        run_child(read_end, "--warm" in sys.argv[1:])
        return
    os.close(read_end)
    supervisor = Supervisor(child, write_end, waits_for_files)
    if waits_for_files:
        late_mounts()  # while the child imports, so that the job does not wait for it
    status = supervisor.until_exit()
    if supervisor.training is not None:
        supervisor.training.forward(LAST_EVENTS_MS)
    code = os.waitstatus_to_exitcode(status)
    send_event("exited", code=code if code >= 0 else None, signal=-code if code < 0 else None)
    # Ends data loader workers that outlived their parent, and this process with them.
    if os.getpid() == 1:
        os._exit(0)
    end_group()


if __name__ == "__main__":
    main()
