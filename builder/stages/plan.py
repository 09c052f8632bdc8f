"""Plan: what is in every layer and in which order. Pure.

Order is what a change costs: a layer store without merging makes every layer above a changed one anew, so that the
big and stable ones lie below and the CA bundle lies on top (FACTS 4: 0.5 s against 6.7 s for one changed CA).
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from builder.models.lock import ImageBase, RootfsBase
from builder.models.plan import Action, File, ImageConfig, Layer, Link, Plan

if TYPE_CHECKING:
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


def plan(recipe: Recipe, lock: Lock, *, interpreter: str) -> Plan:
    """The image that a recipe and its lock describe.

    interpreter: the Python that the environment is made with, absolute in the image, from the base catalogue.
    """
    prefix = "/opt/env"
    layers = (*_ground(lock, prefix), *_wheels(lock), _trust(recipe, lock, prefix))
    base = lock.base
    return Plan(
        name=recipe.name,
        platform=lock.platform,
        epoch=lock.epoch,
        created=lock.created,
        base=f"{base.reference}@{base.digest}" if isinstance(base, ImageBase) else None,
        prefix=prefix,
        python=interpreter,
        uv=lock.uv.artifact,
        busybox=lock.busybox_binary,
        layers=layers,
        config=_config(recipe, lock, prefix),
    )


def _ground(lock: Lock, prefix: str) -> tuple[Layer, ...]:
    """The root file system, the distribution's packages and the empty environment."""
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


def _wheels(lock: Lock) -> tuple[Layer, ...]:
    """Each large wheel by itself, then the medium ones together, then the small ones.

    Of the large ones the largest lies highest: an engine copies layers in order, and those that are ready first do not
    wait for it. It is torch, which also changes more often than the libraries that it is made for.
    """
    on = tuple(layer.name for layer in _ground(lock, ""))
    by_size = sorted(lock.pip, key=lambda p: (-p.artifact.size, p.name))
    room = MAX_LAYERS - len(on) - 3  # the medium ones, the small ones and the trust
    large = [p for p in by_size if p.artifact.size >= LARGE][:room]
    rest = sorted((p for p in lock.pip if p not in large), key=lambda p: p.name)
    groups = (
        *((f"wheel-{_slug(p)}", f"{p.name} {p.version}", [p]) for p in reversed(large)),
        ("wheels-medium", "The medium wheels", [p for p in rest if p.artifact.size >= MEDIUM]),
        ("wheels-small", "The small wheels", [p for p in rest if p.artifact.size < MEDIUM]),
    )
    return tuple(_wheel_layer(name, title, packages, on) for name, title, packages in groups if packages)


def _slug(package: Package) -> str:
    return package.name.lower().replace("_", "-").replace(".", "-")


def _wheel_layer(name: str, title: str, packages: list[Package], on: tuple[str, ...]) -> Layer:
    artifacts = tuple(p.artifact for p in packages)
    return Layer(name=name, title=title, action=Action.INSTALL_WHEELS, artifacts=artifacts, on=on)


def _trust(recipe: Recipe, lock: Lock, prefix: str) -> Layer:
    """On top: refreshing it costs kilobytes."""
    packages = f"{prefix}/lib/python{recipe.python}/site-packages"
    copies = {"certifi": f"{packages}/certifi/cacert.pem", "pip": f"{packages}/pip/_vendor/certifi/cacert.pem"}
    own = [copies[package.name] for package in lock.pip if package.name in copies]
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
        on=("rootfs",) if isinstance(lock.base, RootfsBase) else (),
    )


def _config(recipe: Recipe, lock: Lock, prefix: str) -> ImageConfig:
    path = f"{prefix}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    env = (("PATH", path), ("LANG", "C.UTF-8"), *((name, BUNDLE) for name in TRUST_VARIABLES))
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
