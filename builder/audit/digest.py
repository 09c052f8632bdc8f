"""The digest of all that decides what the audit finds: rules, readers, places."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from builder.models.base import Sha256, sha256_of


@cache
def audit_digest() -> Sha256:
    """Of the source of this package: a result of the gate is carried over only while nothing here has changed."""
    modules = sorted((f for f in files("builder.audit").iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
    return sha256_of("".join(f"{m.name} {hashlib.sha256(m.read_bytes()).hexdigest()}\n" for m in modules))
