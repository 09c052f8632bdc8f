"""The part of a recipe that puts a model into a deployment image: its origin, how it becomes int8, its gates."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from builder.models.base import Written
from builder.models.words import FunctionName, PlainPath, RequirementText, Source

Share = Annotated[float, Field(ge=0, le=1)]
RUNTIME: Final = ("numpy", "onnxruntime")
"""What runs a model, in the image and in the workshop, where it is measured: the same versions of both."""
SERVER: Final = "mlserver"
TOOLS: Final = "onnx"
"""What the workshop has beside the runtime, whatever a recipe says: it reads, rewrites and quantizes models."""


Scheme = Literal[
    "auto",
    "static int8",
    "static int8 narrow",
    "static int8 per tensor",
    "static int8 percentile",
    "static int8 entropy",
    "static int7",
    "dynamic int8",
    "dynamic uint8",
    "dynamic int7",
    "none",
]
"""`auto`, a configuration of `builder/checks/_quantization.py`, or `none`: the float model as it is."""


class Gates(Written):
    """What the int8 model must reach against the one that it is made from, on samples that did not calibrate it."""

    sqnr_db: float = 20.0
    """Signal to quantization noise, in decibels."""
    centred_sqnr_db: float = 20.0
    """The same with the samples' mean removed: what a model says of its input, and not of itself."""
    min_cosine: Share = 0.98
    """The smallest cosine of any one sample."""
    agreement: Share = 0.98
    """Share of samples whose largest output is the same one."""
    accuracy_drop: Share = 0.01
    """Accuracy lost, where there are labels."""
    int8_weights: Share = 0.9
    """Share of the weights that are int8."""
    size_ratio: Share = 0.35
    """Bytes, as a share of the float model's."""


class Deployed(Written):
    """The model of a deployment image, exported, quantized and proven in a stage that the image does not contain."""

    factory: FunctionName | None = None
    """`module:function` that gives a trained torch module; or one to fill with `weights`."""
    onnx: PlainPath | None = None
    """A float ONNX file instead of a factory; needs no torch."""
    weights: PlainPath | None = None
    """A file of torch weights (a state_dict) for what the factory gives."""
    calibration: Source
    """`module:function` that gives representative inputs, or inputs and labels; or an `.npz` file of them."""
    evaluation: Source | None = None
    """The same, held out: what the quality is measured on. Left out, every second sample of `calibration` is."""
    files: tuple[PlainPath, ...] = ()
    """Modules and data that the functions import and read, below the recipe's folder."""
    scheme: Scheme = "auto"
    """How it becomes int8; `auto` is the first configuration that suits its operators and passes the gates."""
    gates: Gates = Gates()
    """What it must reach, or there is no image."""
    threads: int = Field(default=1, ge=1, le=256)
    """Processor threads of one inference, in the image."""

    @model_validator(mode="after")
    def _one_origin(self) -> Deployed:
        if (self.factory is None) == (self.onnx is None):
            raise ValueError("a model comes from a `factory` or from an `onnx` file: name one of the two")
        if self.weights and not self.factory:
            raise ValueError("`weights` fill what a `factory` gives: an ONNX file has its own")
        return self

    def paths(self) -> tuple[str, ...]:
        """Every file of it, below the recipe's folder."""
        named = (self.onnx, self.weights, self.calibration, self.evaluation, *self.files)
        return tuple(dict.fromkeys(path for path in named if path and ":" not in path))


class Workshop(Written):
    """The stage in which the model is made: none of it is in the image."""

    pip: tuple[RequirementText, ...] = ()
    """Packages from PyPI, as in `torch==2.8.0`; onnx, onnxruntime and numpy are there anyhow."""
