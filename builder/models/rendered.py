"""A rendering: the files of `images/NAME/`, byte for byte."""

from __future__ import annotations

from builder.models.base import Model, Sha256


class RenderedFile(Model):
    """One file of the rendering."""

    path: str
    """Relative to `images/NAME/`, with forward slashes."""
    content: str


class Rendered(Model):
    """The whole of `images/NAME/`; sorted by path."""

    name: str
    digest: Sha256
    """Of all files, as they are without the label that holds this digest."""
    files: tuple[RenderedFile, ...]
