"""The baked `.condarc`: channels, mirrors and trust, as conda 23.5 to 26.x, mamba 2 and micromamba read them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from builder.errors import RecipeError
from builder.trust.layout import BUNDLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Template

    from builder.models.recipe import Conda, Recipe


def condarc(recipe: Recipe, channels: tuple[str, ...], roots: Mapping[str, tuple[str, ...]]) -> str:
    """The text of the file.

    channels: by name, in order of priority. roots: of each channel by its name, in order of preference; a channel
    without any is asked where conda itself would. Raises RecipeError for what conda cannot be told safely.
    """
    known = {name: roots[name] for name in channels if roots.get(name)}
    _refuse_dead(channels)
    for name, urls in known.items():
        for url in urls:
            refuse_unsafe(url, what=f"a mirror of {name}")
    return _template().render(
        recipe=recipe.name,
        channels=channels,
        defaults=[urls[0] for name, urls in known.items() if name.startswith("pkgs/")],
        custom=[(name, _above(name, urls[0])) for name, urls in known.items()],
        mirrored=_mirrored(channels, known),
        bundle=BUNDLE,
        accepted=_accepted(recipe.conda) if any(name.startswith("pkgs/") for name in channels) else "",
    )


def refuse_unsafe(url: str, *, what: str) -> None:
    """Raises RecipeError for what is not an https address of a folder, or holds a password."""
    parts = urlsplit(url)
    plain = parts.hostname and not (parts.query or parts.fragment or parts.username or parts.password)
    if parts.scheme == "https" and plain and not any(c.isspace() or c in "\"'{}[]#\\" for c in url):
        return
    raise RecipeError(
        f"{what} cannot be written into an image: it has to be an https address, without a password",
        seen=url if not parts.password else f"{parts.scheme}://{parts.hostname}/... with a password",
        remedy="name another mirror in the recipe's `mirrors`, or give its https address",
    )


def _refuse_dead(channels: tuple[str, ...]) -> None:
    """`pkgs/free` was dropped from conda's defaults in 4.7; what is in it is as old."""
    if "pkgs/free" in channels:
        raise RecipeError(
            "the channel pkgs/free is dead: nothing was added to it since 2017, and conda 25.9 no longer knows it",
            where="conda.channels",
            remedy="take it out; conda-forge has what it had",
        )


def _above(name: str, url: str) -> str:
    """The folder that a channel's folder lies in: conda puts the name behind it."""
    base = url.removesuffix(f"/{name}")
    if base == url:
        raise RecipeError(
            f"conda cannot be told of a mirror of {name} whose address does not end with /{name}",
            seen=url,
            remedy="name another mirror of it first in the recipe's `conda.mirrors`",
        )
    return base


def _mirrored(channels: tuple[str, ...], known: Mapping[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """What mamba may be told without losing the order of the channels.

    It ranks every mirrored channel above all others, and them by the alphabet (libmamba's channel_loader.cpp walks a
    std::map first), whatever `channels` says. Where that is another order, it is not told.
    """
    if tuple(sorted(known)) != channels or all(len(urls) == 1 for urls in known.values()):
        return []
    return sorted(known.items())


def _accepted(conda: Conda | None) -> str:
    """Who accepted Anaconda's terms and when; empty when nobody did."""
    if conda is None or not conda.accept_terms:
        return ""
    by, on = conda.accepted_by or "nobody named", conda.accepted_on or "no day"
    return f"by {' '.join(by.split())} on {on}"


def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - only rendering pays for it

    loader = PackageLoader("builder")
    plain = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)  # noqa: S701 - YAML is no HTML
    return plain.get_template("condarc.j2")
