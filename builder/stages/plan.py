"""Plan: what is in every layer and in which order. Pure.

Order is what a change costs: a layer store without merging makes every layer above a changed one anew, so that the
big and stable ones lie below and the CA bundle lies on top (FACTS 4: 0.5 s against 6.7 s for one changed CA).
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from builder.conda.configuration import configuration as written_for
from builder.models.lock import CondaPackage, ImageBase, RootfsBase
from builder.models.plan import Action, File, ImageConfig, Layer, Link, Plan
from builder.stages.plan_conda import (
    CONDA_LINKS,
    ROOT,
    above_python,
    certificate_copies,
    conda_env,
    conda_files,
    conda_ground,
    package_layer,
    prefix_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from builder.models.lock import Lock, Package
    from builder.models.recipe import Recipe

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
"""The one CA bundle, at the path that Debian's own clients read."""

OPENSSL_DEFAULT = "/usr/lib/ssl/cert.pem"
"""Where Debian's OpenSSL looks when nothing tells it otherwise."""

LARGE = 60_000_000
"""Bytes from which an artifact has a layer of its own, so that a family of images shares it."""

MEDIUM = 5_000_000
"""Bytes from which a wheel is not among the small ones, which are those that change most often: the quickstart's
small ones weigh 10 MB together, and a changed one makes only those anew."""

MAX_LAYERS = 100
"""Fewer than the 127 that overlay2 can stack."""

UNPRIVILEGED = "1000:1000"
"""User and group of a deployment image's processes; a number needs no entry in /etc/passwd."""

TRUST_VARIABLES = (
    "SSL_CERT_FILE",  # OpenSSL, Python's ssl, uv; SSL_CERT_DIR stays unset: curl 7.88 would then ignore this one
    "REQUESTS_CA_BUNDLE",  # requests, conda, pip
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "AWS_CA_BUNDLE",
)
"""One bundle for every client: FACTS 1."""

_NONE: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({})


def plan(recipe: Recipe, lock: Lock, *, interpreter: str = "", roots: Mapping[str, tuple[str, ...]] = _NONE) -> Plan:
    """The image that a recipe and its lock describe.

    interpreter: the Python that the environment is made with where it is not conda's, absolute in the image, from the
    base catalogue.
    roots: the mirrors that the image itself is told of: of each channel, by its name, and of `pypi`; in order.
    """
    prefix = prefix_of(recipe.name) if lock.conda else "/opt/env"
    ground = _ground(lock, prefix)
    configuration = _configuration(lock, prefix, written_for(recipe, lock, roots))
    above = 3 + bool(lock.conda)  # medium and small wheels, the trust, and the rest of conda's packages
    room = MAX_LAYERS - len(ground) - len(configuration) - above
    packages = _packages(lock, on=tuple(layer.name for layer in ground), room=room)
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
        layers=(*ground, *packages, *configuration, _trust(recipe, lock, prefix)),
        config=_config(recipe, lock, prefix),
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


def _names(layers: list[Layer]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)


def _profile(prefix: str) -> File:
    """/etc/profile sets PATH afresh for login shells; the image's own PATH reaches all others."""
    content = f'case ":$PATH:" in *":{prefix}/bin:"*) ;; *) PATH="{prefix}/bin:$PATH" ;; esac\nexport PATH\n'
    return File(path="/etc/profile.d/environment.sh", content=content)


def _packages(lock: Lock, *, on: tuple[str, ...], room: int) -> tuple[Layer, ...]:
    """Each large package by itself, then the rest of conda's together, then the medium wheels, then the small ones.

    Of the large ones the largest lies highest: an engine copies layers in order, and those that are ready first do not
    wait for it. It is torch, which also changes more often than the libraries that it is made for.

    They stand on Python and nothing else, so that none is a reason to make another again: a large conda package's
    post-link script finds there what Python needs, and the rest's also finds the rest.

    on: what they all stand on; room: for how many layers of large ones.
    """
    conda = above_python(lock.conda) if lock.conda else ()
    every: tuple[Package | CondaPackage, ...] = (*conda, *lock.pip)
    by_size = sorted(every, key=lambda p: (-p.artifact.size, p.name))
    large = [p for p in by_size if p.artifact.size >= LARGE][:room]
    wheels = sorted((p for p in lock.pip if p not in large), key=lambda p: p.name)
    medium = [p for p in wheels if p.artifact.size >= MEDIUM]
    small = [p for p in wheels if p.artifact.size < MEDIUM]
    rest = [p for p in conda if p not in large]
    return (
        *(_large(package, on) for package in reversed(large)),
        *((package_layer("conda-packages", "The other conda packages", rest, on=on),) if rest else ()),
        *((_wheel_layer("wheels-medium", "The medium wheels", medium, on),) if medium else ()),
        *((_wheel_layer("wheels-small", "The small wheels", small, on),) if small else ()),
    )


def _large(package: Package | CondaPackage, on: tuple[str, ...]) -> Layer:
    title, slug = f"{package.name} {package.version}", re.sub("[^a-z0-9]+", "-", package.name.lower()).strip("-")
    if isinstance(package, CondaPackage):
        return package_layer(f"conda-package-{slug}", title, [package], on=on)
    return _wheel_layer(f"wheel-{slug}", title, [package], on)


def _wheel_layer(name: str, title: str, packages: list[Package], on: tuple[str, ...]) -> Layer:
    artifacts = tuple(p.artifact for p in packages)
    return Layer(name=name, title=title, action=Action.INSTALL_WHEELS, artifacts=artifacts, on=on)


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


def _trust(recipe: Recipe, lock: Lock, prefix: str) -> Layer:
    """On top: refreshing it costs kilobytes."""
    packages = f"{prefix}/lib/python{recipe.python}/site-packages"
    copies = {"certifi": f"{packages}/certifi/cacert.pem", "pip": f"{packages}/pip/_vendor/certifi/cacert.pem"}
    own = [copies[package.name] for package in lock.pip if package.name in copies]
    if lock.conda:
        own = list(dict.fromkeys((*own, *certificate_copies(lock.conda, prefix, packages))))
    return Layer(
        name="trust",
        title=f"The CA bundle: {len(lock.trust.certificates)} trust anchors",
        action=Action.INSTALL_TRUST,
        artifacts=(lock.trust.bundle,),
        files=(
            File(path="/etc/apt/apt.conf.d/99builder-trust", content=f'Acquire::https::CAInfo "{BUNDLE}";\n'),
            File(path="/etc/wgetrc", content=f"# One CA bundle for every client.\nca_certificate = {BUNDLE}\n"),
        ),
        links=tuple(Link(path=path, target=BUNDLE) for path in (OPENSSL_DEFAULT, *own)),
        on=_lowest(lock),
    )


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
