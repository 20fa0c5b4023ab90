"""
A peer that sends the files of a folder, or receives into it, over one connection. It reports lines of JSON: `ready` when it
is in the room, `connected`, `blocks` sent or received so far, and at the end `done` or the `error` that it ended with.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
from pathlib import Path

from connection import Connection, PeerError, Room, Signaling
from transfer import receive_files, send_files


def report(**line: object) -> None:
    print(json.dumps(line), flush=True)


async def run(options: argparse.Namespace) -> None:
    key = base64.urlsafe_b64decode(f"{options.room_key}=")
    room = Room(options.server, options.room, options.token, options.id_token, key)
    signaling = await Signaling.join(room, options.peer_id, options.peer_id.split("-")[0])
    report(ready=True)
    if options.offer_to is None:
        connection = await Connection.answer(room, signaling)
        report(connected=True)
        channel = await connection.accept_channel()
    else:
        kind = "dataset" if options.part == "receive" else "results"
        connection = await Connection.offer(room, signaling, options.offer_to, {"job_id": options.job_id, "kind": kind})
        report(connected=True)
        channel = await connection.open_channel(kind)

    blocks = 0

    def count() -> None:
        nonlocal blocks
        blocks += 1
        report(blocks=blocks)

    try:
        files = await (receive_files if options.part == "receive" else send_files)(channel, options.folder, count)
        report(done=len(files), blocks=blocks)
    finally:
        await connection.close()
        await signaling.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["send", "receive"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--server", required=True, help="http(s)://host:port")
    parser.add_argument("--room", required=True)
    parser.add_argument("--token", required=True)
    parser.add_argument("--id-token", required=True)
    parser.add_argument("--room-key", required=True, help="32 bytes in base64url")
    parser.add_argument("--peer-id", required=True)
    parser.add_argument("--offer-to", help="the peer to connect to; without it, waits for an offer")
    parser.add_argument("--job-id", default="job00001")
    try:
        asyncio.run(run(parser.parse_args()))
    except PeerError as error:
        report(error=error.code, message=str(error))


main()
