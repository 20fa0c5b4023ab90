"""Lets sleap-io open videos of the job only.

Labels name their videos by whatever path or address their author wrote: those of the author's computer as a rule, which do not
exist here, but also those of a stranger who wants to have a file of the worker, or a page of its network, in the results.
"""

import importlib.util
import os
import re
import sys

# As sleap-io and fsspec know them; a drive of Windows has one letter.
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class OwnVideos:
    """Which videos belong to the job: the files in its folder."""

    def __init__(self, folder):
        self.folder = os.path.realpath(folder)
        self.reported = set()

    def has(self, filename):
        """Whether all the files of a video, a name or a list of names, are in the folder. Reports a name that is not, once."""
        if isinstance(filename, (list, tuple)):
            return all([self.has(name) for name in filename])
        name = os.fspath(filename)
        if not ADDRESS.match(name) and os.path.realpath(name).startswith(self.folder + os.sep):
            return True
        if name not in self.reported:
            self.reported.add(name)
            print(f"SLEAP-RTC: the video {name!r} is not part of this job, and is not opened.", file=sys.stderr, flush=True)
        return False


def open_own_videos_only(folder):
    """Makes every other video look to sleap-io as if it did not exist."""
    if importlib.util.find_spec("sleap_io") is None:
        return
    import sleap_io.io.slp
    import sleap_io.model.video
    from sleap_io.io.video_reading import VideoBackend
    from sleap_io.model.video import Video

    own = OwnVideos(folder)
    from_filename = VideoBackend.from_filename.__func__
    exists = Video.exists

    def own_from_filename(cls, filename, *args, **kwargs):
        if not own.has(filename):
            raise FileNotFoundError(f"The video {filename!r} is not part of this job.")
        return from_filename(cls, filename, *args, **kwargs)

    def own_exists(self, *args, **kwargs):
        return own.has(self.filename) and exists(self, *args, **kwargs)

    def only_own(is_file_accessible):
        return lambda filename: own.has(filename) and is_file_accessible(filename)

    VideoBackend.from_filename = classmethod(own_from_filename)
    Video.exists = own_exists
    for module in (sleap_io.io.slp, sleap_io.model.video):
        module.is_file_accessible = only_own(module.is_file_accessible)
