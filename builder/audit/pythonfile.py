"""Python: requests without verification, TLS contexts that verify nothing, commands. Read with Python's own parser."""

from __future__ import annotations

import ast
import shlex
from collections.abc import Iterator, Mapping
from typing import Final

from builder.audit.finding import Hit
from builder.audit.parse import UnreadableError, python_tree
from builder.audit.script import Reader, script_hits
from builder.audit.text import Fragment
from builder.audit.variables import variable_hits

_VERBS: Final = ("get", "post", "put", "patch", "delete", "head", "options", "request", "send", "stream", "urlopen")
_CLIENTS: Final = ("Session", "Client", "AsyncClient", "ClientSession", "TCPConnector", "HTTPTransport", "ws_connect")
_SWITCHES: Final = {"verify": "PY001", "verify_ssl": "PY001", "ssl": "PY001", "check_hostname": "PY002"}
_RUNNERS: Final = ("run", "call", "check_call", "check_output", "Popen", "system", "popen", "getoutput")
_SESSIONS: Final = ("s", "sess", "session", "client", "http", "requests")


class _Module:
    """A parsed text and where its nodes stand."""

    def __init__(self, text: Fragment) -> None:
        self.text, self.tree = text, python_tree(text.text)
        self._begins = [0, *(i + 1 for i, c in enumerate(text.text) if c == "\n")]

    def part(self, node: ast.expr | ast.stmt) -> Fragment:
        """The node's own text."""
        begin = self._offset(node.lineno, node.col_offset)
        return self.text.part(begin, self._offset(node.end_lineno or node.lineno, node.end_col_offset or 0))

    def _offset(self, line: int, column: int) -> int:
        """The parser counts bytes of UTF-8."""
        begin = self._begins[min(line, len(self._begins)) - 1]
        ahead = self.text.text[begin : begin + column].encode("utf-8", "surrogatepass")[:column]
        return min(begin + len(ahead.decode("utf-8", "ignore")), len(self.text.text))


def python_hits(text: Fragment, written: Reader) -> Iterator[Hit]:
    """Every finding of the file."""
    try:
        module = _Module(text)
    except UnreadableError as error:
        yield error.hit(text)
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.expr | ast.stmt):
            for rule, seen in _found(node):
                yield Hit(rule=rule, at=module.part(node).at(0), seen=seen)
            for name, value in _environment(node):
                yield from variable_hits(name, value, module.part(node))
        if isinstance(node, ast.Call) and _last(node.func) in _RUNNERS and node.args:
            yield from _command(module, node.args[0], written)


def _found(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Call):
        name = _last(node.func)
        for keyword, value in _keywords(node).items():
            rule = _SWITCHES.get(keyword)
            if rule and _is_false(value) and name in (*_VERBS, *_CLIENTS):
                yield rule, f"{name}(..., {keyword}=False)"
    elif isinstance(node, ast.Attribute | ast.Name) and _last(node) == "_create_unverified_context":
        yield "PY002", "ssl._create_unverified_context"
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Attribute):
        target = node.targets[0]
        if target.attr == "verify_mode" and _last(node.value) == "CERT_NONE":
            yield "PY002", "verify_mode = CERT_NONE"
        elif target.attr == "check_hostname" and _is_false(node.value):
            yield "PY002", "check_hostname = False"
        elif target.attr == "verify" and _is_false(node.value) and _is_session(target.value):
            yield "PY001", f"{_last(target.value)}.verify = False"


def _keywords(call: ast.Call) -> Mapping[str, ast.expr]:
    """By name, those in `**{"verify": False}` as well."""
    found: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        if keyword.arg:
            found[keyword.arg] = keyword.value
        elif isinstance(keyword.value, ast.Dict):
            found |= _constant_keys(keyword.value)
    return found


def _constant_keys(node: ast.Dict) -> dict[str, ast.expr]:
    pairs = zip(node.keys, node.values, strict=True)
    return {key.value: value for key, value in pairs if isinstance(key, ast.Constant) and isinstance(key.value, str)}


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_session(node: ast.expr) -> bool:
    name = _last(node).lower()
    return name in _SESSIONS or "session" in name


def _environment(node: ast.AST) -> Iterator[tuple[str, str]]:
    """`os.environ["NAME"] = "0"`, `os.environ.setdefault("NAME", "0")`, `os.environ.update({"NAME": "0"})`."""
    given: dict[str, ast.expr] = {}
    match node:
        case ast.Assign(targets=[ast.Subscript(value=place, slice=ast.Constant(value=str(name)))], value=value):
            given = {name: value} if _last(place) == "environ" else {}
        case ast.Call(func=ast.Attribute(value=place, attr=verb), args=arguments) if _last(place) == "environ":
            match verb, arguments:
                case "setdefault", [ast.Constant(value=str(name)), value]:
                    given = {name: value}
                case "update", [ast.Dict() as pairs]:
                    given = _constant_keys(pairs)
                case "update", []:
                    given = {**_keywords(node)}
        case ast.Call(func=ast.Attribute(attr="putenv"), args=[ast.Constant(value=str(name)), value]):
            given = {name: value}
    for name, value in given.items():
        if isinstance(value, ast.Constant):
            yield name, str(value.value)


def _command(module: _Module, given: ast.expr, written: Reader) -> Iterator[Hit]:
    """`os.system("curl -k ...")`, `subprocess.run(["curl", "-k", url])`: told at the whole list."""
    if isinstance(given, ast.Constant) and isinstance(given.value, str):
        script, at = given.value, module.part(given).at(0)
    elif isinstance(given, ast.List | ast.Tuple):
        script, at = shlex.join(map(_word, given.elts)), module.part(given).at(0)
    else:
        return
    for hit in script_hits(Fragment(script), written):
        yield Hit(rule=hit.rule, at=at, seen=hit.seen, wins=hit.wins)


def _word(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return "python" if _last(node) == "executable" else "$x"


def _last(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
