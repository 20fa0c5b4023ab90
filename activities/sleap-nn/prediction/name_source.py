"""Makes predictions name the researcher's own file.

Usage: name_source.py PREDICTIONS.slp, with {"input": name here, "path": the researcher's path} on stdin.

Only the words are changed: in videos_json and in the provenance, in place. Loading and saving with sleap-io
would do it too, but takes minutes for a long video. The path is text; nothing is opened by it.
"""

import json
import sys

import h5py
import numpy as np


def renamed(value, old, new):
    """A copy of a video's description in which every `filename` that is `old` is `new`."""
    if isinstance(value, dict):
        return {k: new if k == "filename" and v == old else renamed(v, old, new) for k, v in value.items()}
    return value


def provenance_of(provenance, path):
    """The provenance without folders of this machine: a model's folder is named by its id."""
    changed = dict(provenance)
    if "source_file" in changed:
        changed["source_file"] = path
    if "model_paths" in changed:
        changed["model_paths"] = [str(model).rstrip("/").split("/")[-1] for model in changed["model_paths"]]
    return changed


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def main():
    wanted = json.load(sys.stdin)
    with h5py.File(sys.argv[1], "a") as f:
        rows = [json.loads(row) for row in f["videos_json"][()]]
        rows = [compact(renamed(row, wanted["input"], wanted["path"])) for row in rows]
        del f["videos_json"]
        f.create_dataset("videos_json", data=rows, dtype=h5py.string_dtype(), maxshape=(None,))

        attributes = f["metadata"].attrs
        metadata = json.loads(attributes["json"])
        if "provenance" in metadata:
            metadata["provenance"] = provenance_of(metadata["provenance"], wanted["path"])
            attributes["json"] = np.bytes_(compact(metadata).encode())
        if "provenance_json" in f:
            provenance = provenance_of(json.loads(f["provenance_json"][()]), wanted["path"])
            del f["provenance_json"]
            f.create_dataset("provenance_json", data=np.bytes_(compact(provenance).encode()))


main()
