"""The original sleap-rtc's own upload over aiortc: `original.py send|receive PATH BYTES`.

Both sides run that package's code (client.file_transfer.upload_file, worker.file_manager.FileManager); this file only
connects them. The sender prints its offer and reads the answer; the receiver does the reverse. All are JSON lines. Then each
prints the time, CPU and memory that it used.
"""

import asyncio
import json
import os
import re
import sys
import time

from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from sleap_rtc.client.file_transfer import upload_file
from sleap_rtc.worker.file_manager import FileManager

use = {"started": 0.0, "started_at": 0, "cpu": 0.0}


def start():
    use.update(started=time.monotonic(), started_at=int(time.time() * 1000), cpu=time.process_time())


def report(line):
    print(json.dumps(line), flush=True)


def report_use(sha256):
    with open("/proc/self/status") as status:
        rss_kb = re.search(r"VmHWM:\s+(\d+) kB", status.read())
    report(
        {
            "seconds": time.monotonic() - use["started"],
            "started_at": use["started_at"],
            "cpu_s": time.process_time() - use["cpu"],
            "rss_mb": int(rss_kb[1]) / 1024,
            "sha256": sha256,
        }
    )


async def read_line():
    return await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def describe(peer, description):
    await peer.setLocalDescription(description)
    report({"type": peer.localDescription.type, "sdp": peer.localDescription.sdp})


async def read_description(peer):
    await peer.setRemoteDescription(RTCSessionDescription(**json.loads(await read_line())))


async def send(peer, path):
    channel = peer.createDataChannel("data")
    opened, answers = asyncio.Event(), asyncio.Queue()
    channel.on("open", opened.set)
    channel.on("message", answers.put_nowait)
    await describe(peer, await peer.createOffer())
    start()
    await read_description(peer)
    await opened.wait()
    await upload_file(channel, answers, path, os.environ["RECEIVED_FOLDER"], "0")
    report_use("")


async def receive(peer, path):
    files = FileManager()
    # Its configuration says where it may write, and a benchmark has none.
    files._is_path_allowed = lambda folder: True
    done = asyncio.Event()

    async def hear(channel, message):
        if isinstance(message, bytes):
            files.receive_upload_chunk(message)
            return
        words = message.split("::")
        if words[0] == "FILE_UPLOAD_CHECK":
            channel.send("FILE_UPLOAD_READY")
        elif words[0] == "FILE_UPLOAD_START":
            start()
            await files.start_upload_session(channel, words[1], int(words[2]), words[3], words[4])
        elif words[0] == "FILE_UPLOAD_END":
            await files.finish_upload_session(channel)
            # Flush to disk, as every other receiver of this benchmark does; the package itself does not.
            with open(path, "rb") as file:
                os.fsync(file.fileno())
            done.set()

    @peer.on("datachannel")
    def on_channel(channel):
        # In order, so that no chunk overtakes the start of its session.
        queue = asyncio.Queue()
        channel.on("message", queue.put_nowait)

        async def serve():
            while True:
                await hear(channel, await queue.get())

        peer.serving = asyncio.ensure_future(serve())

    await read_description(peer)
    await describe(peer, await peer.createAnswer())
    await done.wait()
    report_use(next(iter(files._upload_cache)))


async def main():
    side, path = sys.argv[1:3]
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    await (send if side == "send" else receive)(peer, path)
    # The sender has the last message by now. The parent closes stdin to end this process.
    while await read_line():
        pass
    os._exit(0)


asyncio.run(main())
