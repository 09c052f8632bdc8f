"""The checks of the gate: what each is for, what it reads and what it may be told.

A check is a script of this folder that runs inside the image, plus its entry in `CHECKS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

from builder.checks import judges
from builder.checks.judges import Judge, one_of
from builder.checks.tables import cuda_gpus, cuda_table
from builder.errors import Fault
from builder.models.plan import Action

if TYPE_CHECKING:
    from pydantic import JsonValue

    from builder.models.lock import Lock
    from builder.models.plan import Plan
    from builder.models.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What a check's arguments are drawn from besides the recipe's `with`."""

    recipe: Recipe
    plan: Plan
    lock: Lock


_LOWEST = frozenset(
    {
        Action.UNPACK,
        Action.INSTALL_DEBS,
        Action.MAKE_ENVIRONMENT,
        Action.INSTALL_CONDA,
        Action.LINK_PACKAGES,
        Action.WRITE_FILES,
    }
)
_ALL_BUT_TRUST = frozenset(Action) - {Action.INSTALL_TRUST, Action.INSTALL_TRUST_RHEL}


@dataclass(frozen=True, kw_only=True)
class CheckScript:
    """One check. Its script is this folder's file of that name, with `_` for `-`."""

    title: str
    reads: frozenset[Action]
    """The kinds of layers that its outcome depends on; a registry base's layers always count."""
    arguments: Mapping[str, Judge] = field(default_factory=dict)
    """What a recipe may give it."""
    given: Callable[[Subject], dict[str, JsonValue]] = lambda _: {}
    """What the plan, the lock and the tables give it; the recipe's own arguments come on top."""
    needs_gpu: bool = False
    needs_cuda: bool = False
    """The recipe has to say which CUDA it wants."""
    needs_conda: bool = False
    """The recipe has to have conda."""
    needs_model: bool = False
    """The recipe has to have a model."""
    made: Callable[[], dict[str, JsonValue]] = dict
    """What is made anew each time that it is asked, and so decides nothing about carrying its result over."""
    together: Judge = lambda _: None
    """What is wrong with all that a recipe gives it, when each is right by itself."""
    needs: tuple[str, ...] = ()
    """The arguments that a recipe has to give."""
    alters: bool = False
    """It changes files of its container, as root; only such a check has a root that can be written."""
    sees_all: bool = False
    """It looks at files of everybody, the image's own /tmp among them; it runs as root, and can write nowhere."""
    parts: tuple[str, ...] = ()
    """Further files of this folder that run before the script."""
    measures: Callable[[Recipe, Mapping[str, Any]], tuple[str, ...]] = lambda *_: ()
    """What a PASS has in its evidence's `measured`, by recipe and arguments; a tag may say it (see `measures.py`)."""


def _python(subject: Subject) -> dict[str, JsonValue]:
    return {"version": subject.recipe.python, "prefix": subject.plan.prefix}


def _imports(subject: Subject) -> dict[str, JsonValue]:
    names: list[JsonValue] = [Requirement(text).name for text in subject.recipe.pip.packages]
    return {"packages": names, "locked": {p.name: p.version for p in subject.lock.pip}}


def _imported(recipe: Recipe, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """As the script names them: modules that are asked for, else the recipe's packages."""
    modules = arguments.get("modules")
    names = (
        modules if isinstance(modules, list) and modules else [Requirement(text).name for text in recipe.pip.packages]
    )
    return tuple(re.sub(r"[-_.]+", "_", str(name)).lower() for name in names)


def _trust(subject: Subject) -> dict[str, JsonValue]:
    trust, pins = subject.lock.trust, subject.recipe.trust.pins
    given: dict[str, JsonValue] = {"sha256": trust.bundle.sha256, "count": len(trust.certificates)}
    if pins:
        from builder.trust.pins import pins_text  # and with it cryptography

        given["pins"] = pins_text(pins)
    return given


def _condarc(subject: Subject) -> dict[str, JsonValue]:
    conda = subject.lock.conda
    return {"channels": list(conda.channels) if conda else []}


def _trial() -> dict[str, JsonValue]:
    from builder.trust.trial import trial  # cryptography costs 40 ms, and most runs ask nothing

    return {"trial": dict(trial())}


def _cuda(subject: Subject) -> dict[str, JsonValue]:
    asked = subject.recipe.cuda
    table = cuda_table()
    return {
        "runtime": asked.runtime if asked else None,
        "drivers": table.drivers(asked.runtime if asked else ""),
        "capabilities": dict(table.gpus),
        "libraries": {major: list(names) for major, names in table.libraries.items()},
    }


def _cudnn(subject: Subject) -> dict[str, JsonValue]:
    asked = subject.recipe.cuda
    return {"version": (asked.cudnn if asked else None) or ">=8"}


def _nvidia_smi(subject: Subject) -> dict[str, JsonValue]:
    asked = subject.recipe.cuda
    return {"runtime": asked.runtime, "drivers": cuda_table().drivers(asked.runtime)} if asked else {}


def _clock(subject: Subject) -> dict[str, JsonValue]:
    return {"epoch": subject.lock.epoch, "created": subject.lock.created}


def _packages(subject: Subject) -> dict[str, JsonValue]:
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


def _user(subject: Subject) -> dict[str, JsonValue]:
    return {"purpose": subject.recipe.purpose, "user": subject.plan.config.user}


SCHEMES = (
    "static int8",
    "static int8 narrow",
    "dynamic int8",
    "static int8 per tensor",
    "static int8 percentile",
    "static int8 entropy",
    "dynamic uint8",
    "static int7",
    "dynamic int7",
)
"""The configurations of `_quantization.py`, which cannot be imported here: it needs onnx. A test compares them."""

BOUNDED = (
    "sensitivity_db",
    "sqnr_db",
    "centred_sqnr_db",
    "min_cosine",
    "agreement",
    "accuracy_drop",
    "int8_weights",
    "int8_kernels",
    "size_ratio",
    "latency_ratio",
)
"""What `_int8_quality.py` has bounds of."""

QUANTIZATION = ("_onnx_runtime.py", "_int8_quality.py", "_quantization.py")
"""The parts that make, measure and choose int8 models, in the order in which they run after the prelude."""


def _created(subject: Subject) -> dict[str, JsonValue]:
    return {"created": subject.lock.created}


def _prefix(subject: Subject) -> dict[str, JsonValue]:
    return {"prefix": subject.plan.prefix}


def _model(subject: Subject) -> dict[str, JsonValue]:
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


CHECKS: Mapping[str, CheckScript] = {
    "python": CheckScript(
        title="the recipe's Python, found by every kind of shell",
        reads=_LOWEST,
        arguments={"version": judges.version},
        given=_python,
        measures=lambda *_: ("python",),
    ),
    "imports": CheckScript(
        title="every module imports, every distribution is the locked one",
        reads=_ALL_BUT_TRUST,
        arguments={"modules": judges.modules},
        given=_imports,
        measures=_imported,
    ),
    "trust": CheckScript(
        title="one sound CA bundle, which every client reads: a good server is accepted, a bad one refused",
        reads=frozenset(Action),
        given=_trust,
        made=_trial,
        alters=True,
        parts=("_stores.py", "_clients.py"),
    ),
    "condarc": CheckScript(
        title="every configuration of conda says what the baked one says, and conda has the failover plugin",
        reads=_ALL_BUT_TRUST,
        given=_condarc,
        needs_conda=True,
    ),
    "cuda": CheckScript(
        title="torch was built for the recipe's CUDA and GPUs, its libraries load, and the driver carries them",
        reads=_ALL_BUT_TRUST,
        arguments={"driver": judges.version, "gpus": judges.gpus(cuda_gpus)},
        given=_cuda,
        needs_cuda=True,
        measures=lambda *_: ("cuda",),
        parts=("_libraries.py", "_drivers.py"),
    ),
    "cudnn": CheckScript(
        title="cuDNN loads, is whole and is the wanted version",
        reads=_ALL_BUT_TRUST,
        arguments={"version": judges.version},
        given=_cudnn,
        measures=lambda *_: ("cudnn",),
        parts=("_libraries.py",),
    ),
    "nvidia-smi": CheckScript(
        title="a GPU computes, has the memory that is asked for, and its driver carries the image's CUDA",
        reads=_ALL_BUT_TRUST,
        arguments={"driver": judges.version, "memory": judges.size},
        given=_nvidia_smi,
        needs_gpu=True,
        parts=("_libraries.py", "_drivers.py"),
    ),
    "onnx-export": CheckScript(
        title="models survive export and int8 quantization: right, small and fast",
        reads=_ALL_BUT_TRUST,
        arguments={
            "models": one_of("cnn", "mlp", "lstm", "transformer"),
            "model": judges.function,
            "calibration": judges.function,
            "inputs": judges.names,
            "outputs": judges.names,
            "exporters": one_of("torchscript", "dynamo"),
            "schemes": one_of(*SCHEMES),
            "min_sqnr_db": judges.number,
            "bounds": judges.numbers(*BOUNDED),
        },
        together=judges.with_calibration,
        parts=(*QUANTIZATION, "_onnx_models.py", "_onnx_subject.py"),
    ),
    "clock": CheckScript(
        title="the clock and the time zone are right, and no file is newer than the lock's epoch",
        reads=_ALL_BUT_TRUST,
        given=_clock,
        sees_all=True,
        parts=("_tree.py",),
    ),
    "user": CheckScript(
        title="who runs is who the purpose says, and no file gives more rights than it has to",
        reads=_ALL_BUT_TRUST,
        arguments={"home": judges.either("writable"), "allow": judges.paths},
        given=_user,
        parts=("_tree.py",),
    ),
    "packages": CheckScript(
        title="the packages are the lock's and no others, and their files are as the packages' own records say",
        reads=_ALL_BUT_TRUST,
        given=_packages,
        sees_all=True,
        parts=("_tree.py", "_owners.py"),
    ),
    "secrets": CheckScript(
        title="no key, token, cache, log or history is left behind",
        reads=_ALL_BUT_TRUST,
        arguments={"allow": judges.reasons},
        given=_prefix,
        sees_all=True,
        parts=("_tree.py", "_owners.py", "_secrets.py"),
    ),
    "reproducible": CheckScript(
        title="no machine's identity, hour of installing, dated byte code or path of the build's place is in the image",
        reads=_ALL_BUT_TRUST,
        arguments={"allow": judges.reasons},
        given=_created,
        sees_all=True,
        parts=("_tree.py", "_owners.py"),
    ),
    "model": CheckScript(
        title="the model is the one that was made, answers as it did there, and is as good as the recipe wants",
        reads=_ALL_BUT_TRUST,
        arguments={"max_start_seconds": judges.number},
        given=_model,
        needs_model=True,
        parts=("_onnx_file.py",),
    ),
    "command": CheckScript(
        title="a program of the recipe's own ends as the recipe says",
        reads=_ALL_BUT_TRUST,
        arguments={
            "run": judges.command,
            "exit_code": judges.exit_code,
            "stdout": judges.pattern,
            "stderr": judges.pattern,
        },
        needs=("run",),
    ),
}
"""Every check by the name that recipes call it."""


def script_of(name: str) -> str:
    """The text that runs in the image: the prelude, the check's further parts and its own file."""
    folder = files("builder.checks")
    parts = ("_prelude.py", *CHECKS[name].parts, f"{name.replace('-', '_')}.py")
    return "\n".join(folder.joinpath(part).read_text(encoding="utf-8") for part in parts)


def faults_of(recipe: Recipe) -> tuple[Fault, ...]:
    """What is wrong with the checks that a recipe asks for: unknown names, unknown or unfit arguments."""
    found: list[Fault] = []
    for number, asked in enumerate(recipe.checks):
        where = f"checks[{number}]"
        if asked.check not in CHECKS:
            found.append(_unknown("check", asked.check, tuple(CHECKS), where))
            continue
        for lack, remedy in _lacks(CHECKS[asked.check], recipe):
            found.append(Fault(what=f"{asked.check}: {lack}", where=where, remedy=remedy))
        for name in sorted(set(CHECKS[asked.check].needs) - set(asked.with_)):
            remedy = f"give it, as in `{asked.check}: {{{name}: ...}}`"
            found.append(Fault(what=f"{asked.check}: {name} is missing", where=where, remedy=remedy))
        known = CHECKS[asked.check].arguments
        for name, value in asked.with_.items():
            if name not in known:
                found.append(_unknown(f"argument of {asked.check}", name, tuple(known), where))
            elif wrong := known[name](value):
                found.append(Fault(what=f"{asked.check}: {name} {wrong}", where=where, seen=repr(value)))
        if wrong := CHECKS[asked.check].together(asked.with_):
            found.append(Fault(what=f"{asked.check}: {wrong}", where=where))
    return tuple(found)


def _lacks(check: CheckScript, recipe: Recipe) -> Iterator[tuple[str, str]]:
    """What the recipe lacks for a check, and what to do."""
    if check.needs_cuda and recipe.cuda is None:
        yield "the recipe does not say which CUDA", 'write `cuda: {runtime: "12.8"}` into the recipe'
    if check.needs_conda and recipe.conda is None:
        yield "the recipe has no conda", "take the check out, or write `conda: {}` into the recipe"
    if check.needs_model and recipe.model is None:
        yield "the recipe has no model", "take the check out, or write `model: {...}` into the recipe"


def _unknown(kind: str, name: str, known: tuple[str, ...], where: str) -> Fault:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    remedy = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none, it takes no arguments'}"
    return Fault(what=f"there is no {kind} named {name}", where=where, remedy=remedy)
