"""Plan, where Python is conda's: the installation at `/opt/conda`, the environment beside it, its packages. Pure."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from builder.conda.places import ROOT, home
from builder.conda.specs import split_spec
from builder.models.plan import Action, File, Layer, Link

if TYPE_CHECKING:
    from collections.abc import Iterable

    from builder.models.lock import CondaLock, CondaPackage, Lock


def prefix_of(name: str) -> str:
    """The environment of the recipe with that name."""
    return f"{ROOT}/envs/{name}"


def conda_ground(lock: Lock, conda: CondaLock, prefix: str, *, bundle: str, on: tuple[str, ...]) -> tuple[Layer, ...]:
    """The installation, which only the root file system is a reason to make again, and the environment's Python on it.

    on: the layers of the distribution.
    """
    copies = f"{ROOT}/lib/python{conda.installer_python}/site-packages"
    own = (f"{copies}/certifi/cacert.pem", f"{copies}/pip/_vendor/certifi/cacert.pem")
    base = Layer(
        name="conda-base",
        title=f"{conda.installer.name} {conda.installer.version} at {ROOT}",
        action=Action.INSTALL_CONDA,
        artifacts=(conda.installer.artifact,),
        links=tuple(Link(path=path, target=bundle) for path in own),
        on=on[:1] if lock.base.kind == "rootfs" else (),
    )
    title = f"Python {conda.python} and what it needs, at {prefix}"
    return (base, package_layer("conda-python", title, _with_python(conda), on=(*on, base.name)))


def package_layer(name: str, title: str, packages: Iterable[CondaPackage], *, on: tuple[str, ...]) -> Layer:
    """Conda packages, linked together."""
    ordered = sorted(packages, key=lambda package: package.name)
    records = json.dumps([_record(package) for package in ordered], indent=1, sort_keys=True) + "\n"
    return Layer(
        name=name,
        title=title,
        action=Action.LINK_PACKAGES,
        artifacts=tuple(package.artifact for package in ordered),
        inputs=(File(path="records.json", content=records),),
        on=on,
    )


def above_python(conda: CondaLock) -> tuple[CondaPackage, ...]:
    """Every package that is not Python's own layer's."""
    below = {package.name for package in _with_python(conda)}
    return tuple(package for package in conda.packages if package.name not in below)


def conda_files(conda: CondaLock, prefix: str, *, epoch: int) -> tuple[File, ...]:
    """What puts the environment on PATH in login shells, and what conda knows it by."""
    return (
        File(path="/etc/profile.d/environment.sh", content=_profile(prefix)),
        File(path=f"{prefix}/conda-meta/history", content=_history(conda, epoch)),
    )


CONDA_LINKS: Final = (Link(path="/etc/profile.d/conda.sh", target=f"{ROOT}/etc/profile.d/conda.sh"),)
"""`conda activate` in login shells, where the installation has it: a link that leads nowhere is no script."""


def conda_env(prefix: str) -> tuple[tuple[str, str], ...]:
    """What `conda activate` would have set: `conda install` and `conda activate OTHER` find where they are."""
    return tuple(_activated(prefix).items())


def certificate_copies(conda: CondaLock, prefix: str, packages: str) -> tuple[str, ...]:
    """Where OpenSSL and locked packages keep bundles of their own, certifi and pip aside from PyPI among them.

    packages: the environment's site-packages.
    """
    openssl = [f"{root}/ssl/{name}.pem" for root in (ROOT, prefix) for name in ("cacert", "cert")]
    copies = {"certifi": f"{packages}/certifi/cacert.pem", "pip": f"{packages}/pip/_vendor/certifi/cacert.pem"}
    return (*openssl, *(copies[package.name] for package in conda.packages if package.name in copies))


def _with_python(conda: CondaLock) -> tuple[CondaPackage, ...]:
    """Python and all that it depends on."""
    by_name = {package.name: package for package in conda.packages}
    found: dict[str, CondaPackage] = {}
    waiting = ["python"]
    while waiting:
        package = by_name.get(waiting.pop())
        if package and package.name not in found:
            found[package.name] = package
            waiting += [split_spec(spec)[0] for spec in package.depends]
    return tuple(found.values())


def _record(package: CondaPackage) -> dict[str, object]:
    """What the step needs to know of a package, with the addresses that conda would have had it from."""
    channel, _, subdir = package.artifact.source.rpartition("/")
    folder = f"{home(channel)}/{subdir}"
    same = ("name", "version", "build", "build_number", "noarch", "depends", "constrains", "md5")
    return {
        **package.model_dump(include=set(same)),
        "sha256": package.artifact.sha256,
        "size": package.artifact.size,
        "fn": package.artifact.filename,
        "subdir": subdir,
        "channel": folder,
        "url": f"{folder}/{package.artifact.filename}",
    }


def _activated(prefix: str) -> dict[str, str]:
    return {
        "CONDA_PREFIX": prefix,
        "CONDA_DEFAULT_ENV": prefix.rpartition("/")[2],
        "CONDA_SHLVL": "1",
        "CONDA_EXE": f"{ROOT}/bin/conda",
        "CONDA_PYTHON_EXE": f"{ROOT}/bin/python",
    }


def _profile(prefix: str) -> str:
    """/etc/profile sets PATH afresh for login shells; the image's own PATH reaches all others."""
    variables = " ".join(f"{name}={value}" for name, value in _activated(prefix).items())
    return f"""\
for folder in {ROOT}/condabin {prefix}/bin; do
    case ":$PATH:" in *":$folder:"*) ;; *) PATH="$folder:$PATH" ;; esac
done
unset folder
[ -n "${{CONDA_PREFIX:-}}" ] || export {variables}
export PATH
"""


def _history(conda: CondaLock, epoch: int) -> str:
    """As conda writes it, so that a later `conda install` keeps what the recipe asked for."""
    when = datetime.fromtimestamp(epoch, tz=timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
    linked = [f"+{p.artifact.source}::{p.name}-{p.version}-{p.build}\n" for p in conda.packages]
    return f"==> {when} <==\n# cmd: builder\n{''.join(linked)}# update specs: {list(conda.asked)!r}\n"
