"""The checks of the gate: what each is for, what it reads and what it may be told.

A check is a script of this folder that runs inside the image, plus its entry in `CHECKS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib.resources import files
from typing import TYPE_CHECKING

from builder.checks import given, judges
from builder.checks.judges import one_of
from builder.checks.script import CheckScript, Subject
from builder.checks.tables import cuda_gpus
from builder.errors import Fault
from builder.models.plan import Action

if TYPE_CHECKING:
    from builder.models.recipe import Recipe

__all__ = ["BOUNDED", "CHECKS", "QUANTIZATION", "SCHEMES", "CheckScript", "Subject", "faults_of", "one_of", "script_of"]

_ALL_BUT_TRUST = frozenset(Action) - {Action.INSTALL_TRUST, Action.INSTALL_TRUST_RHEL}


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


CHECKS: Mapping[str, CheckScript] = {
    "python": CheckScript(
        title="the recipe's Python, found by every kind of shell",
        reads=_ALL_BUT_TRUST,
        arguments={"version": judges.version},
        given=given.python,
        measures=lambda *_: ("python",),
    ),
    "imports": CheckScript(
        title="every module imports, every distribution is the locked one",
        reads=_ALL_BUT_TRUST,
        arguments={"modules": judges.modules},
        given=given.imports,
        measures=given.imported,
    ),
    "trust": CheckScript(
        title="one sound CA bundle, which every client reads: a good server is accepted, a bad one refused",
        reads=frozenset(Action),
        dated=True,
        given=given.trust,
        made=given.trial,
        alters=True,
        parts=("_stores.py", "_clients.py"),
    ),
    "condarc": CheckScript(
        title="every configuration of conda says what the baked one says, and conda has the failover plugin",
        reads=_ALL_BUT_TRUST,
        given=given.condarc,
        needs_conda=True,
    ),
    "cuda": CheckScript(
        title="torch was built for the recipe's CUDA and GPUs, its libraries load, and the driver carries them",
        reads=_ALL_BUT_TRUST,
        arguments={"driver": judges.version, "gpus": judges.gpus(cuda_gpus)},
        given=given.cuda,
        needs_cuda=True,
        measures=lambda *_: ("cuda",),
        parts=("_libraries.py", "_drivers.py"),
    ),
    "cudnn": CheckScript(
        title="cuDNN loads, is whole and is the wanted version",
        reads=_ALL_BUT_TRUST,
        arguments={"version": judges.version},
        given=given.cudnn,
        measures=lambda *_: ("cudnn",),
        parts=("_libraries.py",),
    ),
    "nvidia-smi": CheckScript(
        title="the image computes on a GPU that has the memory and the driver that are asked for",
        reads=_ALL_BUT_TRUST,
        arguments={"driver": judges.version, "memory": judges.size},
        given=given.nvidia_smi,
        needs_gpu=True,
        parts=("_libraries.py", "_drivers.py", "_compute.py"),
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
        dated=True,
        given=given.clock,
        sees_all=True,
        parts=("_tree.py",),
    ),
    "user": CheckScript(
        title="who runs is who the purpose says, and no file gives more rights than it has to",
        reads=_ALL_BUT_TRUST,
        arguments={"home": judges.either("writable"), "allow": judges.paths},
        given=given.user,
        parts=("_tree.py",),
    ),
    "packages": CheckScript(
        title="the packages are the lock's and no others, and their files are as the packages' own records say",
        reads=_ALL_BUT_TRUST,
        arguments={"seconds": judges.number, "allow": judges.reasons},
        given=given.packages,
        sees_all=True,
        parts=("_tree.py", "_owners.py"),
    ),
    "secrets": CheckScript(
        title="no key, token, cache, log or history is left behind",
        reads=_ALL_BUT_TRUST,
        arguments={"allow": judges.reasons},
        given=given.prefix,
        sees_all=True,
        parts=("_tree.py", "_owners.py", "_secrets.py"),
    ),
    "reproducible": CheckScript(
        title="no machine's identity, hour of installing, dated byte code or path of the build's place is in the image",
        reads=_ALL_BUT_TRUST,
        arguments={"allow": judges.reasons},
        given=given.created,
        sees_all=True,
        parts=("_tree.py", "_owners.py"),
    ),
    "model": CheckScript(
        title="the model is the one that was made, answers as it did there, and is as good as the recipe wants",
        reads=_ALL_BUT_TRUST,
        arguments={"max_start_seconds": judges.number},
        given=given.model,
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
