"""The tables that checks are given, read on the host: `builder/data/cuda.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue


@dataclass(frozen=True, kw_only=True)
class CudaTable:
    """What NVIDIA's release notes say of CUDA, drivers and GPUs."""

    minimum_driver: Mapping[str, str]
    """CUDA's major version to the oldest Linux driver that runs its family."""
    bundled_driver: Mapping[str, str]
    """A toolkit's version, as in `12.8`, to the Linux driver that it was published with."""
    compatibility_branches: Mapping[str, tuple[int, ...]]
    """A toolkit's version to the older driver branches that its compatibility package was made for."""
    libraries: Mapping[str, tuple[str, ...]]
    """CUDA's major version to the libraries that have to load."""
    gpus: Mapping[str, str]
    """A GPU's name to its compute capability."""

    def driver_for(self, runtime: str) -> str | None:
        """The oldest Linux driver for a CUDA runtime such as `12.8`; None for an unknown family."""
        return self.minimum_driver.get(runtime.partition(".")[0])

    def drivers(self, runtime: str) -> dict[str, JsonValue]:
        """What a check judges a driver by, for a CUDA runtime such as `12.8`."""
        return {
            "minimum": self.driver_for(runtime),
            "bundled": self.bundled_driver.get(runtime),
            "branches": list(self.compatibility_branches.get(runtime, ())),
        }


@cache
def cuda_table() -> CudaTable:
    """The table of `builder/data/cuda.yaml`."""
    from ruamel.yaml import YAML  # not on the path of `builder --help`

    text = files("builder.data").joinpath("cuda.yaml").read_text(encoding="utf-8")
    data = YAML(typ="safe", pure=True).load(text)
    return CudaTable(
        minimum_driver=data["minimum_driver"],
        bundled_driver=data["bundled_driver"],
        compatibility_branches={toolkit: tuple(found) for toolkit, found in data["compatibility_branches"].items()},
        libraries={major: tuple(names) for major, names in data["libraries"].items()},
        gpus=data["gpus"],
    )


def cuda_gpus() -> Mapping[str, str]:
    """The GPUs that can be named, to their compute capability."""
    return cuda_table().gpus
