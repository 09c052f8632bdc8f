"""Python: requests without verification, TLS contexts that verify nothing. Read with Python's own parser."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

from builder.audit.finding import Hit
from builder.audit.parse import UnreadableError, python_tree
from builder.audit.text import Fragment
from builder.audit.variables import variable_hits

_VERBS: Final = ("get", "post", "put", "patch", "delete", "head", "options", "request", "send", "stream", "urlopen")
_CLIENTS: Final = ("Session", "Client", "AsyncClient", "ClientSession", "TCPConnector", "HTTPTransport", "ws_connect")
_SWITCHES: Final = {"verify": "PY001", "verify_ssl": "PY001", "ssl": "PY001", "check_hostname": "PY002"}


def python_hits(text: Fragment) -> Iterator[Hit]:
    """Every finding of the file."""
    try:
        tree = python_tree(text.text)
    except UnreadableError as error:
        yield error.hit(text)
        return
    begins = [0, *(i + 1 for i, c in enumerate(text.text) if c == "\n")]
    for node in ast.walk(tree):
        for rule, seen in _found(node):
            yield Hit(rule=rule, at=text.at(_offset(text.text, begins, node)), seen=seen)
        yield from _environment(text, begins, node)


def _found(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call):
        name = _last(node.func)
        for keyword in node.keywords:
            if isinstance(keyword.value, ast.Constant) and keyword.value.value is False:
                rule = _SWITCHES.get(keyword.arg or "")
                if rule and name in (*_VERBS, *_CLIENTS):
                    yield rule, f"{name}(..., {keyword.arg}=False)"
    elif isinstance(node, ast.Attribute | ast.Name) and _last(node) == "_create_unverified_context":
        yield "PY002", "ssl._create_unverified_context"
    elif isinstance(node, ast.Assign):
        target = node.targets[0]
        attribute = target.attr if isinstance(target, ast.Attribute) else ""
        off = isinstance(node.value, ast.Constant) and node.value.value is False
        if attribute == "verify_mode" and _last(node.value) == "CERT_NONE":
            yield "PY002", "verify_mode = CERT_NONE"
        elif attribute == "check_hostname" and off:
            yield "PY002", "check_hostname = False"
        elif attribute == "verify" and off and "session" in ast.dump(target).lower():
            yield "PY001", "session.verify = False"


def _environment(text: Fragment, begins: list[int], node: ast.AST) -> Iterator[Hit]:
    """`os.environ["NAME"] = "0"`."""
    if not (isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)):
        return
    target = node.targets[0]
    if (
        isinstance(target, ast.Subscript)
        and _last(target.value) == "environ"
        and isinstance(target.slice, ast.Constant)
    ):
        at = _offset(text.text, begins, node)
        yield from variable_hits(str(target.slice.value), str(node.value.value), text.part(at, len(text.text)))


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _offset(text: str, begins: list[int], node: ast.AST) -> int:
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    begin = begins[min(line, len(begins)) - 1]
    ahead = text[begin : begin + column].encode("utf-8", "surrogatepass")[:column]
    return min(begin + len(ahead.decode("utf-8", "ignore")), len(text))
