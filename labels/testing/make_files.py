"""Makes the files in `hdf5/`: python make_files.py FOLDER. They differ in where and how a part of them is in another file."""

import sys
from pathlib import Path

import h5py

FOLDER = Path(sys.argv[1])
SECRET = b"/proc/1/environ"


def external_storage(f, path):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_external(SECRET, 0, 4)
    h5py.h5d.create(f.id, path.encode(), h5py.h5t.STD_U8LE, h5py.h5s.create_simple((4,)), properties)


def virtual(f, path, source):
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource(source, "d", (4,))
    f.create_virtual_dataset(path, layout)


for name, versions in (("old", "earliest"), ("new", "latest")):

    def new(kind, **options):
        return h5py.File(FOLDER / f"{kind}.{name}.slp", "w", libver=(versions, "latest"), **options)

    with new("storage") as f:
        external_storage(f, "points")
    with new("storage-deep") as f:
        f.create_group("a/b")
        external_storage(f, "a/b/points")
    with new("storage-behind-user-block", userblock_size=1024) as f:
        external_storage(f, "points")
    with new("storage-among-many") as f:  # so many links and attributes that they have their own index
        for i in range(9):
            f.create_group(f"g{i}")
        external_storage(f, "points")
        for i in range(9):
            f["points"].attrs[f"a{i}"] = i
    with new("storage-and-order", track_order=True) as f:
        f.create_group("a")
        external_storage(f, "points")
    with new("link") as f:
        f["points"] = h5py.ExternalLink("/srv/others.h5", "/points")
    with new("link-deep") as f:
        f["a/b/points"] = h5py.ExternalLink("others.h5", "/points")
    with new("link-behind-soft-link") as f:
        f["a/hidden"] = h5py.ExternalLink("others.h5", "/")
        f["points"] = h5py.SoftLink("/a/hidden/points")
    with new("virtual") as f:
        virtual(f, "points", "/srv/others.h5")
