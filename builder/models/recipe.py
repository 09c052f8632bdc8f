"""The recipe: what a person writes.

Read by `builder.stages.load`, which turns every fault into a line and a column of the YAML file.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from packaging.requirements import InvalidRequirement, Requirement
from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from builder.models.base import Model, Sha256, sha256_of

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
DebianName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]
MirrorName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$")]
PythonVersion = Annotated[str, StringConstraints(pattern=r"^3\.\d{1,2}$")]
TagTemplate = Annotated[str, StringConstraints(pattern=r"^[a-z0-9{}/][A-Za-z0-9_./:{}-]*$", max_length=255)]

TAG_FIELDS = ("name", "version", "lock")
"""What may stand in braces in a tag: the recipe's name and version, the first 12 digits of the lock's digest."""


def _requirement(text: str) -> str:
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(f"not a requirement: {str(error).splitlines()[0]}") from None
    if parsed.url:
        raise ValueError("a URL cannot be locked neutrally: name the package and its version")
    return text


def _relative(text: str) -> str:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must be a path below the recipe's folder")
    return text


RequirementText = Annotated[str, AfterValidator(_requirement)]
RelativePath = Annotated[str, AfterValidator(_relative)]


class Trust(Model):
    """Whom the image trusts."""

    roots: Literal["mozilla", "distribution"] = "mozilla"
    """`mozilla`: the newest Mozilla roots, by way of certifi; `distribution`: the base's own."""
    extra: tuple[RelativePath, ...] = ()
    """PEM files of the site's own roots, relative to the recipe."""
    pins: tuple[str, ...] = ()
    """Hosts whose issuing root is pinned for isolated networks."""


class Conda(Model):
    """A conda installation at `/opt/conda` and an environment named as the recipe."""

    installer: Literal["miniconda", "miniforge"] = "miniforge"
    channels: tuple[str, ...] = ("conda-forge",)
    packages: tuple[str, ...] = ()
    mirrors: tuple[MirrorName, ...] = ("upstream",)


class Pip(Model):
    """Packages from PyPI, wheels only."""

    packages: tuple[RequirementText, ...] = ()
    mirrors: tuple[MirrorName, ...] = ("upstream",)
    """In order of preference; `upstream` is what pip and uv themselves are configured with."""


class Apt(Model):
    """Packages of the base's distribution, without their recommendations."""

    packages: tuple[DebianName, ...] = ()
    mirrors: tuple[MirrorName, ...] = ("upstream",)
    """In order of preference; `upstream` is what apt itself is configured with."""


class Cuda(Model):
    """What the image's GPU stack must be, whoever brings it (a wheel, a conda package)."""

    runtime: Annotated[str, StringConstraints(pattern=r"^\d{1,2}\.\d$")]
    cudnn: Annotated[str, StringConstraints(pattern=r"^\d{1,2}(\.\d+){0,2}$")] | None = None


class Check(Model):
    """One check of the gate."""

    check: Name
    """The check's name: a script of `builder/checks/`."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Its arguments."""
    skip: str | None = None
    """The reason, when the recipe wants it not to run; reported as SKIP."""
    timeout: int = Field(default=300, ge=1, le=7200)
    """Seconds."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        """`trust` and `python: {version: "3.9"}` are short for `{check: ..., with: {...}}`."""
        if isinstance(value, str):
            return {"check": value}
        if isinstance(value, dict) and "check" not in value and len(value) == 1:
            ((name, arguments),) = value.items()
            given = dict(arguments) if isinstance(arguments, dict) else {"": arguments}
            own = {k: given.pop(k) for k in ("skip", "timeout") if k in given}
            return {"check": name, "with": given, **own}
        return value

    @field_validator("with_")
    @classmethod
    def _named(cls, value: dict[str, Any]) -> dict[str, Any]:
        if "" in value:
            raise ValueError('a check\'s arguments are a mapping, as in `python: {version: "3.9"}`')
        return value


class Budget(Model):
    """What the image may weigh."""

    size: Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?\s?(MB|GB)$")] | None = None
    """Decimal: 1 GB is 10^9 bytes, as `docker images` counts."""


class Recipe(Model):
    """An image as a person asks for it."""

    name: Name
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")] = "1.0"
    """For the tags; nothing reads anything else from it."""
    purpose: Literal["training", "deployment"] = "training"
    base: Name
    """An entry of the base catalogue (`builder/data/bases.yaml`)."""
    python: PythonVersion = "3.9"
    trust: Trust = Trust()
    conda: Conda | None = None
    """None: Python comes from the base's distribution."""
    pip: Pip = Pip()
    apt: Apt = Apt()
    cuda: Cuda | None = None
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]
    """The gate. An image without a check gets no tag."""
    checks_carry_over: bool = True
    """A check whose layers did not change keeps its result from the image that it ran in."""
    allow_unproven: bool = False
    """Give `-unproven` tags where this host cannot prove everything (no GPU); otherwise there are none."""
    budget: Budget = Budget()
    tags: Annotated[tuple[TagTemplate, ...], Field(min_length=1)] = ("{name}:{version}",)

    @field_validator("apt", mode="before")
    @classmethod
    def _apt_list(cls, value: object) -> object:
        return {"packages": value} if isinstance(value, list | tuple) else value

    @field_validator("tags")
    @classmethod
    def _known_fields(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        for tag in tags:
            try:
                tag.format(**dict.fromkeys(TAG_FIELDS, "x"))
            except (KeyError, IndexError, ValueError, AttributeError):
                raise ValueError(f"{tag!r}: only {', '.join(TAG_FIELDS)} may stand in braces") from None
        return tags

    def inputs_digest(self, extra: tuple[str, ...] = ()) -> Sha256:
        """The digest of what a lock depends on; `extra` is the content of the `trust.extra` files.

        Checks, tags, budget and mirrors are not in it: changing them leaves the lock as it is.
        """
        asked = self.model_copy(
            update={
                "pip": Pip(packages=self.pip.packages),
                "apt": Apt(packages=self.apt.packages),
                "conda": self.conda and self.conda.model_copy(update={"mirrors": ()}),
            }
        )
        data = asked.model_dump_json(include={"base", "python", "trust", "conda", "pip", "apt"})
        return sha256_of("\n".join((data, *extra)))
