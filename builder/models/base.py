"""What every model shares: frozen, strict about unknown keys, with a digest of its own content."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, NewType

from pydantic import BaseModel, ConfigDict, StringConstraints

_HEX64 = r"^[0-9a-f]{64}$"

_Sha256 = NewType("_Sha256", str)
Sha256 = Annotated[_Sha256, StringConstraints(pattern=_HEX64)]
"""A SHA-256 as 64 lower-case hexadecimal digits, without a prefix."""

_ImageId = NewType("_ImageId", str)
ImageId = Annotated[_ImageId, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""An image's configuration digest, as `docker inspect` gives it: `sha256:` and 64 digits."""


def sha256_of(data: bytes | str) -> Sha256:
    """The SHA-256 of bytes, or of a text in UTF-8."""
    raw = data.encode() if isinstance(data, str) else data
    return _Sha256(hashlib.sha256(raw).hexdigest())


class Model(BaseModel):
    """A frozen value that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def content_digest(self) -> Sha256:
        """The SHA-256 of the canonical JSON: sorted keys, no white space, UTF-8."""
        return sha256_of(json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":")))


class Written(Model):
    """A value that a person writes: what stands below its fields describes them in its JSON Schema.

    Its own kind, since pydantic reads the source to find that: for all models it took 30 ms of every command.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)
