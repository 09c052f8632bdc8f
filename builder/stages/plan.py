"""Plan: what is in every layer and in which order. Pure.

Order is what a change costs: a layer store without merging makes every layer above a changed one anew, so that the
big and stable ones lie below and the CA bundle lies on top (FACTS 4: 0.5 s against 6.7 s for one changed CA).
"""

from __future__ import annotations

from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from builder.conda.configuration import configuration as written_for
from builder.conda.places import ROOT
from builder.models.lock import ImageBase, RootfsBase
from builder.models.plan import Action, File, ImageConfig, Layer, Plan
from builder.stages.plan_conda import (
    CONDA_LINKS,
    above_python,
    conda_env,
    conda_files,
    conda_ground,
    prefix_of,
)
from builder.stages.plan_model import model_layers, with_model, workshop_layers
from builder.stages.plan_packages import package_layers
from builder.stages.plan_trust import TRUST_VARIABLES, debconf_answers, trust_layer
from builder.trust.layout import BUNDLE
from builder.trust.pins import pins_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from builder.models.catalog import Family
    from builder.models.lock import Lock
    from builder.models.recipe import Recipe

MAX_LAYERS = 100
"""Fewer than the 127 that overlay2 can stack."""

UNPRIVILEGED = "1000:1000"
"""User and group of a deployment image's processes; a number needs no entry in /etc/passwd."""

_NONE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


def plan(
    recipe: Recipe,
    lock: Lock,
    *,
    interpreter: str = "",
    roots: Mapping[str, tuple[str, ...]] = _NONE,
    family: Family = "debian",
) -> Plan:
    """The image that a recipe and its lock describe.

    interpreter: the Python that the environment is made with where it is not conda's, absolute in the image, from the
    base catalogue.
    roots: the mirrors that the image itself is told of: of each channel, by its name, and of `pypi`; in order.
    family: the base's, from the base catalogue: where it keeps what it trusts.
    """
    prefix = prefix_of(recipe.name) if lock.conda else "/opt/env"
    ground = _ground(lock, prefix)
    configuration = _configuration(lock, prefix, written_for(recipe, lock, roots))
    on, lowest = _names(ground), _lowest(lock)
    model = model_layers(recipe, lock, prefix, on=on, lowest=lowest)
    room = MAX_LAYERS - len(ground) - len(model) - len(configuration) - 1  # the trust
    conda = above_python(lock.conda) if lock.conda else ()
    packages = package_layers(lock.pip, conda, on=on, room=room)
    base = lock.base
    return Plan(
        name=recipe.name,
        platform=lock.platform,
        epoch=lock.epoch,
        created=lock.created,
        base=f"{base.reference}@{base.digest}" if isinstance(base, ImageBase) else None,
        prefix=prefix,
        python=f"{prefix}/bin/python" if lock.conda else interpreter,
        uv=lock.uv.artifact,
        conda=ROOT if lock.conda else None,
        linker=lock.conda.linker.artifact if lock.conda else None,
        busybox=lock.busybox_binary,
        workshop=workshop_layers(lock.workshop, on=on, room=MAX_LAYERS - len(ground)) if lock.workshop else (),
        layers=(
            *ground,
            *packages,
            *model,
            *configuration,
            trust_layer(lock, prefix, python=recipe.python, family=family, more=pins_files(recipe.trust.pins)),
        ),
        config=with_model(_config(recipe, lock, prefix), recipe),
    )


def _ground(lock: Lock, prefix: str) -> tuple[Layer, ...]:
    """The root file system, the distribution's packages, and the environment with its Python."""
    layers: list[Layer] = []
    if isinstance(lock.base, RootfsBase):
        title = f"Debian {lock.base.suite}, as mmdebstrap made it"
        layers.append(Layer(name="rootfs", title=title, action=Action.UNPACK, artifacts=(lock.base.rootfs,)))
    if lock.apt:
        layers.append(
            Layer(
                name="apt",
                title="The distribution's packages",
                action=Action.INSTALL_DEBS,
                artifacts=tuple(p.artifact for p in lock.apt),
                inputs=debconf_answers(lock),
                on=_names(layers),
            )
        )
    if lock.conda:
        return (*layers, *conda_ground(lock, lock.conda, prefix, bundle=BUNDLE, on=_names(layers)))
    layers.append(
        Layer(
            name="environment",
            title=f"An empty Python environment at {prefix}",
            action=Action.MAKE_ENVIRONMENT,
            files=(_profile(prefix),),
            on=_names(layers),
        )
    )
    return tuple(layers)


def _names(layers: Iterable[Layer]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)


def _profile(prefix: str) -> File:
    """/etc/profile sets PATH afresh for login shells; the image's own PATH reaches all others."""
    content = f'case ":$PATH:" in *":{prefix}/bin:"*) ;; *) PATH="{prefix}/bin:$PATH" ;; esac\nexport PATH\n'
    return File(path="/etc/profile.d/environment.sh", content=content)


def _configuration(lock: Lock, prefix: str, files: tuple[File, ...]) -> tuple[Layer, ...]:
    """What conda and pip are told: changed in a second, and a reason for no package to be installed again."""
    own = conda_files(lock.conda, prefix, epoch=lock.epoch) if lock.conda else ()
    if not own and not files:
        return ()
    return (
        Layer(
            name="configuration",
            title="How conda and pip are configured" if lock.conda else "How pip is configured",
            action=Action.WRITE_FILES,
            files=(*files, *own),
            links=CONDA_LINKS if lock.conda else (),
            on=_lowest(lock),
        ),
    )


def _lowest(lock: Lock) -> tuple[str, ...]:
    """What a layer of files alone stands on."""
    return ("rootfs",) if isinstance(lock.base, RootfsBase) else ()


def _config(recipe: Recipe, lock: Lock, prefix: str) -> ImageConfig:
    own = f"{prefix}/bin:{ROOT}/condabin" if lock.conda else f"{prefix}/bin"
    path = f"{own}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    conda = conda_env(prefix) if lock.conda else ()
    env = (("PATH", path), ("LANG", "C.UTF-8"), *conda, *((name, BUNDLE) for name in TRUST_VARIABLES))
    user = UNPRIVILEGED if recipe.purpose == "deployment" else None
    return ImageConfig(env=env, labels=_labels(recipe, lock), user=user)


def _labels(recipe: Recipe, lock: Lock) -> tuple[tuple[str, str], ...]:
    base = lock.base
    digest = lock.content_digest()
    of_base = (
        {"name": base.reference, "digest": base.digest}
        if isinstance(base, ImageBase)
        else {"name": f"debian:{base.suite}", "digest": f"sha256:{base.rootfs.sha256}"}
    )
    created = datetime.fromtimestamp(lock.created, tz=timezone.utc)
    labels = {
        "builder.lock": digest,
        "builder.recipe": lock.inputs,
        "org.opencontainers.image.base.digest": of_base["digest"],
        "org.opencontainers.image.base.name": of_base["name"],
        "org.opencontainers.image.created": created.isoformat(),
        "org.opencontainers.image.revision": digest,
        "org.opencontainers.image.title": recipe.name,
    }
    return tuple(sorted(labels.items()))
