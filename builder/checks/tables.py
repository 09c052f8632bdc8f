"""The tables that checks are given, read on the host: `builder/data/cuda.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, kw_only=True)
class CudaTable:
    """What NVIDIA's release notes say of CUDA and drivers."""

    minimum_driver: Mapping[str, str]
    """CUDA's major version to the oldest Linux driver that runs its family."""
    libraries: Mapping[str, tuple[str, ...]]
    """CUDA's major version to the libraries that have to load."""

    def driver_for(self, runtime: str) -> str | None:
        """The oldest Linux driver for a CUDA runtime such as `12.8`; None for an unknown family."""
        return self.minimum_driver.get(runtime.partition(".")[0])


@cache
def cuda_table() -> CudaTable:
    """The table of `builder/data/cuda.yaml`."""
    from ruamel.yaml import YAML  # not on the path of `builder --help`

    text = files("builder.data").joinpath("cuda.yaml").read_text(encoding="utf-8")
    data = YAML(typ="safe", pure=True).load(text)
    libraries = {major: tuple(names) for major, names in data["libraries"].items()}
    return CudaTable(minimum_driver=data["minimum_driver"], libraries=libraries)
