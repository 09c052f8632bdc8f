"""The recipe: what a person writes.

Read by `builder.stages.load`, which turns every fault into a line and a column of the YAML file.
"""

from __future__ import annotations

import json
import re
from datetime import date
from typing import Annotated, Any, ClassVar, Final, Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import (
    AfterValidator,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from builder.models.base import Sha256, Written, sha256_of
from builder.models.deployment import RUNTIME, SERVER, TOOLS, Deployed, Workshop
from builder.models.lock import Artifact
from builder.models.pin import Pin
from builder.models.policy import Audit
from builder.models.words import DistributionName, RelativePath, RequirementText
from builder.models.words import text as _text

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]{0,62}$"
Name = Annotated[str, _text(NAME_PATTERN, "lower-case letters, digits, `.`, `_`, `-`; 63 at most")]
DebianName = Annotated[str, _text(r"^[a-z0-9][a-z0-9+.-]+$", "the name of a Debian package, without a version")]
MirrorName = Annotated[str, _text(r"^[a-z0-9][a-z0-9-]*$", "lower-case letters, digits and `-`")]
PythonVersion = Annotated[str, _text(r"^3\.\d{1,2}$", 'a minor version, as in "3.9"')]
CudaVersion = Annotated[str, _text(r"^\d{1,2}\.\d$", 'a version as in "12.8"')]
CudnnVersion = Annotated[str, _text(r"^\d{1,2}(\.\d+){0,2}$", 'a version as in "9" or "9.10"')]
Size = Annotated[str, _text(r"^\d+(\.\d+)?\s?(MB|GB)$", "a number with MB or GB, as in 8GB")]
Version = Annotated[
    str, _text(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$", "letters, digits, `.`, `_`, `-`, as a tag may have them")
]

_CHANNEL_PATTERN: Final = r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?(/label/[a-z0-9][a-z0-9._-]*)?$"
ChannelName = Annotated[str, _text(_CHANNEL_PATTERN, "the name of a channel, as in conda-forge or pkgs/main")]


def _day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"no day: {error}") from None
    return text


IsoDate = Annotated[str, _text(r"^\d{4}-\d{2}-\d{2}$", 'a day as in "2026-11-23"'), AfterValidator(_day)]

TAG_FIELDS: Final = ("name", "version", "lock")
"""What may stand in braces in any tag: the recipe's name and version, the first 12 digits of the lock's digest."""

MEASURED: Final = "measured"
"""In braces: all that is measured of Python, torch, CUDA and cuDNN, as in `py3.9.2-torch2.8.0-cu12.8-cudnn9.10.2`."""

_FIELD: Final = re.compile(r"\{([a-z][a-z0-9_]*)\}")


def fields_of(template: str) -> tuple[str, ...]:
    """What stands in braces in a tag, each once."""
    return tuple(dict.fromkeys(_FIELD.findall(template)))


def _tag_template(text: str) -> str:
    if re.search("[{}]", _FIELD.sub("", text)):  # no {name.attribute}, no {name:99999}
        raise ValueError("a name alone may stand in braces, as in {name}, {lock} or {torch}")
    return text


TagTemplate = Annotated[
    str,
    _text(r"^[a-z0-9{}/][A-Za-z0-9_./:{}-]*$", "an image name and a tag, as in {name}:{version}", longest=255),
    AfterValidator(_tag_template),
]


class Trust(Written):
    """Whom the image trusts."""

    roots: Literal["mozilla", "distribution"] = "mozilla"
    """`mozilla`: the newest Mozilla roots, by way of certifi; `distribution`: the base's own."""
    extra: tuple[RelativePath, ...] = ()
    """PEM files of the site's own roots, relative to the recipe."""
    pins: tuple[Pin, ...] = ()
    """Hosts of an isolated network, as `builder certs pin HOST` prints them: `host`, the `root` that its certificate
    comes from, a `backup` root, its own `key`."""

    @field_validator("pins")
    @classmethod
    def _one_pin_a_host(cls, value: tuple[Pin, ...]) -> tuple[Pin, ...]:
        hosts = [pin.host for pin in value]
        if twice := next((host for host in hosts if hosts.count(host) > 1), None):
            raise ValueError(f"{twice} is pinned twice")
        return value


class Conda(Written):
    """A conda installation at `/opt/conda`, and an environment named as the recipe with the recipe's Python."""

    installer: Literal["miniconda", "miniforge"] = "miniforge"
    """What `/opt/conda` is made with: an entry of `builder/data/installers.yaml`, or of the site's own list."""
    version: Version | None = None
    """Of the installer, as in `25.9.1-3`; left out, the newest that is known."""
    channels: Annotated[tuple[ChannelName, ...], Field(min_length=1)] = ("conda-forge",)
    """By name, in order of (strict) priority. Anaconda's own (`pkgs/main`, `pkgs/r`) need `accept_terms`."""
    packages: tuple[str, ...] = ()
    """Match specs, as in `numpy>=1.26`; the recipe's Python is asked for beside them."""
    mirrors: Annotated[tuple[MirrorName, ...], Field(min_length=1)] = ("upstream",)
    """In order of preference; `upstream` is what conda itself is configured with."""
    accept_terms: bool = False
    """The word of a person that Anaconda's terms of service are accepted; with `accepted_by` and `accepted_on`."""
    accepted_by: str | None = None
    """Who accepted them, for whoever asks later."""
    accepted_on: IsoDate | None = None
    """The day on which they did, in quotes, as in "2026-11-23"."""

    def as_locked(self) -> Conda:
        """What of it a lock depends on: neither mirrors nor who accepted what."""
        nothing = {"mirrors": (), "accept_terms": False, "accepted_by": None, "accepted_on": None}
        return self.model_copy(update=nothing)


class Pip(Written):
    """Packages from PyPI, wheels only."""

    packages: tuple[RequirementText, ...] = ()
    """Requirements, as in `torch==2.8.0`; the lock pins what they leave open."""
    without: tuple[DistributionName, ...] = ()
    """Packages that others ask for and the image can do without: `sympy` is needed by onnxruntime's tools alone."""
    mirrors: tuple[MirrorName, ...] = ("upstream",)
    """In order of preference; `upstream` is what pip and uv themselves are configured with."""


class Apt(Written):
    """Packages of the base's distribution, without their recommendations."""

    packages: tuple[DebianName, ...] = ()
    """Names; the lock pins their versions."""
    mirrors: tuple[MirrorName, ...] = ("upstream",)
    """In order of preference; `upstream` is what apt itself is configured with."""


class WithListForm:
    """Adds the list of package names to the schema of `Apt`: a short form that `Recipe` reads."""

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        full = handler(core)
        return {"anyOf": [handler.resolve_ref_schema(full)["properties"]["packages"], full]}


class Cuda(Written):
    """What the image's GPU stack must be, whoever brings it (a wheel, a conda package)."""

    runtime: CudaVersion
    """As in "12.8": what torch was built for, and the version of the libraries that it loads."""
    cudnn: CudnnVersion | None = None
    """As in "9" or "9.10.2": the cuDNN that torch uses."""


class Check(Written):
    """One check of the gate."""

    OWN_KEYS: ClassVar[tuple[str, ...]] = ("skip", "timeout")
    """Keys of the check itself, which the short form has beside the arguments."""

    check: Name
    """The check's name: a script of `builder/checks/`."""
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    """Its arguments."""
    skip: Annotated[str, _text(r"\S", 'a reason, such as "no TLS in this image"', longest=500)] | None = None
    """The reason, when the recipe wants it not to run; reported as SKIP."""
    timeout: int = Field(default=300, ge=1, le=7200)
    """Seconds."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: object) -> object:
        """`trust` and `python: {version: "3.9"}` are short for `{check: ..., with: {...}}`."""
        if isinstance(value, str):
            return {"check": value}
        if not isinstance(value, dict) or "check" in value:
            return value
        if len(value) != 1:
            raise ValueError("a check is `name`, `name: {arguments}` or `{check: name, with: {arguments}}`")
        ((name, arguments),) = value.items()
        if not isinstance(arguments, dict):
            raise ValueError('the arguments of a check are a mapping, as in `python: {version: "3.9"}`')
        own = {k: v for k, v in arguments.items() if k in cls.OWN_KEYS}
        return {"check": name, "with": {k: v for k, v in arguments.items() if k not in cls.OWN_KEYS}, **own}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The short forms beside the long one."""
        full = handler(core)
        long = handler.resolve_ref_schema(full)
        own = {k: v for k, v in long["properties"].items() if k in cls.OWN_KEYS}
        arguments = {"type": "object", "properties": own, "additionalProperties": True}
        name = {"type": "string", "description": "A check without arguments."}
        one = {"propertyNames": {"not": {"const": "check"}}, "minProperties": 1, "maxProperties": 1}
        short = {"type": "object", **one, "additionalProperties": arguments, "description": "`name: {arguments}`"}
        return {"anyOf": [name, short, full]}


class Budget(Written):
    """What the image may weigh."""

    size: Size | None = None
    """Decimal: 1 GB is 10^9 bytes, as `docker images` counts."""


class Recipe(Written):
    """An image as a person asks for it."""

    name: Name
    """As the file's: `recipes/NAME.yaml`."""
    version: Version = "1.0"
    """For the tags; nothing reads anything else from it."""
    purpose: Literal["training", "deployment"] = "training"
    """A deployment image's default user is not root."""
    base: Name
    """An entry of the base catalogue (`builder/data/bases.yaml`)."""
    python: PythonVersion = "3.9"
    """In quotes: YAML reads 3.10 as 3.1."""
    trust: Trust = Trust()
    """Whom the image trusts."""
    conda: Conda | None = None
    """Brings Python, whatever the base has. Left out, Python comes from the base's distribution."""
    pip: Pip = Pip()
    """Packages from PyPI, wheels only."""
    apt: Annotated[Apt, WithListForm()] = Apt()
    """Packages of the base's distribution, without their recommendations; a list is short for `packages`."""
    cuda: Cuda | None = None
    """What the image's GPU stack must be, whoever brings it."""
    model: Deployed | None = None
    """The model that a deployment image answers with."""
    workshop: Workshop = Workshop()
    """What the model is trained, exported and quantized with, in a stage that the image does not contain."""
    serve: bool = False
    """Whether the image's command is an HTTP server of the model (Open Inference Protocol v2, by MLServer)."""
    checks: Annotated[tuple[Check, ...], Field(min_length=1)]
    """The gate. An image without a check gets no tag."""
    checks_carry_over: bool = True
    """A check whose layers did not change keeps its result from the image that it ran in; trust and clock for a day."""
    allow_unproven: bool = False
    """Give `-unproven` tags where this host cannot prove everything (no GPU); otherwise there are none."""
    budget: Budget = Budget()
    """What the image may weigh."""
    audit: Audit = Audit()
    """What of the audit's findings the image may have: none of severity error, but for single ones with a reason."""
    tags: Annotated[tuple[TagTemplate, ...], Field(min_length=1)] = ("{name}:{version}",)
    """In braces: `name`, `version`, `lock` (12 digits of its digest), and what was measured in the running image:
    `python`, `torch`, `cuda`, `cudnn`, what `imports` imports; `measured` is Python, torch, CUDA and cuDNN in one."""

    @field_validator("apt", mode="before")
    @classmethod
    def _apt_list(cls, value: object) -> object:
        """`apt: [git]` is short for `apt: {packages: [git]}`."""
        given = {"packages": value} if isinstance(value, list | tuple) else value
        if not isinstance(given, dict):
            return given
        # What a validator returns is no longer JSON to pydantic, and a strict tuple takes no list.
        return {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}

    def inputs_digest(self, extra: tuple[str, ...] = (), files: tuple[Artifact, ...] = ()) -> Sha256:
        """The digest of what a lock depends on; `extra` is the content of the `trust.extra` files, `files` the model's.

        Checks, tags, budget, mirrors and a model's gates are not in it: changing them leaves the lock as it is.
        """
        asked = self.model_copy(
            update={
                "pip": Pip(packages=self.pip.packages),
                "apt": Apt(packages=self.apt.packages),
                "conda": self.conda and self.conda.as_locked(),
            }
        )
        of_lock = {"base", "python", "trust", "conda", "pip", "apt"}
        # what is absent leaves no trace, so that the locks of older recipes stay what they are
        data = asked.model_dump_json(include=of_lock, exclude={"pip": {"without"}})
        cuda = (
            (f"__cuda={self.cuda.runtime}",) if self.conda and self.cuda else ()
        )  # conda's packages are solved for it
        without = (f"without={','.join(self.pip.without)}",) if self.pip.without else ()
        return sha256_of("\n".join((data, *cuda, *without, *self._of_model(files), *extra)))

    def _of_model(self, files: tuple[Artifact, ...]) -> tuple[str, ...]:
        if self.model is None:
            return ()
        stamps = (f"{file.path}={file.sha256}" for file in files)
        return ("\0".join(("model", *self.requirements(), "workshop", *self.tools(), "files", *stamps)),)

    def requirements(self) -> tuple[str, ...]:
        """What the image wants of PyPI: what is asked for, and what runs and serves a model."""
        implied = (*RUNTIME, *((SERVER,) if self.serve else ())) if self.model else ()
        return _with(self.pip.packages, implied)

    def tools(self) -> tuple[str, ...]:
        """What the workshop wants of PyPI, if there is one."""
        return _with(self.workshop.pip, (TOOLS, *RUNTIME)) if self.model else ()


def _with(asked: tuple[str, ...], implied: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for, and of what is implied that which it does not name."""
    named = {canonicalize_name(Requirement(text).name) for text in asked}
    return (*asked, *(name for name in implied if name not in named))


def schema_text() -> str:
    """The JSON Schema of a recipe, short forms included, for editors that check YAML while it is written."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Recipe.model_json_schema()}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
