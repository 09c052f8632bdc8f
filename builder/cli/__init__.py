"""The `builder` command; the only importer of typer and rich."""
