"""How much of a request is read: numbers in JSON become objects, and a single request must not end the server."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .model import RefusedError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
"""ASGI's own, so that what has no server can be tested."""

VARIABLE = "MODEL_MAX_REQUEST_BYTES"
LARGEST = 4 << 20
"""Bytes: as much as gRPC takes by itself. Read as JSON it takes up to twenty times as much memory."""

THROWN_AWAY = 16
"""Times the limit that is still read, and not kept: who is cut off while they send see a reset and no answer."""


def largest() -> int:
    """Bytes of a request over HTTP, MODEL_MAX_REQUEST_BYTES or 4 MiB."""
    text = os.environ.get(VARIABLE) or str(LARGEST)
    if not text.isdecimal() or int(text) < 1:
        raise RefusedError(f"{VARIABLE} is {text!r}: a number of bytes is needed")
    return int(text)


class Room:
    """Bytes of the requests that are being answered. Beside what has begun, one more of any size finds room."""

    def __init__(self, most: int) -> None:
        self._most, self._taken = most, 0
        self._freed = asyncio.Condition()

    async def enter(self, size: int) -> None:
        """Waits while there are as many as may be; what has no body does not wait, so that health is told."""
        async with self._freed:
            await self._freed.wait_for(lambda: not size or self._taken < self._most)
            self._taken += size

    async def leave(self, size: int) -> None:
        """Lets the next ones in."""
        async with self._freed:
            self._taken -= size
            self._freed.notify_all()


class Bounded:
    """An application that is given whole requests, of a bounded size, and no more of them than there is room for."""

    def __init__(self, app: App, most: int) -> None:
        self._app, self._most = app, most
        self._room = Room(most)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """415 and 413 for what is not read; the application sees neither."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = {name.lower(): value for name, value in scope["headers"]}
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            # A thousand times as long when it is unpacked, which MLServer does without a limit.
            return await refused(send, 415, "a compressed request is not read")
        body = await self._body(receive)
        if body is None:
            return await refused(send, 413, f"a request may have {self._most} bytes: {VARIABLE} is the limit")
        return await self._answer(scope, body, receive, send)

    async def _answer(self, scope: Message, body: bytes, receive: Receive, send: Send) -> None:
        """Its room is free again when the answer is there: who reads slowly keeps nobody waiting."""
        size, inside = len(body), True
        first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def given() -> Message:
            return first.pop() if first else await receive()

        async def left() -> None:
            nonlocal inside
            if inside:
                inside = False
                await self._room.leave(size)

        async def sent(message: Message) -> None:
            await left()
            await send(message)

        await self._room.enter(size)
        try:
            await self._app(scope, given, sent)
        finally:
            await left()

    async def _body(self, receive: Receive) -> bytes | None:
        """All of it; None where it is too long. Who goes away has sent what there is: MLServer sees that by itself."""
        body, seen, more = bytearray(), 0, True
        while more and seen <= self._most * THROWN_AWAY:
            message = await receive()
            part = message.get("body", b"")
            seen += len(part)
            if seen <= self._most:
                body += part
            more = message.get("more_body", False)
        return bytes(body) if seen <= self._most else None


async def refused(send: Send, status: int, why: str) -> None:
    """An answer as MLServer gives them; the connection ends, since the rest of the body is not read."""
    answer = json.dumps({"error": why}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(answer)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
