"""What the server's application gets to see of a request, without a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from builder.serving.bounded import LARGEST, Bounded, Message, Receive, Send, largest
from builder.serving.model import RefusedError

MOST = 100


class Echo:
    """Answers with how long the body was, once `go` is set."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.go = asyncio.Event()
        self.go.set()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        self.begun.append(len(body))
        await self.go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(len(body)).encode()})


async def asked(app: Bounded, parts: Sequence[int], headers: Iterable[tuple[bytes, bytes]] = ()) -> tuple[int, bytes]:
    """Status and answer for a body in parts of so many bytes."""
    sent: list[Message] = []
    waiting = [{"type": "http.request", "body": b"x" * n, "more_body": True} for n in parts]
    waiting.append({"type": "http.request", "body": b""})

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "headers": list(headers)}, receive, send)
    return sent[0]["status"], sent[1]["body"]


def alone(parts: Sequence[int], *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    async def run() -> tuple[int, bytes]:
        return await asked(Bounded(Echo(), MOST), parts, headers)

    return asyncio.run(run())


@pytest.mark.parametrize("parts", [[], [MOST], [1] * MOST, [40, 60]])
def test_what_is_no_longer_than_the_limit_arrives_whole(parts: list[int]) -> None:
    assert alone(parts) == (200, str(sum(parts)).encode())


@pytest.mark.parametrize("parts", [[MOST + 1], [1] * (MOST + 1), [MOST] * 1000])
def test_what_is_longer_is_refused(parts: list[int]) -> None:
    status, body = alone(parts)
    assert (status, json.loads(body)) == (
        413,
        {"error": "a request may have 100 bytes: MODEL_MAX_REQUEST_BYTES is the limit"},
    )


def test_a_compressed_body_is_refused_since_nobody_knows_how_long_it_is() -> None:
    status, body = alone([10], (b"Content-Encoding", b"GZIP"))
    assert (status, json.loads(body)) == (415, {"error": "a compressed request is not read"})
    assert alone([10], (b"content-encoding", b"identity"))[0] == 200


def test_large_requests_wait_and_those_without_a_body_do_not() -> None:
    async def run() -> None:
        app = Echo()
        app.go.clear()
        bounded = Bounded(app, MOST)
        asking = [asyncio.create_task(asked(bounded, [60])) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert app.begun == [60, 60]  # the second found the first one's 60 of 100 taken
        asking.append(asyncio.create_task(asked(bounded, [])))
        await asyncio.sleep(0.05)
        assert app.begun == [60, 60, 0]
        app.go.set()
        assert [status for status, _ in await asyncio.gather(*asking)] == [200] * 6

    asyncio.run(run())


def test_one_that_fails_gives_its_room_back() -> None:
    async def failing(*_: Any) -> None:
        raise ValueError("a fault of the application")

    async def run() -> None:
        bounded = Bounded(failing, MOST)
        for _ in range(5):
            with pytest.raises(ValueError, match="a fault of the application"):
                await asyncio.wait_for(asked(bounded, [MOST]), timeout=5)

    asyncio.run(run())


def test_the_limit_is_four_mib_or_what_the_variable_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert largest() == LARGEST == 4 * 1024 * 1024
    monkeypatch.setenv("MODEL_MAX_REQUEST_BYTES", "1000")
    assert largest() == 1000
    monkeypatch.setenv("MODEL_MAX_REQUEST_BYTES", "4MB")
    with pytest.raises(RefusedError, match="MODEL_MAX_REQUEST_BYTES is '4MB': a number of bytes is needed"):
        largest()
