"""One child process without verification: the only way of switching it off that leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
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


def unverified_environment(environment: Mapping[str, str], hosts: Sequence[str]) -> dict[str, str]:
    """The variables of the child."""
    kept = {name: value for name, value in environment.items() if name not in UNSET}
    named = dict.fromkeys(NEEDS_HOSTS, " ".join(hosts)) if hosts else {}
    return {**kept, **OFF, **named}


def run_unverified(command: Sequence[str], hosts: Sequence[str]) -> int:
    """Runs the command with verification off; gives its exit code, as a shell would. Raises HostError."""
    try:
        child = subprocess.Popen(list(command), env=unverified_environment(os.environ, hosts))
    except OSError as error:
        raise HostError("the command cannot be started", where=command[0], seen=str(error)) from error
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
