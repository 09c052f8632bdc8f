"""What a recipe, its lock and its plan give the checks: one function for each check that is given anything."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from builder.checks.tables import cuda_table

if TYPE_CHECKING:
    from pydantic import JsonValue

    from builder.checks.script import Subject
    from builder.models.recipe import Recipe


def python(subject: Subject) -> dict[str, JsonValue]:
    return {"version": subject.recipe.python, "prefix": subject.plan.prefix}


def imports(subject: Subject) -> dict[str, JsonValue]:
    names: list[JsonValue] = [Requirement(text).name for text in subject.recipe.pip.packages]
    return {"packages": names, "locked": {p.name: p.version for p in subject.lock.pip}}


def imported(recipe: Recipe, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """As the script names them: modules that are asked for, else the recipe's packages."""
    modules = arguments.get("modules")
    names = (
        modules if isinstance(modules, list) and modules else [Requirement(text).name for text in recipe.pip.packages]
    )
    return tuple(re.sub(r"[-_.]+", "_", str(name)).lower() for name in names)


def trust(subject: Subject) -> dict[str, JsonValue]:
    trust, pins = subject.lock.trust, subject.recipe.trust.pins
    given: dict[str, JsonValue] = {"sha256": trust.bundle.sha256, "count": len(trust.certificates)}
    if pins:
        from builder.trust.pins import pins_text  # and with it cryptography

        given["pins"] = pins_text(pins)
    return given


def condarc(subject: Subject) -> dict[str, JsonValue]:
    conda = subject.lock.conda
    return {"channels": list(conda.channels) if conda else []}


def trial() -> dict[str, JsonValue]:
    from builder.trust.trial import trial  # cryptography costs 40 ms, and most runs ask nothing

    return {"trial": dict(trial())}


def cuda(subject: Subject) -> dict[str, JsonValue]:
    asked = subject.recipe.cuda
    table = cuda_table()
    return {
        "runtime": asked.runtime if asked else None,
        "drivers": table.drivers(asked.runtime if asked else ""),
        "capabilities": dict(table.gpus),
        "libraries": {major: list(names) for major, names in table.libraries.items()},
    }


def cudnn(subject: Subject) -> dict[str, JsonValue]:
    asked = subject.recipe.cuda
    return {"version": (asked.cudnn if asked else None) or ">=8"}


def nvidia_smi(subject: Subject) -> dict[str, JsonValue]:
    asked = subject.recipe.cuda
    return {"runtime": asked.runtime, "drivers": cuda_table().drivers(asked.runtime)} if asked else {}


def clock(subject: Subject) -> dict[str, JsonValue]:
    return {"epoch": subject.lock.epoch, "created": subject.lock.created}


def packages(subject: Subject) -> dict[str, JsonValue]:
    lock, base = subject.lock, subject.lock.base
    debs = (*(base.packages if base.kind == "rootfs" else ()), *lock.apt)  # what apt brings may be newer
    layers = subject.plan.layers
    written = [f.path for layer in layers for f in layer.files] + [k.path for layer in layers for k in layer.links]
    return {
        "wheels": {p.name: p.version for p in lock.pip},
        "conda": {p.name: f"{p.version} {p.build}" for p in (lock.conda.packages if lock.conda else ())},
        "debs": {p.name: p.version for p in debs},
        "debs_whole": base.kind == "rootfs",
        "written": [*sorted(written)],
    }


def user(subject: Subject) -> dict[str, JsonValue]:
    return {"purpose": subject.recipe.purpose, "user": subject.plan.config.user}


def created(subject: Subject) -> dict[str, JsonValue]:
    return {"created": subject.lock.created}


def prefix(subject: Subject) -> dict[str, JsonValue]:
    return {"prefix": subject.plan.prefix}


def model(subject: Subject) -> dict[str, JsonValue]:
    recipe, model = subject.recipe, subject.recipe.model
    if model is None:
        return {}
    return {
        "name": recipe.name,
        "version": recipe.version,
        "threads": model.threads,
        "scheme": model.scheme,
        "gates": model.gates.model_dump(),
        "serve": recipe.serve,
    }
