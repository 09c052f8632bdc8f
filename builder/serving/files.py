"""Which of these files go where: into a model's workshop, and into its image."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

from builder.checks import QUANTIZATION

HOME = "/opt/builder"
"""What runs in a deployment image, below."""
COMMANDS = f"{HOME}/bin"
"""On PATH: `predict`, `selftest`, `healthcheck`, and `serve` where the model is served."""
MODEL = "/opt/model"
"""What the workshop filled."""
PORTS = (8080, 8081)
"""Of a served model: HTTP and gRPC."""

RUNTIME = ("__init__", "command", "health", "model", "predict", "selftest", "tensors")
SERVER = ("bounded", "runtime", "serve")
WORKSHOP = (
    "__init__",
    "canonical",
    "command",
    "exporting",
    "finishing",
    "folder",
    "job",
    "make",
    "model",
    "selftest",
    "sources",
    "tensors",
)
_MODULES = {"predict": "predict", "selftest": "selftest", "healthcheck": "health", "serve": "serve"}


@dataclass(frozen=True)
class Script:
    """A file for an image."""

    path: str
    content: str
    mode: str = "644"


def runtime_files(*, python: str, serve: bool) -> tuple[Script, ...]:
    """What the image has below `/opt/builder`. python: its interpreter, absolute."""
    names = (*RUNTIME, *SERVER) if serve else RUNTIME
    commands = [name for name, module in _MODULES.items() if module in names]
    return (
        *(Script(f"{HOME}/serving/{name}.py", _text(name)) for name in sorted(names)),
        *(Script(f"{COMMANDS}/{name}", _command(name, python), "755") for name in sorted(commands)),
    )


def workshop_files() -> tuple[Script, ...]:
    """What a workshop has, relative to any folder: run `make_model.py JOB.json SOURCES OUT` there."""
    begin = "from serving.make import begin\n\nbegin()\n"
    return (
        Script("make_model.py", begin),
        *(Script(f"serving/{name}.py", _text(name)) for name in WORKSHOP),
        Script("serving/quantization.py", _engine()),
    )


def _text(name: str) -> str:
    return (files("builder.serving") / f"{name}.py").read_text(encoding="utf-8")


def _engine() -> str:
    """The engine of the gate's checks, as a module: its parts need nothing of the checks' prelude but `load`."""
    parts = [(files("builder.checks") / name).read_text(encoding="utf-8") for name in QUANTIZATION]
    return "\n".join(["from importlib import import_module as load", *parts])


def _command(name: str, python: str) -> str:
    """Isolated: no variable, no folder of a user's, and not where it is started from, decides what is imported.

    The first process of a container gets no signal that it has not asked for: it asks before it does anything else.
    """
    lines = (
        f"#!{python} -IB",
        "import os, signal, sys",
        "for number in (signal.SIGINT, signal.SIGTERM):",
        "    signal.signal(number, lambda seen, _: os._exit(128 + seen))",
        f'sys.path.insert(0, "{HOME}")',
        "from serving.command import run",
        f"from serving.{_MODULES[name]} import main",
        f'run("{name}", main)',
    )
    return "\n".join(lines) + "\n"
