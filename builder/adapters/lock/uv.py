"""Asks a package index through `uv pip compile`: which wheels, at which versions, with hash and size."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.adapters.lock.pylock import read_pylock, written_preferences
from builder.errors import HostError, LockError, NetworkError
from builder.mirrors.transport import Unavailable
from builder.models.resolved import Target, Wheel

_URL = re.compile(r"\b(?:https?|file)://[^\s`'\"<>)]+")
_OVERRIDES = "overrides.in"
_UNREACHABLE = ("Failed to fetch", "error sending request", "Request failed", "dns error", "HTTP status server error")


@dataclass(frozen=True, kw_only=True)
class UvIndex:
    """One index, asked by uv with the host's own proxy, trust and credentials."""

    name: str
    """The mirror's name, for messages: no host is ever shown."""
    url: str | None
    """None: the index that uv itself is configured with."""

    def resolve(
        self,
        requirements: tuple[str, ...],
        *,
        target: Target,
        keep: Mapping[str, str],
        where: str,
        without: tuple[str, ...] = (),
    ) -> tuple[Wheel, ...]:
        """One wheel for each package that the requirements need, sorted by name.

        keep: versions (by normalised name) that stay unless a requirement speaks against them.
        where: the place of the requirements, for messages.
        without: packages that are left out although others depend on them.

        Raises LockError when the requirements cannot be met, NetworkError when the index does not answer,
        HostError when there is no uv.
        """
        if not requirements:
            return ()
        with tempfile.TemporaryDirectory(prefix="builder-uv-") as folder:
            asked, answer = Path(folder, "requirements.in"), Path(folder, "pylock.toml")
            asked.write_text("\n".join(requirements) + "\n", encoding="utf-8")
            if keep:
                answer.write_text(written_preferences(keep), encoding="utf-8")
            if without:  # older versions of uv have no `--excludes`
                Path(folder, _OVERRIDES).write_text("".join(f'{name}; python_version < "0"\n' for name in without))
            self._compile(asked, answer, target=target, where=where)
            text = answer.read_text(encoding="utf-8")
            return read_pylock(text, target=target, mirror=self.name, where=where, measure=_size_at)

    def _compile(self, asked: Path, answer: Path, *, target: Target, where: str) -> None:
        argv = [
            *(_uv(), "pip", "compile", "--quiet", "--no-progress", "--color", "never", "--no-header", "--no-annotate"),
            *("--format", "pylock.toml", "--output-file", str(answer)),
            # This interpreter only saves uv's search for the target's (2.8 s against 0.2 s); the answer is the same.
            *("--python", sys.executable, "--only-binary", ":all:", "--python-version", target.python),
            *("--python-platform", f"{target.machine}-manylinux_{target.glibc.replace('.', '_')}"),
            *(("--default-index", self.url) if self.url else ()),
            *(("--override", _OVERRIDES) if asked.with_name(_OVERRIDES).exists() else ()),
            str(asked),
        ]
        # In a folder of its own, so that no pyproject.toml or uv.toml of a project around us has a say.
        done = subprocess.run(argv, cwd=asked.parent, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise self._failure(done.stderr, where)

    def _failure(self, stderr: str, where: str) -> LockError | NetworkError:
        seen = _short(_URL.sub(f"({self.name})", stderr))
        if any(sign in stderr for sign in _UNREACHABLE):
            return NetworkError(
                f"the package index {self.name} does not answer",
                where=where,
                seen=seen,
                remedy="see `builder mirrors probe`; `builder doctor` tells why TLS fails here",
            )
        remedy = "change the packages so that they agree: each needs a wheel for this Python and glibc"
        return LockError("no set of packages meets the recipe", where=where, seen=seen, remedy=remedy)


def _size_at(url: str) -> int | None:
    """The bytes of the file at a URL, by a GET that ends after the headers: answers to HEAD are often wrong."""
    from builder.adapters.http.client import Http  # noqa: PLC0415 - few indexes need it

    transport = Http()
    try:
        answer = transport.open(url)
        answer.close()
        return answer.size
    except Unavailable:
        return None
    finally:
        transport.close()


def _short(text: str) -> str:
    """uv's explanation on one line: its causes and hints, without the labels, at most 600 characters."""
    lines = (re.sub(r"^\s*(?:error|cause|hint|warning):\s*", "", line).strip() for line in text.splitlines())
    said = dict.fromkeys(line for line in lines if line and not line.startswith("No solution found"))
    joined = "; ".join(line.rstrip(".") for line in said)
    return joined if len(joined) <= 600 else joined[:599] + "…"


def _uv() -> str:
    """uv's path: beside this Python first, for `builder` depends on it."""
    import shutil  # noqa: PLC0415 - small, but nothing else here needs it

    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise HostError("uv is missing", remedy="run `pip install uv`, or install builder again: it depends on uv")
    return found


def _environment() -> dict[str, str]:
    """The host's environment, with uv trusting what the host trusts and downloading no Python.

    uv reads neither REQUESTS_CA_BUNDLE nor PIP_CERT (FACTS 1), and without SSL_CERT_FILE only its own roots:
    behind a proxy that re-signs TLS it would fail where pip works.
    """
    env = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    if "SSL_CERT_FILE" not in env:
        named = next((env[k] for k in ("REQUESTS_CA_BUNDLE", "PIP_CERT", "CURL_CA_BUNDLE") if env.get(k)), None)
        if named and Path(named).is_file():
            env["SSL_CERT_FILE"] = named
        else:
            env.setdefault("UV_SYSTEM_CERTS", "true")
    return env
