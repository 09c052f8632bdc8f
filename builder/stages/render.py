"""Render: a plan as the files of `images/NAME/`. Pure: the same plan gives the same bytes, every time."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from builder.models.base import sha256_of
from builder.models.build import BASE
from builder.models.lock import RECIPE
from builder.models.plan import Action
from builder.models.rendered import Rendered, RenderedFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment

    from builder.models.lock import Artifact
    from builder.models.plan import File, Layer, Plan

INSIDE = "/.builder"
"""Where a stage finds what it is given; never part of a layer."""

_MAKES_ENVIRONMENT = (Action.MAKE_ENVIRONMENT, Action.LINK_PACKAGES)
"""The first layer that does one of these is the empty environment, or the environment's Python."""

WORKSHOP = "workshop"
"""The stage that a model is made in."""

_NO_DIGEST = 'LABEL builder.rendering=""'
"""Stands in the Dockerfile while the digest that takes its place is computed."""


@dataclass(frozen=True)
class _Copy:
    stage: str
    source: str
    target: str
    chmod: str | None = None


@dataclass(frozen=True)
class _Mount:
    stage: str | None
    """None: the build context."""
    source: str
    target: str


@dataclass(frozen=True)
class _Run:
    mounts: tuple[_Mount, ...]
    argv: tuple[str, ...]


@dataclass(frozen=True)
class _Stage:
    title: str
    parent: str
    name: str | None = None
    copies: tuple[_Copy, ...] = ()
    run: _Run | None = None


def render(plan: Plan) -> Rendered:
    """The Dockerfile, the context that it binds, and the bake file that builds it without `builder`."""
    texts = _texts(plan)
    digest = sha256_of(json.dumps(texts, sort_keys=True))
    texts["Dockerfile"] = texts["Dockerfile"].replace(_NO_DIGEST, f'LABEL builder.rendering="{digest}"')
    files = tuple(RenderedFile(path=path, content=texts[path]) for path in sorted(texts))
    return Rendered(name=plan.name, digest=digest, files=files)


def _texts(plan: Plan) -> dict[str, str]:
    stages = tuple(_stages(plan))
    environment = _jinja()
    return {
        "Dockerfile": environment.get_template("Dockerfile.j2").render(
            plan=plan, artifacts=plan.artifacts(), stages=stages, no_digest=_NO_DIGEST
        ),
        "README.md": environment.get_template("README.md.j2").render(plan=plan, image=image_part(plan.name)),
        "docker-bake.json": _bake(plan),
        **{f"steps/{name}": _step(name) for name in _steps(stages)},
        **{_context_path(layer, file): file.content for layer in plan.every_layer() for file in layer.files},
        **{_input_path(layer, file.path): file.content for layer in plan.every_layer() for file in layer.inputs},
    }


def step_texts(plan: Plan, layer: Layer) -> dict[str, str]:
    """What a layer's stage runs, by name."""
    return {name: _step(name) for name in sorted(_steps((_layer_stage(plan, layer),)))}


def stage_name(artifact: Artifact) -> str:
    """The Dockerfile stage that holds an artifact, and the named context that may replace it."""
    return f"artifact-{artifact.sha256[:12]}"


def _stages(plan: Plan) -> Iterator[_Stage]:
    """Every stage but the artifacts', each after those that it names; the image comes last and has no name."""
    if plan.base:
        yield _Stage("The base, by digest", plan.base, BASE)
    depths = sorted({len(layer.on) for layer in plan.every_layer()} - {0})
    environment = next((layer for layer in plan.layers if layer.action in _MAKES_ENVIRONMENT), None)
    for depth, layer in enumerate(plan.layers, start=1):
        if layer is environment:
            yield from _tool_stages(plan, layer)
        if layer.action is Action.MAKE_MODEL:
            yield from _workshop_stages(plan, layer)
        yield _layer_stage(plan, layer)
        if depth in depths:
            yield _ground_stage(plan, depth, depths)
    yield _stacked(plan, "The image", len(plan.layers), depths)


def _ground_stage(plan: Plan, depth: int, depths: list[int]) -> _Stage:
    top = plan.layers[depth - 1].name
    return _stacked(plan, f"What stands on {top} and what is below it", depth, depths, name=f"on-{top}")


def _workshop_stages(plan: Plan, layer: Layer) -> Iterator[_Stage]:
    """What the layer's stage stands on beside layers of the image. The order is that of an image of the same packages,
    so that an engine that has built one has the copies too."""
    yield from (_layer_stage(plan, tool) for tool in plan.workshop)
    copies = tuple(_Copy(f"layer-{tool.name}", "/out/", "/") for tool in plan.workshop)
    yield _Stage("The workshop: no part of the image", _ground(plan, layer.on), WORKSHOP, copies)


def _stacked(plan: Plan, title: str, depth: int, depths: list[int], *, name: str | None = None) -> _Stage:
    """The lowest `depth` layers, on top of the next lower ground."""
    lower = max((d for d in depths if d < depth), default=0)
    rest = plan.layers[lower:depth]
    copies = tuple(_Copy(f"layer-{layer.name}", "/out/", "/") for layer in rest)
    return _Stage(title, _ground(plan, tuple(layer.name for layer in plan.layers[:lower])), name, copies)


def _ground(plan: Plan, on: tuple[str, ...]) -> str:
    return f"on-{on[-1]}" if on else (BASE if plan.base else "scratch")


def _layer_stage(plan: Plan, layer: Layer) -> _Stage:
    if layer.action is Action.UNPACK:
        return _unpack_stage(plan, layer)
    mounts = (
        _Mount(None, "steps/common", f"{INSIDE}/common"),
        _Mount(None, f"steps/{layer.action.value}", f"{INSIDE}/step"),
        *_files_mount(layer),
        *(_Mount(None, _input_path(layer, file.path), f"{INSIDE}/inputs/{file.path}") for file in layer.inputs),
        *_tool_mounts(layer),
        *map(_artifact_mount, layer.artifacts),
    )
    conda = (f"CONDA={plan.conda}",) if plan.conda else ()
    variables = (f"EPOCH={plan.epoch}", f"PREFIX={plan.prefix}", f"PYTHON={plan.python}", *conda)
    links = tuple(f"{link.path}={link.target}" for link in layer.links)
    argv = ("/usr/bin/env", *variables, "/bin/sh", f"{INSIDE}/step", *links)
    parent = WORKSHOP if layer.action is Action.MAKE_MODEL else _ground(plan, layer.on)
    return _Stage(layer.title, parent, f"layer-{layer.name}", run=_Run(mounts, argv))


def _unpack_stage(plan: Plan, layer: Layer) -> _Stage:
    """Nothing is there yet, so that busybox does it."""
    if plan.busybox is None:
        raise ValueError("a plan that unpacks a root file system names its busybox")
    (archive,) = layer.artifacts
    busybox = f"{INSIDE}/busybox"
    tool = _Copy(stage_name(plan.busybox), f"/{plan.busybox.filename}", busybox, chmod="0755")
    mounts = (_Mount(None, "steps/unpack", f"{INSIDE}/step"), _artifact_mount(archive))
    argv = (busybox, "env", f"EPOCH={plan.epoch}", busybox, "sh", f"{INSIDE}/step")
    return _Stage(layer.title, "scratch", f"layer-{layer.name}", (tool,), _Run(mounts, argv))


def _tool_stages(plan: Plan, environment: Layer) -> Iterator[_Stage]:
    """What fills the environment, each out of its own wheel, by a Python that lies below it: the base needs no pip."""
    python = f"{plan.conda}/bin/python" if plan.conda else plan.python
    ground = _ground(plan, environment.on)
    tools = [("uv", plan.uv, "uv, which installs the wheels")]
    if plan.linker:
        tools.append(("linker", plan.linker, "rattler, which links the conda packages"))
    for name, artifact, title in tools:
        wheel = _Mount(stage_name(artifact), f"/{artifact.filename}", f"{INSIDE}/{name}.whl")
        step = _Mount(None, f"steps/extract-{name}", f"{INSIDE}/step")
        yield _Stage(title, ground, name, run=_Run((step, wheel), (python, f"{INSIDE}/step")))


def _tool_mounts(layer: Layer) -> tuple[_Mount, ...]:
    if layer.action is Action.INSTALL_WHEELS:
        return (_Mount("uv", "/uv", f"{INSIDE}/uv"),)
    if layer.action is Action.LINK_PACKAGES:
        parts = (_Mount(None, f"steps/{name}", f"{INSIDE}/{name}") for name in ("link", "list-compiled"))
        return (*parts, _Mount("linker", "/linker", f"{INSIDE}/linker"))
    if layer.action in (Action.INSTALL_TRUST, Action.INSTALL_TRUST_RHEL):
        return (_Mount(None, "steps/trust", f"{INSIDE}/trust"),)
    return ()


def _artifact_mount(artifact: Artifact) -> _Mount:
    name = artifact.path if artifact.source == RECIPE else artifact.filename  # a package's modules keep their folders
    return _Mount(stage_name(artifact), f"/{artifact.filename}", f"{INSIDE}/in/{name}")


def _files_mount(layer: Layer) -> tuple[_Mount, ...]:
    return (_Mount(None, f"layers/{layer.name}", f"{INSIDE}/files"),) if layer.files else ()


def _context_path(layer: Layer, file: File) -> str:
    """`layers/NAME/MODE/PATH`: a checkout keeps no modes, so that the folder says it."""
    return f"layers/{layer.name}/{file.mode:04o}{file.path}"


def _input_path(layer: Layer, path: str) -> str:
    """Per layer, so that what one stage is told is no reason for another to run again."""
    return f"inputs/{layer.name}/{path}"


def _steps(stages: Iterable[_Stage]) -> set[str]:
    mounts = (mount for stage in stages if stage.run for mount in stage.run.mounts)
    return {mount.source.removeprefix("steps/") for mount in mounts if mount.source.startswith("steps/")}


def image_part(name: str) -> str:
    """A recipe's name as part of an image's, which may hold less: no two separators side by side, none at an end."""
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def _bake(plan: Plan) -> str:
    """One target whose named contexts replace every artifact's stage by its folder in an exported store.

    Paths are relative to the top of the checkout, where bake is run: buildx refuses to read outside the folder it is
    run in since 0.20. Without attestations the image is the same in every image store.
    """
    target = {
        "context": f"images/{plan.name}",
        "args": {"SOURCE_DATE_EPOCH": str(plan.created)},
        "attest": ["type=provenance,disabled=true", "type=sbom,disabled=true"],
        "contexts": {stage_name(a): f"${{STORE}}/{a.store_folder}" for a in plan.artifacts()},
        "platforms": [plan.platform],
        "tags": [f"{image_part(plan.name)}:unchecked"],
    }
    bake = {"variable": {"STORE": {"default": "store"}}, "target": {"default": target}}
    return json.dumps(bake, indent=2) + "\n"


def quoted(text: str) -> str:
    """A Dockerfile word in double quotes in which nothing is special any more.

    Raises ValueError for a line break or a NUL, which no quoting can carry.
    """
    if re.search(r"[\0\r\n]", text):
        raise ValueError(f"a Dockerfile word cannot hold a line break: {text!r}")
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


def exec_form(argv: tuple[str, ...]) -> str:
    """A command in exec form (JSON), which no shell reads."""
    return json.dumps(argv)


@cache
def _step(name: str) -> str:
    return (files("builder.templates") / "steps" / name).read_text(encoding="utf-8")


@cache
def _jinja() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only rendering pays for it

    environment = Environment(
        loader=PackageLoader("builder"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - a Dockerfile is no HTML; `quoted` and `exec_form` escape
        keep_trailing_newline=True,
    )
    environment.filters |= {"quoted": quoted, "exec_form": exec_form, "stage": stage_name}
    return environment
