"""Pins: judged against a bundle when a recipe is locked, and against a chain when a host is asked. Pure.

A pin is the issuing root and a backup inside a complete bundle. It never takes the place of verification, and the
leaf's key is an alarm alone: as an anchor, a leaf that a CA issued fails at once in Python up to 3.12, requests, pip,
git, Node, uv and apt (FACTS 1), and one that does not fail there fails when it is renewed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal

from builder.errors import Fault, RecipeError
from builder.trust.certs import Cert, parsed
from builder.trust.reached import Target

if TYPE_CHECKING:  # the doctor needs no model, and not the time that pydantic takes to load
    from builder.models.lock import Certificate
    from builder.models.pin import Pin
    from builder.models.plan import File

IMAGE_FILE: Final = "/etc/builder/pins.json"
"""Where an image says what is pinned, so that it can be asked where its recipe is not at hand."""
LASTING: Final = timedelta(days=365)
"""What one of the two roots has to last, from the lock on: a site without a network is not rebuilt in a week."""
_ORGANISATION: Final = "2.5.4.10"

Root = Literal["root", "backup", "other", "none"]
Key = Literal["same", "other", "not pinned"]


@dataclass(frozen=True, kw_only=True)
class PinVerdict:
    """What a chain is, held against its host's pin."""

    pin: Pin
    root: Root
    """Which of the two the chain ends in; `none` where it ends in no root, so that it does not verify anyway."""
    key: Key
    root_seen: str
    """The subject in which the chain ends, and its fingerprint."""
    key_seen: str
    """As RFC 7469 writes it."""

    @property
    def alarm(self) -> bool:
        """True where the chain is not what was pinned."""
        return self.root == "other" or self.key == "other"


def pin_for(pins: Iterable[Pin], target: Target) -> Pin | None:
    """The pin of a host and port."""
    return next((p for p in pins if Target.of(p.host) == target), None)


def held_against(pin: Pin, path: Sequence[Cert]) -> PinVerdict:
    """A path from the leaf to its root, against the pin. Whether it verifies is another question."""
    leaf, top = path[0], path[-1]
    named: dict[str, Root] = {pin.root: "root", pin.backup: "backup"}
    root: Root = named.get(top.sha256, "other" if top.self_issued else "none")
    key: Key = "not pinned" if pin.key is None else "same" if pin.key_sha256 == key_digest(leaf).hex() else "other"
    return PinVerdict(
        pin=pin, root=root, key=key, root_seen=f"{top.subject} (SHA-256 {top.sha256})", key_seen=key_text(leaf)
    )


def sentences(verdict: PinVerdict) -> Iterator[str]:
    """What a person has to know of it, an alarm first."""
    host = verdict.pin.host
    ask = f"ask those who run {host} by another way; if it is their doing, `builder certs pin {host}` gives the new pin"
    if verdict.root == "other":
        yield f"Alarm: the chain of {host} ends in {verdict.root_seen}, which is not pinned: {ask}."
    if verdict.key == "other":
        seen = f"{verdict.key_seen}, pinned is {verdict.pin.key}"
        yield f"Alarm: {host} has another key than the pinned one (seen {seen}): renewed, or not itself; {ask}."
    if verdict.root == "backup":
        yield f"{host} has moved to the backup root: make it the root of the pin, and choose a new backup."
    if not verdict.alarm and verdict.root == "root":
        key = ", its key is the pinned one" if verdict.key == "same" else ""
        yield f"As pinned: the chain ends in the pinned root{key}."


def pin_faults(pins: Sequence[Pin], certificates: Iterable[Certificate], *, at: int, where: str) -> Iterator[Fault]:
    """What a bundle lacks for the pins of a recipe, at the lock's own time (seconds since 1970).

    A bundle holds CA certificates alone (`builder.trust.bundle` sees to it), so that to be in it is to be one.
    """
    ends = {c.sha256: date.fromisoformat(c.not_after) for c in certificates}
    today = datetime.fromtimestamp(at, timezone.utc).date()
    for number, pin in enumerate(pins):
        place = f"{where}[{number}]"
        missing = [name for name in ("root", "backup") if getattr(pin, name) not in ends]
        for name in missing:
            yield _not_there(pin, name, place, of=len(ends))
        last = max((ends[d] for d in (pin.root, pin.backup) if d in ends), default=today)
        if not missing and last < today + LASTING:
            yield Fault(
                what=f"neither root that is pinned for {pin.host} lasts a year",
                where=place,
                seen=f"the later one ends on {last}, the lock is of {today}",
                remedy="pin the root that follows as backup, while both can still be had",
            )


def _not_there(pin: Pin, name: str, place: str, *, of: int) -> Fault:
    word = "root" if name == "root" else "backup root"
    return Fault(
        what=f"the {word} that is pinned for {pin.host} is not in the image's bundle, or has expired",
        where=f"{place}.{name}",
        seen=f"{getattr(pin, name)} among none of {of} trust anchors; a leaf is never one",
        remedy=f"put the root's certificate into `trust.extra`; `builder certs pin {pin.host}` says which one it is",
    )


def check_pins(pins: Sequence[Pin], certificates: Iterable[Certificate], *, at: int, where: str) -> None:
    """Raises RecipeError with every fault of the pins."""
    if faults := tuple(pin_faults(pins, certificates, at=at, where=where)):
        raise RecipeError("the pins do not hold in the image's bundle", faults=faults)


def backups_for(root: Cert, anchors: Iterable[Cert], *, at: datetime) -> tuple[Cert, ...]:
    """Other roots of the same organisation with another key, the one that lasts longest in front."""
    mine = organisation(root)
    others = (
        c
        for c in dict.fromkeys(anchors)
        if mine and organisation(c) == mine and c != root and c.ca and c.self_issued and _lasts(c, at)
    )
    able = [c for c in others if key_digest(c) != key_digest(root)]
    return tuple(sorted(able, key=lambda c: (-c.not_after.timestamp(), c.sha256)))


def organisation(cert: Cert) -> str:
    """Of its subject, lower case; empty where there is none."""
    return next((value for oid, value in cert.subject_key if oid == _ORGANISATION), "")


def _lasts(cert: Cert, at: datetime) -> bool:
    return cert.not_before <= at and cert.not_after >= at + LASTING


def key_digest(cert: Cert) -> bytes:
    """The SHA-256 of its SubjectPublicKeyInfo (RFC 7469, section 2.4); zeros for a kind of key that is unknown here."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    try:
        key = parsed(cert.der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return bytes(32)
    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def key_text(cert: Cert) -> str:
    """The same in base64, as RFC 7469 writes it."""
    return base64.b64encode(key_digest(cert)).decode()


def pins_text(pins: Sequence[Pin]) -> str:
    """The file that an image has them in: sorted by host."""
    rows = [pin.model_dump(mode="json", exclude_none=True) for pin in sorted(pins, key=lambda p: p.host)]
    return json.dumps({"version": 1, "pins": rows}, indent=2, sort_keys=True) + "\n"


def pins_files(pins: Sequence[Pin]) -> tuple[File, ...]:
    """The file, for the trust layer of an image that has any."""
    from builder.models.plan import File  # noqa: PLC0415

    return (File(path=IMAGE_FILE, content=pins_text(pins)),) if pins else ()


def parse_pins(text: str, where: str) -> tuple[Pin, ...]:
    """The pins of such a file. Raises RecipeError."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from builder.models.pin import Pin  # noqa: PLC0415

    try:
        document = json.loads(text)
        if document["version"] == 1:
            return TypeAdapter(tuple[Pin, ...]).validate_json(json.dumps(document["pins"]))
        seen = f"version {document['version']}"
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        seen = "no such values" if isinstance(error, ValidationError | KeyError | TypeError) else str(error)
    raise RecipeError("the pins of the image cannot be read", where=where, seen=seen)
