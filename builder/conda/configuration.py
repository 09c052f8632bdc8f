"""What is baked beside conda: its `.condarc`, the failover plugin with its mirrors, and pip's configuration. Pure."""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from builder.conda.condarc import condarc
from builder.conda.pip_conf import pip_conf
from builder.conda.places import ROOT
from builder.mirrors.catalogue import PYPI, UPSTREAM
from builder.models.plan import File

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.models.lock import Lock
    from builder.models.recipe import Recipe

MIRRORS: Final = f"{ROOT}/etc/builder/mirrors.json"
"""What the plugin reads; its own folder is found by `sys.prefix`."""

PLUGIN: Final = "builder_failover"
MODULES: Final = ("__init__.py", "adapter.py", "hook.py", "index.py")
PLUGIN_VERSION: Final = "1.0"


def configuration(recipe: Recipe, lock: Lock, roots: Mapping[str, tuple[str, ...]]) -> tuple[File, ...]:
    """The files, sorted by path.

    roots: of each source in order of preference: of a channel by its name (`conda-forge`) the folders that hold its
    subdirs, of `pypi` the simple indexes; a source that is left out is asked where the client itself would.
    Raises RecipeError for what may not be written into an image: plain http, a password, pkgs/free.
    """
    indexes = roots.get(PYPI, ())
    own = UPSTREAM in recipe.pip.mirrors
    written = [File(path="/etc/pip.conf", content=pip_conf(indexes, own=own))] if indexes or lock.conda else []
    if lock.conda:
        channels = {name: roots[name] for name in lock.conda.channels if roots.get(name)}
        written.append(File(path=f"{ROOT}/.condarc", content=condarc(recipe, lock.conda.channels, roots)))
        written.append(File(path=MIRRORS, content=json.dumps({"channels": channels}, indent=2) + "\n"))
        written += plugin_files(f"{ROOT}/lib/python{lock.conda.installer_python}/site-packages")
    return tuple(sorted(written, key=lambda file: file.path))


def plugin_files(site: str) -> list[File]:
    """The plugin as an installed distribution, so that conda finds its entry point and pip can name it."""
    source = files("builder.conda.plugin")
    info = f"{PLUGIN}-{PLUGIN_VERSION}.dist-info"
    contents = {
        **{f"{PLUGIN}/{name}": source.joinpath(name).read_text(encoding="utf-8") for name in MODULES},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: builder-failover\nVersion: {PLUGIN_VERSION}\n"
        "Summary: conda asks the next mirror where one fails\nRequires-Dist: requests\n",
        f"{info}/INSTALLER": "builder\n",
        f"{info}/entry_points.txt": f"[conda]\nbuilder-failover = {PLUGIN}.hook\n",
    }
    record = "".join(f"{name},{_mark(text)}\n" for name, text in contents.items()) + f"{info}/RECORD,,\n"
    return [File(path=f"{site}/{name}", content=text) for name, text in {**contents, f"{info}/RECORD": record}.items()]


def _mark(text: str) -> str:
    """Hash and size as RECORD has them (PEP 376, PEP 427)."""
    data = text.encode()
    return f"sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b'=').decode()},{len(data)}"
