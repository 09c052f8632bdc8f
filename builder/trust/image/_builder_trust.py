"""Keeps this Python's clients on the image's one CA bundle. Written by builder, started by `_builder_trust.pth`.

The image's variables say it as well, and win. This holds where none of them reaches (`env -i`, cron, sudo), and after
`pip install -U certifi` or `conda update` brought bundles of their own. Standard library, Python 3.6 syntax, and no
import that Python has not made by then: it runs each time that Python starts.
"""
# ruff: noqa: ARG003, ARG005, PLC0415, PTH113, PTH123

import os
import sys

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


class Certifi:
    """Finds certifi, and pip's own copy of it, as ever; but what they name is the image's bundle."""

    names = ("certifi.core", "pip._vendor.certifi.core")

    @classmethod
    def find_spec(cls, name, path=None, target=None):  # type: ignore[no-untyped-def]
        if name not in cls.names:
            return None
        from importlib.machinery import PathFinder

        spec = PathFinder.find_spec(name, path)
        loader = getattr(spec, "loader", None)
        run = getattr(loader, "exec_module", lambda module: None)

        def exec_module(module):  # type: ignore[no-untyped-def]
            run(module)
            module.where, module.contents = where, contents

        if hasattr(loader, "exec_module"):
            setattr(loader, "exec_module", exec_module)  # noqa: B010 - this one loader's, not its class's
        return spec


def where() -> str:
    return BUNDLE


def contents() -> str:
    with open(BUNDLE, encoding="ascii") as file:
        return file.read()


if os.path.isfile(BUNDLE):
    os.environ.setdefault("SSL_CERT_FILE", BUNDLE)
    sys.meta_path.insert(0, Certifi)
