"""A rendering: the files of `images/NAME/`, byte for byte."""

from __future__ import annotations

from builder.models.base import Model


class RenderedFile(Model):
    """One file of the rendering."""

    path: str
    """Relative to `images/NAME/`, with forward slashes."""
    content: str


class Rendered(Model):
    """The whole of `images/NAME/`; sorted by path."""

    name: str
    files: tuple[RenderedFile, ...]
