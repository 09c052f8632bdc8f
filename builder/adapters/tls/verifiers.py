"""Verifications in other processes, which can be ended: `x509.verification`, and OpenSSL at another time."""

from __future__ import annotations

import base64
import json
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import builder.trust.library
from builder.trust.certs import Cert
from builder.trust.names import address
from builder.trust.reached import Verdict

_PATIENCE: Final = 1.8
_RUN: Final = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; runpy.run_path(sys.argv[1], {}, '__main__')"
)
"""Nothing is imported from the folder that the user happens to be in."""


def library_verdict(chain: Sequence[Cert], anchors: Sequence[bytes], *, name: str, at: datetime) -> Verdict:
    """What `x509.verification` says, within 1.8 s."""
    question = {"chain": _texts([c.der for c in chain]), "anchors": _texts(anchors), "name": name, "at": at.isoformat()}
    argv = [sys.executable, "-c", _RUN, str(builder.trust.library.__file__)]
    try:
        done = subprocess.run(
            argv, input=json.dumps(question), capture_output=True, text=True, timeout=_PATIENCE, check=True
        )
        found = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return Verdict(ok=False, text=f"no answer within {_PATIENCE} s")
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return Verdict(ok=False, text=f"could not be asked: {type(error).__name__}")
    return Verdict(ok=bool(found["ok"]), text=str(found["text"]))


def verdict_at(chain: Sequence[Cert], anchors: Sequence[bytes], *, name: str, at: datetime) -> Verdict:
    """The same chain at another time: by the `openssl` command where there is one, else by the library."""
    program = shutil.which("openssl")
    if not program:
        return library_verdict(chain, anchors, name=name, at=at)
    asked = "-verify_ip" if address(name) else "-verify_hostname"
    with tempfile.TemporaryDirectory(prefix="builder-") as folder:
        files = [Path(folder, n) for n in ("leaf.pem", "sent.pem", "anchors.pem")]
        sent = [c.der for c in chain]
        for path, ders in zip(files, (sent[:1], sent[1:] or sent[:1], anchors), strict=True):
            path.write_text("".join(map(ssl.DER_cert_to_PEM_cert, ders)))
        leaf, middle, roots = map(str, files)
        argv = [program, "verify", "-no-CAfile", "-no-CApath", "-no-CAstore", "-CAfile", roots, "-untrusted", middle]
        argv += ["-attime", str(int(at.timestamp())), "-purpose", "sslserver", "-auth_level", "2", asked, name, leaf]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return Verdict(ok=False, text="openssl verify gave no answer")
    lines = [line for line in done.stderr.splitlines() if line.startswith("error ")]
    return Verdict(ok=done.returncode == 0, text=lines[0] if lines else "")


def _texts(ders: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(der).decode() for der in ders]
