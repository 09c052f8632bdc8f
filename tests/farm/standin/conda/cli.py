"""The few commands that the stand-in has."""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

from conda import __version__
from conda.base.context import context, search_path
from conda.gateways.connection import download
from conda.plugins.manager import get_plugin_manager, invoke_pre_commands

USAGE = """This is a stand-in for conda, of builder's tests. It has:
  conda --version
  conda info --json
  conda config --show --json
  conda fetch-for-tests URL [SHA256]    gets a file as `conda create` gets a package; prints its size and sha256
"""


def main(argv=None):
    argv = sys.argv[1:] if argv is None else argv
    get_plugin_manager()
    command = next((word for word in argv if not word.startswith("-")), "")
    if argv[:1] in (["--version"], ["-V"]):
        return say("conda %s (stand-in of builder's tests)" % __version__)  # noqa: UP031
    if command == "info":
        return say(json.dumps(info(), indent=2, sort_keys=True))
    if command == "config" and "--show" in argv:
        return say(json.dumps(context.settings, indent=2, sort_keys=True))
    if command == "fetch-for-tests":
        return fetch(*argv[1:])
    sys.stderr.write(USAGE)
    return 0 if argv in ([], ["--help"], ["-h"]) else 2


def info():
    return {
        "channels": context.channels,
        "conda_prefix": sys.prefix,
        "conda_version": __version__,
        "config_files": [str(path) for path in search_path()],
        "default_prefix": sys.prefix,
        "platform": "linux-64",
        "python_version": ".".join(map(str, sys.version_info[:3])) + ".final.0",
        "root_prefix": sys.prefix,
        "stand_in": True,
        "user_agent": context.user_agent,
    }


def fetch(url, sha256=None):
    """Gets one file as `conda create` gets a package, and verifies its hash if one is given."""
    invoke_pre_commands("create")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "file")
        try:
            download.download(url, str(target), sha256=sha256)
        except Exception as error:
            say(json.dumps({"error": type(error).__name__, "message": str(error), "url": url}, sort_keys=True))
            return 1
        content = target.read_bytes()
    facts = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "url": url}
    say(json.dumps(facts, sort_keys=True))
    return 0


def say(text):
    sys.stdout.write(text + "\n")
    return 0
