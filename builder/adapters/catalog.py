"""Reads the base catalogue that is part of the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from ruamel.yaml import YAML

from builder.models.catalog import Catalog


@cache
def load_catalog() -> Catalog:
    """The bases of `builder/data/bases.yaml`."""
    text = files("builder.data").joinpath("bases.yaml").read_text(encoding="utf-8")
    # By way of JSON: strict models take its lists as tuples and its texts as dates.
    return Catalog.model_validate_json(json.dumps(YAML(typ="safe", pure=True).load(text), default=str))
