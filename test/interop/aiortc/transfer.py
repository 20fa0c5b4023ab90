"""The file transfer of transport/PROTOCOL.md: a sender, and a receiver that keeps what it has got."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from connection import Channel, PeerError

BLOCK_BYTES = 1024 * 1024
WINDOW_BLOCKS = 16
BLOCK_ATTEMPTS = 3
HASHES_PER_REQUEST = 1024
BLOCKS_PER_REQUEST = 64
OFFER_BYTES = 48 * 1024
MESSAGE_BYTES = 65_536
HELLO = {"type": "hello", "protocol": "sleap-rtc-files", "version": 1}

# Before the data of a binary message: kind, 3 bytes nought, number of the file, block or first hash, offset in it.
HEADER = struct.Struct(">B3xIII")
DATA, HASHES = 1, 2

Json = dict[str, Any]
OnBlock = Callable[[], None]


class Reported(PeerError):
    """The other side gave up and said why."""


@dataclass(frozen=True)
class File:
    """A file as it is offered."""

    path: str
    size_bytes: int
    sha256: str

    @property
    def blocks(self) -> int:
        return -(-self.size_bytes // BLOCK_BYTES)

    def block_bytes(self, block: int) -> int:
        return min(BLOCK_BYTES, self.size_bytes - block * BLOCK_BYTES)

    def read(self, source: BinaryIO, block: int) -> bytes:
        source.seek(block * BLOCK_BYTES)
        return source.read(self.block_bytes(block))


async def receive_files(channel: Channel, folder: Path, on_block: OnBlock) -> list[File]:
    """Pulls the offered files into a folder. Of one that an earlier attempt has begun, missing blocks are asked for."""
    async with telling_why(channel):
        return await Receiver(channel, folder, on_block).run()


async def send_files(channel: Channel, folder: Path, on_block: OnBlock) -> list[File]:
    """Offers the files of a folder and serves what is asked for, until the receiver has all."""
    async with telling_why(channel):
        return await Sender(channel, folder, on_block).run()


class Receiver:
    def __init__(self, channel: Channel, folder: Path, on_block: OnBlock) -> None:
        self._channel = channel
        self._folder = folder
        self._on_block = on_block
        self._had_bytes = 0

    async def run(self) -> list[File]:
        await say(self._channel, HELLO)
        files = await self._offer()
        for number, file in enumerate(files):
            await self._receive(number, file)
        await say(self._channel, {"type": "done", "had_bytes": self._had_bytes})
        await hear(self._channel, "goodbye")
        await say(self._channel, {"type": "goodbye"})
        await self._channel.close()
        return files

    async def _offer(self) -> list[File]:
        check_hello(await hear(self._channel, "hello"))
        files: list[File] = []
        while True:
            offer = await hear(self._channel, "offer")
            files += [File(entry["path"], entry["size_bytes"], entry["sha256"]) for entry in offer["files"]]
            if offer["last"]:
                break
        # Nothing is written before every name is known to be safe.
        if not all(is_safe(file.path) for file in files) or len({file.path.lower() for file in files}) < len(files):
            raise PeerError("PATH_UNSAFE", "A name in the offer is refused.")
        return files

    async def _receive(self, number: int, file: File) -> None:
        target = self._folder / file.path
        if target.is_file() and sha256_of(target) == file.sha256:
            self._had_bytes += file.size_bytes
            return
        hashes = await self._hashes(number, file)
        part = target.with_name(f"{target.name}.part")
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        with part.open("r+b") as data:
            missing = deque(b for b in range(file.blocks) if sha256(file.read(data, b)) != hashes[b])
            self._had_bytes += sum(map(file.block_bytes, set(range(file.blocks)) - set(missing)))
            await self._fetch(number, file, hashes, missing, data)
            data.truncate(file.size_bytes)
        if sha256_of(part) != file.sha256:
            raise PeerError("INTEGRITY", f"{file.path} is not what was promised.")
        part.rename(target)

    async def _hashes(self, number: int, file: File) -> list[bytes]:
        if file.blocks == 1:
            return [bytes.fromhex(file.sha256)]
        hashes: list[bytes] = []
        while len(hashes) < file.blocks:
            first, count = len(hashes), min(HASHES_PER_REQUEST, file.blocks - len(hashes))
            await say(self._channel, {"type": "hashes", "file": number, "first": first, "count": count})
            block, _, data = await self._piece(HASHES, number)
            if block != first or len(data) != count * 32:
                raise PeerError("MESSAGE_INVALID", "Other hashes came than were asked for.")
            hashes += [data[i : i + 32] for i in range(0, len(data), 32)]
        return hashes

    async def _fetch(self, number: int, file: File, hashes: list[bytes], missing: deque[int], to: BinaryIO) -> None:
        """Keeps some blocks asked for, writes those whose hash is right, and asks for the others again."""
        coming: dict[int, bytearray] = {}
        attempts = dict.fromkeys(missing, 0)
        while missing or coming:
            while missing and len(coming) < WINDOW_BLOCKS:
                block = missing.popleft()
                coming[block] = bytearray()
                attempts[block] += 1
                want = {"type": "want", "file": number, "first": block, "count": 1, "had_bytes": self._had_bytes}
                await say(self._channel, want)
            block, offset, data = await self._piece(DATA, number)
            content = coming.get(block)
            if content is None or offset != len(content) or offset + len(data) > file.block_bytes(block):
                raise PeerError("MESSAGE_INVALID", "Data came that was not asked for.")
            content += data
            if len(content) < file.block_bytes(block):
                continue
            del coming[block]
            if sha256(content) == hashes[block]:
                to.seek(block * BLOCK_BYTES)
                to.write(content)
                to.flush()
                self._on_block()
            elif attempts[block] < BLOCK_ATTEMPTS:
                missing.appendleft(block)
            else:
                raise PeerError("INTEGRITY", f"A block of {file.path} came corrupt {BLOCK_ATTEMPTS} times.")

    async def _piece(self, kind: int, number: int) -> tuple[int, int, bytes]:
        """Block, offset and data of the next binary message, which must be of this kind and file."""
        message = await self._channel.receive()
        if isinstance(message, str):
            parse(message)  # Raises what the sender reports.
        elif len(message) > HEADER.size and HEADER.unpack_from(message)[:2] == (kind, number):
            return (*HEADER.unpack_from(message)[2:], message[HEADER.size :])
        raise PeerError("MESSAGE_INVALID", "The sender said something out of turn.")


class Sender:
    def __init__(self, channel: Channel, folder: Path, on_block: OnBlock) -> None:
        self._channel = channel
        self._folder = folder
        self._on_block = on_block
        self._files = [self._describe(path) for path in sorted(folder.rglob("*")) if path.is_file()]

    async def run(self) -> list[File]:
        await say(self._channel, HELLO)
        await self._offer()
        check_hello(await hear(self._channel, "hello"))
        while (request := await hear(self._channel, "hashes", "want", "busy", "done"))["type"] != "done":
            if request["type"] == "hashes":
                await self._send_hashes(*self._asked(request, HASHES_PER_REQUEST))
            elif request["type"] == "want":
                await self._send_blocks(*self._asked(request, BLOCKS_PER_REQUEST))
        await say(self._channel, {"type": "goodbye"})
        try:
            await hear(self._channel, "goodbye")
            await self._channel.receive()  # The receiver ends the channel.
        except PeerError:
            pass  # It has all, so nothing that happens now is a failure.
        return self._files

    async def _offer(self) -> None:
        files: list[Json] = []
        for file in self._files:
            if len(json.dumps([*files, asdict(file)])) > OFFER_BYTES:
                await say(self._channel, {"type": "offer", "files": files, "last": False})
                files = []
            files.append(asdict(file))
        await say(self._channel, {"type": "offer", "files": files, "last": True})

    async def _send_hashes(self, number: int, file: File, blocks: range) -> None:
        with (self._folder / file.path).open("rb") as source:
            hashes = b"".join(sha256(file.read(source, block)) for block in blocks)
        await self._channel.send(HEADER.pack(HASHES, number, blocks.start, 0) + hashes)

    async def _send_blocks(self, number: int, file: File, blocks: range) -> None:
        with (self._folder / file.path).open("rb") as source:
            for block in blocks:
                data = file.read(source, block)
                if len(data) < file.block_bytes(block):
                    raise PeerError("SOURCE_CHANGED", f"{file.path} changed while it was being sent.")
                step = MESSAGE_BYTES - HEADER.size
                for offset in range(0, len(data), step):
                    await self._channel.send(HEADER.pack(DATA, number, block, offset) + data[offset : offset + step])
                self._on_block()

    def _asked(self, request: Json, most: int) -> tuple[int, File, range]:
        number, first, count = request["file"], request["first"], request["count"]
        if not 0 <= number < len(self._files) or not 1 <= count <= most or first + count > self._files[number].blocks:
            raise PeerError("MESSAGE_INVALID", "Something was asked for that is not on offer.")
        return number, self._files[number], range(first, first + count)

    def _describe(self, path: Path) -> File:
        return File(path.relative_to(self._folder).as_posix(), path.stat().st_size, sha256_of(path))


@asynccontextmanager
async def telling_why(channel: Channel) -> AsyncIterator[None]:
    """A side that gives up says so, unless the other side knows."""
    try:
        yield
    except PeerError as error:
        if not isinstance(error, Reported) and error.code != "PEER_GONE":
            await say(channel, {"type": "error", "code": error.code, "message": str(error)})
        raise


async def say(channel: Channel, message: Json) -> None:
    await channel.send(json.dumps(message))


async def hear(channel: Channel, *types: str) -> Json:
    """The next message, which must be a text of one of these types."""
    message = await channel.receive()
    parsed = parse(message) if isinstance(message, str) else {"type": "data"}
    if parsed["type"] not in types:
        raise PeerError("MESSAGE_INVALID", f"{parsed['type']} came in place of {' or '.join(types)}.")
    return parsed


def parse(text: str) -> Json:
    message: Json = json.loads(text)
    if message["type"] == "error":
        raise Reported(message["code"], message["message"])
    return message


def check_hello(hello: Json) -> None:
    if (hello["protocol"], hello["version"]) != (HELLO["protocol"], HELLO["version"]):
        raise PeerError("MESSAGE_INVALID", "The other side speaks another protocol, or another version of it.")


def is_safe(path: str) -> bool:
    """Whether a name may be written below a folder, on Linux: PROTOCOL.md lists what other systems need."""
    bad_characters = re.search(r'[\x00-\x1f\x7f\\:*?"<>|]', path)
    return bad_characters is None and len(path) <= 512 and all(part not in ("", ".", "..") for part in path.split("/"))


def sha256(data: bytes | bytearray) -> bytes:
    return hashlib.sha256(data).digest()


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
