"""One child process without verification: the only way of switching it off that leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from builder.errors import HostError

OFF: Final = {
    "CONDA_SSL_VERIFY": "false",
    "MAMBA_SSL_VERIFY": "<false>",
    "GIT_SSL_NO_VERIFY": "1",
    "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    "NPM_CONFIG_STRICT_SSL": "false",
    "YARN_ENABLE_STRICT_SSL": "false",
    "PYTHONHTTPSVERIFY": "0",
}
"""What each client reads as off."""

UNSET: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""They beat conda's `false`: with one of them set, it verifies after all."""

NEEDS_HOSTS: Final = ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST")
"""pip and uv switch it off for named hosts alone."""


CACHES: Final = {
    "XDG_CACHE_HOME": "",
    "npm_config_cache": "npm",
    "YARN_CACHE_FOLDER": "yarn",
    "COREPACK_HOME": "corepack",
    "CONDA_PKGS_DIRS": "conda",
    "PIP_CACHE_DIR": "pip",
    "UV_CACHE_DIR": "uv",
}
"""Folders of the child's own: npm gives what it once fetched without verification to whoever asks later, verifying."""


def unverified_environment(environment: Mapping[str, str], hosts: Sequence[str], caches: str) -> dict[str, str]:
    """The variables of the child, which caches below that folder."""
    ours = {name.lower() for name in CACHES}  # npm reads NPM_CONFIG_CACHE as well
    kept = {name: value for name, value in environment.items() if name not in UNSET and name.lower() not in ours}
    named = dict.fromkeys(NEEDS_HOSTS, " ".join(hosts)) if hosts else {}
    return {**kept, **OFF, **named, **{name: str(Path(caches, folder)) for name, folder in CACHES.items()}}


def run_unverified(command: Sequence[str], hosts: Sequence[str]) -> int:
    """Runs the command with verification off; gives its exit code, as a shell would. Raises HostError."""
    with tempfile.TemporaryDirectory(prefix="builder-once-", ignore_cleanup_errors=True) as caches:
        try:
            child = subprocess.Popen(list(command), env=unverified_environment(os.environ, hosts, caches))
        except OSError as error:
            raise HostError("the command cannot be started", where=command[0], seen=str(error)) from error
        return _exit_code(child)


def _exit_code(child: subprocess.Popen[bytes]) -> int:
    while True:
        try:
            code = child.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:  # the terminal tells the child as well: its end is what counts
            continue
        except BaseException:
            child.terminate()
            child.wait()
            raise
