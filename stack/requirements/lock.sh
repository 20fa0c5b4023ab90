#!/bin/sh
# Writes the *.txt locks from the *.in files: every version pinned, every file by its sha256, for all platforms, Python 3.11 up.
# Needs uv of the version in tools.in on the PATH. sample-data.txt is written by hand: a source distribution has one hash.
set -eu
cd "$(dirname "$0")"
compile() {
  name=$1; shift
  uv pip compile --quiet --generate-hashes --universal --python-version 3.11 --no-header \
    --no-emit-index-url --no-emit-find-links "$@" "$name.in" -o "$name.txt"
}
compile tools
compile servers
compile sleap-nn --excludes sleap-nn.excludes
compile sleap-nn-gpu
compile interop
