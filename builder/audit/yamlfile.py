"""YAML of CI, Compose, Kubernetes, Ansible and conda, and package.json: scripts, variables, channels, files in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from builder.audit.commands import channel_hits
from builder.audit.finding import Hit
from builder.audit.kinds import CONFIGURATION, kind_of
from builder.audit.options import option_hits
from builder.audit.parse import UnreadableError, yaml_documents
from builder.audit.script import Reader, script_hits
from builder.audit.settings import requirements
from builder.audit.suspicion import suspicious
from builder.audit.text import Fragment
from builder.audit.urls import plain
from builder.audit.variables import variable_hits
from builder.audit.yamlnodes import of_items, scalar, together

_WORDS: Final = ("command", "entrypoint", "args", "test", "runcmd")
"""Commands that may be given word by word."""

_SCRIPTS: Final = (
    *_WORDS,
    *("run", "script", "before_script", "after_script", "bash", "sh", "shell", "cmd", "cmds", "commands", "entry"),
    *("postCreateCommand", "onCreateCommand", "postStartCommand", "updateContentCommand"),
)
_SCRIPT_MAPS: Final = ("scripts",)
"""Of package.json: scripts by their names."""

_VARIABLES: Final = ("env", "environment", "variables", "build-args", "containerEnv", "remoteEnv")
_VARIABLE_MAPS: Final = (*_VARIABLES, "args", "data", "vars", "env_vars")
"""Variables only where they are a mapping: Compose's build arguments, a ConfigMap."""

_CONDA_FILE: Final = re.compile(r"(environment|conda|mamba|env)[^/]*\.ya?ml$")
_CONDA_KEYS: Final = frozenset(
    ("dependencies", "packages", "specs", "activate-environment", "channel-priority", "python-version")
)
"""Beside one of these, `channels` are conda's and not a chat's."""


def yaml_hits(text: Fragment, path: str, written: Reader) -> Iterator[Hit]:
    """Every finding of the file."""
    if not suspicious(text.text):
        return
    try:
        documents = yaml_documents(text.text)
    except UnreadableError as error:
        yield error.hit(text)
        return
    of_conda = _CONDA_FILE.search(path) is not None
    for document in documents:
        for node, key in _nodes(document, of_conda=of_conda):
            yield from _node_hits(text, node, key, written)


def _nodes(root: Any, *, of_conda: bool) -> Iterator[tuple[Any, str]]:
    """Each node with the key that it is below, in the file's order; an anchor's once for each such key."""
    waiting: list[tuple[Any, str]] = [(root, "")]
    seen: set[tuple[int, str]] = set()
    while waiting:
        node, key = waiting.pop()
        if (id(node), key) in seen:
            continue
        seen.add((id(node), key))
        yield node, key
        if node.id == "mapping":
            waiting += reversed([(value, name) for name, value in _children(node, key, of_conda=of_conda)])
        elif node.id == "sequence":
            waiting += [(item, key) for item in reversed(node.value)]


def _children(node: Any, key: str, *, of_conda: bool) -> Iterator[tuple[str, Any]]:
    names = {str(name.value) for name, _ in node.value}
    for name, value in node.value:
        said = str(name.value).rpartition(".")[2]  # `ansible.builtin.shell`
        if said == "<<":
            yield key, value
        elif said == "run" and any(n.value == "shell" and "python" in str(v.value) for n, v in node.value):
            yield "run by python", value
        elif said != "channels" or of_conda or names & _CONDA_KEYS:
            yield said, value


def _node_hits(text: Fragment, node: Any, key: str, written: Reader) -> Iterator[Hit]:
    if node.id == "mapping":
        yield from _mapping_hits(text, node, key, written)
    elif node.id == "scalar":
        yield from _scalar_hits(text, node, key, written)
    elif key in _WORDS and all(n.id == "scalar" for n in node.value):
        for hit in script_hits(together(text, node.value), written):
            yield replace(hit, edits=of_items(text, node.value, hit.edits))


def _mapping_hits(text: Fragment, node: Any, key: str, written: Reader) -> Iterator[Hit]:
    scalars = {str(name.value): value for name, value in node.value if name.id == value.id == "scalar"}
    if key in _VARIABLE_MAPS:
        yield from _variables(text, node)
    if key in _SCRIPT_MAPS:
        for value in scalars.values():
            yield from script_hits(scalar(text, value), written)
    for name, value in scalars.items():  # a ConfigMap's `pip.conf: |`
        if kind_of(name) in CONFIGURATION and re.search(r"[\s:=]", value.value):
            yield from written(scalar(text, value), name)
    target = scalars.get("path") or scalars.get("dest")
    if target is not None and "content" in scalars:  # cloud-init's write_files, Ansible's copy
        yield from written(scalar(text, scalars["content"]), target.value)


def _variables(text: Fragment, node: Any) -> Iterator[Hit]:
    for name, value in node.value:
        if value.id == "mapping":  # GitLab's `NAME: {value: "0", description: ...}`
            value = next((v for n, v in value.value if n.value == "value"), value)  # noqa: PLW2901
        if name.id == value.id == "scalar":
            whole = text.part(name.start_mark.index, value.end_mark.index)
            yield from variable_hits(str(name.value), str(value.value), whole)
    given = {name.value: value for name, value in node.value if name.id == value.id == "scalar"}
    if {"name", "value"} <= set(given):  # a list of Kubernetes or Azure
        whole = text.part(node.start_mark.index, given["value"].end_mark.index)
        yield from variable_hits(given["name"].value, given["value"].value, whole)


_INSTALLED = re.compile(r"https?://\S+\.(?P<kind>conda|tar\.bz2|whl)$")


def _scalar_hits(text: Fragment, node: Any, key: str, written: Reader) -> Iterator[Hit]:
    inner = scalar(text, node)
    if key in _SCRIPTS:
        yield from script_hits(inner, written)
    elif key == "run by python":
        yield from written(inner, "run.py")
    elif key in _VARIABLES and "=" in node.value:
        name, _, given = node.value.partition("=")
        yield from variable_hits(name.strip(), given, inner)
    elif key == "channels":
        yield from channel_hits(inner)
    elif key in ("index-url", "extra-index-url"):
        yield from plain(inner, "PIP002")
    elif key == "url" and (found := _INSTALLED.fullmatch(inner.text)):  # conda-lock's
        yield from plain(inner, "PIP002" if found["kind"] == "whl" else "CONDA010")
    elif key == "pip":  # of an environment.yml: lines of a requirements file
        yield from (replace(hit, edits=()) for hit in requirements(inner))
    elif key == "extra_args":  # of Ansible's pip
        yield from option_hits(key, node.value, inner, "")
