"""A connection of transport/PROTOCOL.md on aiortc: signaling, control channel with proof and beats, channels."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import re
import secrets
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, TypeVar

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.sdp import candidate_from_sdp
from websockets.asyncio.client import ClientConnection, connect

Side = Literal["offerer", "answerer"]
Message = str | bytes
Result = TypeVar("Result")

BEAT_S = 0.7
SILENCE_S = 3.5
ATTEMPTS = 3
ATTEMPT_S: dict[Side, float] = {"offerer": 10, "answerer": 9}
ATTEMPT_PAUSE_S = 0.15
GOODBYE_S = 2
SEND_BUFFER_BYTES = 1024 * 1024
END_OF_CHANNEL = "\x04"


class PeerError(Exception):
    """What ends a connection or a transfer, with one of the protocol's codes."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    @property
    def worth_another(self) -> bool:
        """True if a further attempt to connect may succeed after this one failed."""
        return self.code in ("PEER_UNREACHABLE", "PEER_GONE")


@dataclass(frozen=True)
class Room:
    """Where the peers meet. The key is 32 bytes, and never reaches the server."""

    server_url: str
    room_id: str
    token: str
    id_token: str
    key: bytes


class Signaling:
    """This peer's line to the signaling server: JSON messages on a WebSocket."""

    def __init__(self, socket: ClientConnection, peer_id: str) -> None:
        self._socket = socket
        self.peer_id = peer_id

    @classmethod
    async def join(cls, room: Room, peer_id: str, role: str) -> Signaling:
        signaling = cls(await connect(re.sub("^http", "ws", room.server_url) + "/ws"), peer_id)
        await signaling.send(
            type="register", peer_id=peer_id, room_id=room.room_id, role=role, token=room.token, id_token=room.id_token,
            metadata={"tags": [], "properties": {}},
        )  # fmt: skip
        await signaling.receive("registered_auth")
        return signaling

    async def send(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))

    async def receive(self, *types: str) -> dict[str, Any]:
        """The next message of one of the types. The others are not about connections."""
        while True:
            message: dict[str, Any] = json.loads(await self._socket.recv())
            if message["type"] == "error":
                raise PeerError(message["code"], message["message"])
            if message["type"] in types:
                return message

    async def close(self) -> None:
        await self._socket.close()


class Channel:
    """An ordered, reliable channel of messages."""

    def __init__(self, connection: Connection, channel: RTCDataChannel) -> None:
        self._connection = connection
        self._channel = channel
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._writable = asyncio.Event()
        channel.bufferedAmountLowThreshold = SEND_BUFFER_BYTES // 2
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self._writable.set)

    async def send(self, data: Message) -> None:
        """Queues a message, and returns when there is room for the next."""
        self._channel.send(data)
        while self._channel.bufferedAmount > SEND_BUFFER_BYTES:
            self._writable.clear()
            await self._connection.unless_over(self._writable.wait())

    async def receive(self) -> Message:
        """The next message. Fails with PEER_GONE if the peer has ended the channel or is gone."""
        message = await self._next()
        if message == END_OF_CHANNEL:
            self._channel.send(END_OF_CHANNEL)
            raise PeerError("PEER_GONE", "The peer ended the channel.")
        return message

    async def close(self) -> None:
        """Says that this was all, and waits for the same: then everything has arrived, both ways."""
        try:
            async with asyncio.timeout(GOODBYE_S):
                self._channel.send(END_OF_CHANNEL)
                while await self._next() != END_OF_CHANNEL:
                    pass
        except (TimeoutError, PeerError):
            pass  # The peer did not wait for it.
        self._channel.close()

    async def _next(self) -> Message:
        if not self._inbox.empty():  # What has come is read also when the peer has gone since.
            return self._inbox.get_nowait()
        return await self._connection.unless_over(self._inbox.get())

    def _take(self, message: Message) -> None:
        self._connection.heard()
        self._inbox.put_nowait(message)


class Connection:
    """A connection to one peer of the room, from its negotiation to its end."""

    def __init__(
        self, room: Room, signaling: Signaling, side: Side, peer_id: str, connection_id: str, purpose: Any
    ) -> None:
        self._key = room.key
        self._signaling = signaling
        self._side: Side = side
        self._peer_id = peer_id
        self._connection_id = connection_id
        self._purpose: dict[str, str] = purpose
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._fingerprints: dict[Side, str] = {}
        self._controls: asyncio.Queue[Message] = asyncio.Queue()
        self._channels: asyncio.Queue[Channel] = asyncio.Queue()
        self._peer_is_proven = False
        self._is_proven = False
        self._heard_at = time.monotonic()
        self._over: asyncio.Future[PeerError] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_open = asyncio.Event()
        # Both sides make it themselves, before the descriptions, so that nothing need announce it.
        self._control = self._pc.createDataChannel("sleap-rtc-control", negotiated=True, id=100)
        self._control.on("open", self._is_open.set)
        self._control.on("message", self._take_control)
        self._control.on("close", lambda: self._end(PeerError("PEER_GONE", "The peer cut the connection.")))
        self._pc.on("datachannel", self._take_channel)
        self._pc.on("connectionstatechange", self._take_state)
        # What has come in place of this attempt, if it has.
        self._newer_offer: dict[str, Any] | None = None

    @classmethod
    async def offer(cls, room: Room, signaling: Signaling, peer_id: str, purpose: dict[str, str]) -> Connection:
        """Connects to a peer of the room, in several attempts if necessary. The caller closes the connection."""
        until = time.monotonic() + ATTEMPTS * ATTEMPT_S["offerer"]
        attempt = 0
        while True:
            attempt += 1
            connection = cls(room, signaling, "offerer", peer_id, secrets.token_urlsafe(12), purpose)
            try:
                return await connection._come_about(connection._offer())
            except PeerError as error:
                if not error.worth_another or (attempt >= ATTEMPTS and time.monotonic() >= until):
                    raise
            await asyncio.sleep(ATTEMPT_PAUSE_S)

    @classmethod
    async def answer(cls, room: Room, signaling: Signaling) -> Connection:
        """
        Answers offers until a connection has come about. A newer one of the same peer is its next attempt, in place of the
        last. Whoever gets the connection closes it.
        """
        offer = await signaling.receive("offer")
        while True:
            connection = cls(room, signaling, "answerer", offer["sender"], offer["connection_id"], offer["purpose"])
            try:
                return await connection._come_about(connection._answer(offer["sdp"]))
            except PeerError as error:
                if not error.worth_another:
                    raise
            offer = connection._newer_offer or await signaling.receive("offer")

    async def open_channel(self, label: str) -> Channel:
        rtc_channel = self._pc.createDataChannel(label)
        is_open = asyncio.Event()
        rtc_channel.on("open", is_open.set)
        channel = Channel(self, rtc_channel)
        await self.unless_over(is_open.wait())
        return channel

    async def accept_channel(self) -> Channel:
        return await self.unless_over(self._channels.get())

    async def close(self) -> None:
        """Tells the peer, waits for its answer, and frees the sockets."""
        if self._control.readyState == "open" and not self._over.done():
            self._control.send("bye")
            await asyncio.wait([self._over], timeout=GOODBYE_S)
        self._end(PeerError("PEER_GONE", "The connection is closed."))
        for task in self._tasks:
            task.cancel()
        await self._pc.close()

    def heard(self) -> None:
        """Anything that comes is a sign of life."""
        self._heard_at = time.monotonic()

    async def unless_over(self, waiting: Coroutine[Any, Any, Result]) -> Result:
        """Waits for something; if the connection ends before, raises the reason."""
        task = asyncio.ensure_future(waiting)
        either: list[asyncio.Future[Any]] = [task, self._over]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        raise self._over.result()

    async def _come_about(self, describing: Coroutine[Any, Any, None]) -> Connection:
        try:
            async with asyncio.timeout(ATTEMPT_S[self._side]):
                await describing
                self._start(self._negotiate())
                await self.unless_over(self._is_open.wait())
                self._start(self._beat())
                await self.unless_over(self._prove())
            self._is_proven = True
            return self
        except TimeoutError as error:
            raise PeerError("PEER_UNREACHABLE", "No connection came about.") from error
        finally:
            if not self._is_proven:
                await self.close()

    # --- negotiation ---

    async def _offer(self) -> None:
        sdp = await self._describe(await self._pc.createOffer())
        await self._relay("offer", sdp=sdp, purpose=self._purpose)

    async def _answer(self, sdp: str) -> None:
        await self._take_description("offer", sdp)
        await self._relay("answer", sdp=await self._describe(await self._pc.createAnswer()))

    async def _describe(self, description: RTCSessionDescription) -> str:
        """Our description, with our candidates, since aiortc gathers them first, and with a single fingerprint."""
        await self._pc.setLocalDescription(description)
        sdp = re.sub(r"a=fingerprint:(?!sha-256 ).*\r\n", "", self._pc.localDescription.sdp)
        self._fingerprints[self._side] = fingerprint_of(sdp)
        return sdp

    async def _take_description(self, type: str, sdp: str) -> None:
        self._fingerprints[other(self._side)] = fingerprint_of(sdp)
        await self._pc.setRemoteDescription(RTCSessionDescription(sdp=sdp, type=type))

    async def _negotiate(self) -> None:
        """
        Takes the answer, if we have offered, and the peer's candidates; those that come before it wait for it. If we have
        answered, a newer offer of the peer ends this attempt.
        """
        early: list[Any] | None = [] if self._side == "offerer" else None
        while True:
            message = await self._signaling.receive("offer", "answer", "candidate")
            is_ours = message["connection_id"] == self._connection_id
            if message["type"] == "offer" and self._side == "answerer" and not self._is_proven and not is_ours:
                if message["sender"] == self._peer_id:
                    self._newer_offer = message
                    raise PeerError("PEER_UNREACHABLE", "The peer makes a new attempt.")
            if message["sender"] != self._peer_id or not is_ours:
                continue
            if message["type"] == "candidate" and early is not None:
                early.append(message["candidate"])
            elif message["type"] == "candidate":
                await self._take_candidate(message["candidate"])
            elif early is not None:  # A second answer is not looked at: the first one's fingerprint is pinned.
                await self._take_description("answer", message["sdp"])
                for candidate in early:
                    await self._take_candidate(candidate)
                early = None

    async def _take_candidate(self, candidate: dict[str, Any] | None) -> None:
        if candidate is None:
            return await self._pc.addIceCandidate(None)
        parsed = candidate_from_sdp(candidate["candidate"].removeprefix("candidate:"))
        parsed.sdpMid, parsed.sdpMLineIndex = candidate.get("sdpMid"), candidate.get("sdpMLineIndex")
        await self._pc.addIceCandidate(parsed)

    async def _relay(self, type: str, **content: Any) -> None:
        await self._signaling.send(type=type, target=self._peer_id, connection_id=self._connection_id, **content)

    # --- control channel ---

    async def _beat(self) -> None:
        self.heard()
        while time.monotonic() - self._heard_at < SILENCE_S:
            self._control.send("beat")
            await asyncio.sleep(BEAT_S)
        self._end(PeerError("PEER_GONE", "Nothing was heard of the peer any more."))

    async def _prove(self) -> None:
        """Both show that they have the room's key and see the same connection; until then nothing else is said."""
        ours = base64url(secrets.token_bytes(32))
        self._control.send(f"nonce 1 {ours}")
        theirs = await self._expect(r"nonce 1 ([A-Za-z0-9_-]{43})")
        nonces: dict[Side, str] = {self._side: ours, other(self._side): theirs}
        self._control.send(f"proof {self._proof(self._side, nonces)}")
        proof = await self._expect(r"proof ([A-Za-z0-9_-]{43})")
        if not hmac.compare_digest(proof, self._proof(other(self._side), nonces)):
            self._refuse("The peer's proof is wrong.")
        self._peer_is_proven = True
        self._control.send("proven")
        await self._expect("(proven)")

    def _proof(self, sender: Side, nonces: dict[Side, str]) -> str:
        peer_ids: dict[Side, str] = {self._side: self._signaling.peer_id, other(self._side): self._peer_id}
        lines = [
            "sleap-rtc-proof 1",
            sender,
            self._connection_id,
            self._purpose["job_id"],
            self._purpose["kind"],
            *(of_both[side] for of_both in (peer_ids, self._fingerprints, nonces) for side in ("offerer", "answerer")),
        ]
        return base64url(hmac.digest(self._key, "\n".join(lines).encode(), "sha256"))

    async def _expect(self, pattern: str) -> str:
        message = await self._controls.get()
        match = re.fullmatch(pattern, message) if isinstance(message, str) else None
        if match is None:
            self._refuse("The peer refused us." if message == "refused" else "The peer said something out of order.")
        return match[1]

    def _refuse(self, why: str) -> NoReturn:
        self._control.send("refused")
        raise PeerError("PEER_NOT_PROVEN", why)

    def _take_control(self, message: Message) -> None:
        self.heard()
        if message == "bye":
            self._control.send("bye")
            self._end(PeerError("PEER_GONE", "The peer said goodbye."))
        elif message != "beat":
            self._controls.put_nowait(message)

    def _take_state(self) -> None:
        if self._pc.connectionState == "failed":
            self._end(PeerError("PEER_GONE", "The path broke, or there is none."))

    def _take_channel(self, channel: RTCDataChannel) -> None:
        # No honest peer opens one before it has heard that we believe it.
        if self._peer_is_proven:
            self._channels.put_nowait(Channel(self, channel))
        else:
            self._end(PeerError("PEER_NOT_PROVEN", "The peer opened a channel before it had proven itself."))

    # --- inner matters ---

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        async def run() -> None:
            try:
                await work
            except PeerError as error:
                self._end(error)

        self._tasks.add(asyncio.create_task(run()))

    def _end(self, error: PeerError) -> None:
        if not self._over.done():
            self._over.set_result(error)


def other(side: Side) -> Side:
    return "answerer" if side == "offerer" else "offerer"


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def fingerprint_of(sdp: str) -> str:
    """The one fingerprint of a description, as `sha-256 0a:1b:…`, in small letters."""
    lines = {line.lower() for line in sdp.splitlines() if "fingerprint" in line.lower()}
    match = (
        re.fullmatch("a=fingerprint:(sha-256 (?:[0-9a-f]{2}:){31}[0-9a-f]{2})", lines.pop())
        if len(lines) == 1
        else None
    )
    if match is None:
        raise PeerError("PEER_UNREACHABLE", "The description does not have exactly one SHA-256 fingerprint.")
    return match[1]
