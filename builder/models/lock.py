"""The lock: every input by name, version, path, hash and size, and no host at all."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from builder.models.base import Model, Sha256

_PART = r"[A-Za-z0-9_][A-Za-z0-9._+~:!%-]*"
Word = Annotated[str, Field(pattern=rf"^{_PART}(/{_PART})*$")]
"""What may stand unquoted in a Dockerfile, in a mount, on a command line and in a path, whoever wrote the lock."""


DERIVED: Final = "derived"
"""The source of what is made here."""
RECIPE: Final = "recipe"
"""The source of what lies beside the recipe."""


class Artifact(Model):
    """One file, named by where it belongs and accepted by its hash alone."""

    source: str
    """`pypi`, `debian`, `debian-security`, `conda-forge/linux-64`, ...; `derived` for what is made here, `recipe` for a
    file of the recipe's own."""
    path: Word
    """File name (pypi, conda, derived), pool path (debian) or path below the recipe's folder (recipe); never a host."""
    sha256: Sha256
    size: int = Field(ge=0)
    """Bytes."""

    @property
    def filename(self) -> str:
        """The last part of the path: the name of the file in the store."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def store_folder(self) -> str:
        """The folder of the store that holds this file alone."""
        return f"sha256/{self.sha256[:2]}/{self.sha256}"

    @property
    def store_path(self) -> str:
        """The file in the store, and on the server that feeds a build."""
        return f"{self.store_folder}/{self.filename}"


class Package(Model):
    """A wheel or a .deb, locked."""

    name: Word
    version: Word
    artifact: Artifact


class CondaPackage(Model):
    """A conda package, locked: the record of the channel's repodata, patches included, without a host."""

    name: Word
    version: Word
    build: Word
    build_number: int = 0
    noarch: Literal["python", "generic"] | None = None
    depends: tuple[str, ...] = ()
    """Match specs; what `conda install` inside the image will solve with later."""
    constrains: tuple[str, ...] = ()
    md5: str | None = None
    """For old tools that know nothing else; nothing here accepts a file by it."""
    artifact: Artifact
    """Its source is channel and subdir: `conda-forge/linux-64`, `pkgs/main/noarch`."""


class CondaLock(Model):
    """The conda installation at `/opt/conda`, and the recipe's environment beside it."""

    installer: Package
    """`miniconda` or `miniforge`; so is its artifact's source."""
    installer_python: Word
    """The minor version of the Python that the installer brings, as in 3.13."""
    linker: Package
    """The py-rattler wheel that links packages inside the build, under the installer's Python."""
    asked: tuple[str, ...]
    """What was solved: the recipe's match specs and its Python."""
    channels: tuple[str, ...]
    virtual: tuple[str, ...]
    """Virtual packages that it was solved with, as in `__glibc=2.36`: the recipe's, never the host's."""
    packages: tuple[CondaPackage, ...]
    """Sorted by name."""

    @property
    def python(self) -> str:
        """The full version of the environment's Python."""
        return next(p.version for p in self.packages if p.name == "python")


class RootfsBase(Model):
    """A Debian root file system that mmdebstrap makes, offline, from the locked packages."""

    kind: Literal["rootfs"] = "rootfs"
    suite: Word
    arch: Word
    epoch: int
    """SOURCE_DATE_EPOCH of the bootstrap: the Date of the suite's Release file, seconds since 1970."""
    packages: tuple[Package, ...]
    rootfs: Artifact
    """The tar archive, `derived` from the packages."""


class ImageBase(Model):
    """A registry image, by digest."""

    kind: Literal["image"] = "image"
    reference: Word
    """Repository and tag, as in `docker.io/library/debian:bookworm-slim`."""
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    epoch: int
    """When that image was created, seconds since 1970."""


class Certificate(Model):
    """A trust anchor of the bundle, for people to read in a diff."""

    subject: str
    sha256: Sha256
    """Fingerprint of the DER bytes."""
    not_after: str
    """ISO 8601 date, UTC."""


class TrustLock(Model):
    """The CA bundle, what it was made from and what is in it."""

    roots: Package
    """The package whose roots are taken: certifi's wheel (Mozilla's), or the distribution's ca-certificates."""
    certificates: tuple[Certificate, ...]
    bundle: Artifact
    """The PEM file, `derived`."""


class WorkshopLock(Model):
    """What a deployment image's model is made with and from, in a stage that the image does not contain."""

    asked: tuple[str, ...]
    """What the recipe wants there of PyPI; `pip` is that with its dependencies."""
    pip: tuple[Package, ...]
    """numpy and onnxruntime among them, at the image's own versions."""
    files: tuple[Artifact, ...]
    """The recipe's own: modules, weights, an ONNX file, data."""


_LATER: Final = frozenset({"pip_without", "workshop"})
"""Parts that older locks do not have. Where they are absent they leave no trace, so that a digest stays what it was."""


class Lock(Model):
    """Every input of an image. The same lock gives the same image ID everywhere."""

    version: Literal[1] = 1
    inputs: Sha256
    """`Recipe.inputs_digest()` of the recipe that was locked: tells a stale lock."""
    platform: str = "linux/amd64"
    epoch: int
    """Times in layers are clamped to this (seconds since 1970): the base's epoch, so that it stays when
    only certificates or wheels move."""
    created: int
    """The image's creation time: the newest upload among the inputs, seconds since 1970."""
    base: Annotated[RootfsBase | ImageBase, Field(discriminator="kind")]
    uv: Package
    """The wheel whose binary installs wheels inside the build."""
    busybox: Package | None
    """The .deb whose static busybox unpacks the root file system; None for a registry base."""
    busybox_binary: Artifact | None
    """That binary, `derived` from the .deb."""
    trust: TrustLock
    conda: CondaLock | None = None
    """None: Python comes from the base's distribution."""
    apt_asked: tuple[str, ...] = ()
    """What the recipe and its Python want of the distribution; `apt` is that with its dependencies."""
    apt: tuple[Package, ...]
    pip_asked: tuple[str, ...] = ()
    """What the recipe wants of PyPI; `pip` is that with its dependencies."""
    pip_without: tuple[str, ...] = ()
    """Dependencies that the recipe leaves out."""
    pip: tuple[Package, ...]
    workshop: WorkshopLock | None = None
    """None: no model is made."""

    @model_serializer(mode="wrap")
    def _without_trace_of_what_is_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        data: dict[str, Any] = handler(self)
        return {key: value for key, value in data.items() if value or key not in _LATER}

    def artifacts(self) -> tuple[Artifact, ...]:
        """What the build itself needs, in order and without repetition: not what derived files are made from."""
        first = (self.base.rootfs,) if isinstance(self.base, RootfsBase) else ()
        binary = (self.busybox_binary,) if self.busybox_binary else ()
        packages = (self.uv, *self.apt, *self.pip)
        conda = self._conda_artifacts()
        shop = self.workshop
        own = (*(p.artifact for p in shop.pip), *shop.files) if shop else ()
        every = (*first, *binary, *conda, *(p.artifact for p in packages), *own, self.trust.bundle)
        return tuple({a.sha256: a for a in every}.values())

    def _conda_artifacts(self) -> tuple[Artifact, ...]:
        if self.conda is None:
            return ()
        tools = (self.conda.installer.artifact, self.conda.linker.artifact)
        return (*tools, *(p.artifact for p in self.conda.packages))

    def made_from(self, artifact: Artifact) -> tuple[Artifact, ...]:
        """The files that a derived artifact is made from; empty when it has to be fetched as it is."""
        if isinstance(self.base, RootfsBase) and artifact == self.base.rootfs:
            return tuple(p.artifact for p in self.base.packages)
        if self.busybox and artifact == self.busybox_binary:
            return (self.busybox.artifact,)
        if artifact == self.trust.bundle:
            return (self.trust.roots.artifact,)
        return ()
