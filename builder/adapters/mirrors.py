"""Reads the mirrors that are part of the package, and those of the site."""

from __future__ import annotations

import json
import os
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from builder.adapters.clients import HostClients
from builder.errors import Fault, RecipeError
from builder.mirrors.catalogue import Catalogue, Mirror, Mirrors


def load_mirrors() -> Mirrors:
    """The mirrors of `builder/data/mirrors.yaml` and of the YAML file that `BUILDER_MIRRORS` names, the site's first.

    Raises RecipeError when the site's file cannot be used.
    """
    ours = _parse(files("builder.data").joinpath("mirrors.yaml").read_text(encoding="utf-8"), "mirrors.yaml")
    named = os.environ.get("BUILDER_MIRRORS")
    site = _parse(_read(Path(named).expanduser()), named) if named else {}
    return Mirrors({**site, **{n: m for n, m in ours.items() if n not in site}}, clients=HostClients())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            "the file that BUILDER_MIRRORS names cannot be read",
            where=str(path),
            seen=str(error),
            remedy="unset BUILDER_MIRRORS, or name a readable YAML file",
        ) from None


def _parse(text: str, where: str) -> dict[str, Mirror]:
    try:
        data = YAML(typ="safe", pure=True).load(text) or {}
        return Catalogue.model_validate_json(json.dumps(data)).root
    except ValidationError as error:
        faults = tuple(
            Fault(what=d["msg"], where=f"{where}: {'.'.join(map(str, d['loc']))}", seen=repr(d["input"])[:80])
            for d in error.errors(include_url=False)
        )
        raise RecipeError("the list of mirrors cannot be used", where=where, faults=faults) from None
    except (YAMLError, TypeError) as error:
        raise RecipeError("the list of mirrors is not YAML", where=where, seen=str(error)) from None
