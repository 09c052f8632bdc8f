"""Shell scripts taken apart by tree-sitter's grammar of bash: which commands run, what is assigned, what is written.

Comments, strings and the arguments of `echo` are what they are and no commands. Nothing is ever run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Final

from builder.audit.suspicion import is_marked
from builder.audit.text import Fragment, joined

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_WRITERS: Final = ("echo", "printf")
_PLAIN: Final = (
    "echo printf [ test cd rm mkdir cp mv cat ls grep set true : exit return local shift ln chmod chown touch tar "
    "cut tr sort head tail"
)
_HARMLESS: Final = frozenset(_PLAIN.split())
"""Commands whose words are no commands and no settings; not taken apart."""
_PARTS: Final = ("file_redirect", "heredoc_body", "command")


@dataclass(frozen=True)
class Word:
    """One word of a command, without its quotes."""

    text: str
    fragment: Fragment
    """What stands between the quotes."""
    start: int
    """In the script, quotes included."""
    end: int


@dataclass(frozen=True)
class Assignment:
    """`NAME=value`, for the script, for one command, or exported."""

    name: str
    value: str
    start: int
    end: int
    words: tuple[Word, ...] = ()
    """What a command is given that names it: of an array, or between blanks."""


@dataclass(frozen=True)
class Command:
    """A program and its arguments."""

    words: tuple[Word, ...]


@dataclass(frozen=True)
class Written:
    """What a script writes into a file, as far as it stands in the script itself."""

    target: str
    content: Fragment
    heredoc: bool


def parsed(script: Fragment, marked: Sequence[int]) -> Iterator[Command | Assignment | Written]:
    """What the script does at the offsets that are marked, in its order; the rest is passed by."""
    if not marked:
        return
    # One byte a character, so that the grammar's offsets are ours; what is not ASCII is a letter of a word to it.
    root = _parser().parse(script.text.encode("ascii", "replace")).root_node
    for node in _walk(root, marked):
        match node.type:
            case "command" if _name(node, script.text) not in _HARMLESS:
                yield Command(tuple(_words(node, script)))
                yield from _herestring(node, script)
            case "variable_assignment":
                yield from _assignment(node, script)
            case "redirected_statement":
                yield from _redirected(node, script)
            case "pipeline":
                yield from _tee(node, script)


@cache
def _parser() -> Parser:
    import tree_sitter_bash  # noqa: PLC0415 - not on the path of `builder --help`
    from tree_sitter import Language, Parser  # noqa: PLC0415

    return Parser(Language(tree_sitter_bash.language()))


def _walk(root: Node, marked: Sequence[int] | None = None) -> Iterator[Node]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if marked is None or is_marked(marked, node.start_byte, node.end_byte):
            yield node
            waiting += reversed(node.named_children)


def _name(command: Node, text: str) -> str:
    name = command.child_by_field_name("name")
    return text[name.start_byte : name.end_byte] if name is not None else ""


def _words(command: Node, script: Fragment) -> Iterator[Word]:
    for child in command.named_children:
        if child.type == "command_name":
            yield _word(child.named_children[0] if child.named_children else child, script)
        elif child.type not in ("variable_assignment", "file_redirect", "heredoc_redirect", "herestring_redirect"):
            yield _word(child, script)


def _word(node: Node, script: Fragment) -> Word:
    start, end = node.start_byte, node.end_byte
    begin, stop = _inside(script.text, start, end)
    inner = script.part(begin, stop)
    text = inner.text if node.type == "raw_string" else _unquoted(node, script.text)
    return Word(text, inner, start, end)


def _inside(text: str, start: int, end: int) -> tuple[int, int]:
    """Without the quotes around it."""
    begin = start + (text[start:end].startswith("$") and text[start + 1 : start + 2] in ("'", '"'))
    if end - begin >= 2 and text[begin] in "'\"" and text[end - 1] == text[begin]:
        return begin + 1, end - 1
    return start, end


def _unquoted(node: Node, text: str) -> str:
    if node.type == "concatenation":
        return "".join(_unquoted(child, text) for child in node.children)
    begin, stop = _inside(text, node.start_byte, node.end_byte)
    inner = text[begin:stop]
    if node.type in ("raw_string", "ansi_c_string"):
        return inner
    return re.sub(r"\\(\n|.)", lambda m: "" if m[1] == "\n" else m[1], inner, flags=re.DOTALL)


def _assignment(node: Node, script: Fragment) -> Iterator[Assignment]:
    name = node.child_by_field_name("name")
    if name is None or name.type != "variable_name":
        return
    value = node.child_by_field_name("value")
    word = _word(value, script) if value is not None else None
    named, text = script.text[name.start_byte : name.end_byte], word.text if word else ""
    if value is not None and value.type == "array":
        words = tuple(_word(child, script) for child in value.named_children)
        text = " ".join(w.text for w in words)
    else:
        words = tuple(_split(word, script)) if word else ()
    yield Assignment(named, text, node.start_byte, node.end_byte, words)


def _split(word: Word, script: Fragment) -> Iterator[Word]:
    begin = script.text.find(word.fragment.text, word.start)
    for found in re.finditer(r"\S+", word.fragment.text):
        start, end = begin + found.start(), begin + found.end()
        yield Word(found[0], script.part(start, end), start, end)


def _redirected(node: Node, script: Fragment) -> Iterator[Written]:
    """`echo ... > FILE`, `{ echo ...; } >> FILE`, `cat <<EOF > FILE`, `tee FILE <<EOF`."""
    body = node.child_by_field_name("body")
    while body is not None and body.type == "list":  # `a && b > FILE`: the grammar gives the redirection to both
        body = body.named_children[-1]
    parts = [child for child in node.named_children if child.type.endswith("_redirect")] + [body] * (body is not None)
    below = [n for part in parts if part for n in _walk(part) if n.type in _PARTS]
    bodies = [script.part(n.start_byte, n.end_byte) for n in below if n.type == "heredoc_body"]
    said = [_said(n, script) for n in below if n.type == "command"]
    fed = [n for n in below if n.type == "command"]
    targets = [*_targets(below, script), *(t for n in fed for t in _reads(n, script))]
    for target in targets:
        for content in bodies:
            yield Written(target, content, heredoc=True)
        if any(s.text for s in said):
            yield Written(target, _lined([s for s in said if s.text]), heredoc=False)


_INTERPRETERS: Final = {"python": ".py", "python3": ".py", "bash": ".sh", "sh": ".sh"}
"""What reads its standard input as a script, and the suffix that such a script's file would have."""


def _reads(command: Node, script: Fragment) -> Iterator[str]:
    """The files that the command makes of its standard input: `tee`'s, and the script that an interpreter takes."""
    words = [w.text for w in _words(command, script)]
    if "tee" in words[:3]:
        yield from (w for w in words[words.index("tee") + 1 :] if not w.startswith("-"))
    suffix = _INTERPRETERS.get(words[0].rpartition("/")[2]) if words else None
    if suffix and all(w.startswith("-") and w != "-c" for w in words[1:]):
        yield f"stdin{suffix}"


def _herestring(command: Node, script: Fragment) -> Iterator[Written]:
    """`tee FILE <<< TEXT`."""
    for node in command.named_children:
        if node.type == "herestring_redirect" and node.named_children:
            content = _word(node.named_children[0], script).fragment
            yield from (Written(target, content, heredoc=False) for target in _reads(command, script))


def _tee(node: Node, script: Fragment) -> Iterator[Written]:
    """`echo ... | sudo tee FILE`."""
    commands = [n for n in _walk(node) if n.type == "command"]
    said = [s for s in (_said(n, script) for n in commands) if s.text]
    for target in (t for n in commands for t in _reads(n, script)):
        if said:
            yield Written(target, _lined(said), heredoc=False)


def _targets(below: list[Node], script: Fragment) -> Iterator[str]:
    for redirect in (n for n in below if n.type == "file_redirect"):
        written = any(child.type in (">", ">>", ">|", "&>", "&>>") for child in redirect.children)
        target = redirect.child_by_field_name("destination")
        if written and target is not None:
            yield _word(target, script).text


def _said(command: Node, script: Fragment) -> Fragment:
    """What `echo` or `printf` prints: `\\n` becomes a line's end, in as many characters."""
    words = list(_words(command, script))
    if not words or words[0].text not in _WRITERS:
        return Fragment("")
    arguments = [w.fragment for w in words[1:] if not re.fullmatch(r"-[neE]+", w.text)]
    if words[0].text == "printf" and len(arguments) > 1 and "%s" in arguments[0].text:
        del arguments[0]
    shown = [Fragment(f.text.replace("\\n", " \n"), f.starts, f.origins) for f in arguments]
    return _lined(shown) if words[0].text == "printf" else _spaced(shown)


def _lined(parts: list[Fragment]) -> Fragment:
    return joined([piece for p in parts for piece in (p, _mark("\n", p))])


def _spaced(parts: list[Fragment]) -> Fragment:
    return joined([piece for p in parts for piece in (p, _mark(" ", p))])


def _mark(text: str, after: Fragment) -> Fragment:
    return Fragment(text, (0,), (after.at(len(after.text)),))
