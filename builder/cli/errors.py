"""The one place where errors are caught, told and turned into an exit code."""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn, TextIO

from builder.errors import BuilderError, DiskError, Fault

USAGE: Final = 2
INTERNAL: Final = 70
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141
_OTHER_CODES: Final = (
    (0, "done"),
    (USAGE, "The command line itself is wrong."),
    (INTERNAL, "A fault of builder's own."),
    (INTERRUPTED, "Interrupted (129 when the terminal closed, 143 when terminated)."),
)
_OTHER_KINDS: Final = {USAGE: "usage", INTERNAL: "internal", 129: "interrupted", 130: "interrupted", 143: "interrupted"}
_MANY, _FIRST = 25, 20
"""Faults that are all shown to a person; of more, so many."""
_OF_THE_DISK: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
"""With the path of a file; a program that is not there has only a name."""


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP: unwinds as Ctrl-C does, so that every `finally` runs."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def handle_signals() -> None:
    """Makes SIGTERM and SIGHUP unwind the stack; the main thread has to call it. A signal that is ignored stays so."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _terminate)


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # a second one must not cut the cleaning up short
    raise Terminated(number)


def exit_codes() -> tuple[tuple[int, str], ...]:
    """Every exit code and what it means, by code; read off the tree of errors."""
    tree = ((kind.exit_code, (kind.__doc__ or "").partition("\n")[0]) for kind in _tree(BuilderError))
    return tuple(sorted((*_OTHER_CODES, *tree)))


def _tree(root: type[BuilderError]) -> Iterator[type[BuilderError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def report(error: BaseException, *, as_json: bool = False) -> int:
    """Tells the error, on standard error or as one JSON object on standard output; gives its exit code."""
    if isinstance(error, BrokenPipeError) and _reader_is_gone():
        return _leave_quietly()
    if isinstance(error, KeyboardInterrupt):
        return _tell(
            _interrupted(error), as_json, INTERRUPTED if not isinstance(error, Terminated) else 128 + error.number
        )
    if isinstance(error, BuilderError):
        return _tell(error, as_json, error.exit_code)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _tell(_disk_full(error), as_json, DiskError.exit_code)
    if isinstance(error, OSError) and error.errno in _OF_THE_DISK and os.sep in str(error.filename):
        return _tell(_unusable(error), as_json, DiskError.exit_code)
    if os.environ.get("BUILDER_DEBUG") == "1":
        traceback.print_exception(error, file=sys.stderr)
    return _tell(_unexpected(error), as_json, INTERNAL)


def report_usage(what: str, remedy: str) -> int:
    """Tells a wrong command line as JSON; gives its exit code."""
    return _tell(BuilderError(what, remedy=remedy), True, USAGE)


def _interrupted(error: KeyboardInterrupt) -> BuilderError:
    name = signal.Signals(error.number).name if isinstance(error, Terminated) else None
    return BuilderError("interrupted; nothing half-written", seen=name)


def _disk_full(error: OSError) -> DiskError:
    where = str(error.filename) if error.filename else None
    remedy = "make room, and run the same command again"
    return DiskError("no room left on the disk", where=where, seen=error.strerror, remedy=remedy)


def _unusable(error: OSError) -> DiskError:
    remedy = "see that the folder is there and may be written; BUILDER_STORE and BUILDER_STATE name others"
    return DiskError("a file cannot be read or written", where=str(error.filename), seen=error.strerror, remedy=remedy)


def _unexpected(error: BaseException) -> BuilderError:
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{Path(frames[-1].filename).name}:{frames[-1].lineno} ({frames[-1].name})" if frames else None
    return BuilderError(
        "builder itself failed",
        where=where,
        seen=f"{type(error).__name__}: {error}",
        remedy="run it again with BUILDER_DEBUG=1 and report what it prints, with the recipe",
    )


def tell(error: BuilderError) -> None:
    """For people, on standard error."""
    sys.stderr.write(text_of(error, colour=_colour(sys.stderr)))


def document(error: BuilderError, code: int) -> dict[str, object]:
    """For machines."""
    fields = {
        "kind": _OTHER_KINDS.get(code, error.kind),
        "what": error.what,
        "where": error.where,
        "seen": error.seen,
        "remedy": error.remedy,
    }
    return {"error": {**fields, "faults": [asdict(f) for f in error.faults]}, "exit_code": code}


def _tell(error: BuilderError, as_json: bool, code: int) -> int:
    if not as_json:
        tell(error)
        return code
    import json

    try:
        print(json.dumps(document(error, code), indent=2), flush=True)
    except BrokenPipeError:
        _leave_quietly()
    return code


def text_of(error: BuilderError, *, colour: bool = False) -> str:
    """An error for people: what, where, what was seen, what to do; then its faults in the order that they came.

    Of very many only the first: what to do must not be lost above them. `document` has them all.
    """
    word = "\033[1;31merror:\033[0m" if colour else "error:"
    lines = [f"{word} {_clean(error.what)}", *_details(error, "  ")]
    shown = error.faults if len(error.faults) <= _MANY else error.faults[:_FIRST]
    for fault in shown:
        lines += ["", f"  - {_clean(fault.what)}", *_details(fault, "    ")]
    if more := len(error.faults) - len(shown):
        lines += ["", f"  - and {more} more, which `--json` has"]
    return "\n".join(lines) + "\n"


def _details(of: BuilderError | Fault, indent: str) -> Iterator[str]:
    for label, value in (("where", of.where), ("seen", of.seen), ("to do", of.remedy)):
        if value:
            first, *more = _clean(value).splitlines() or [""]
            yield f"{indent}{label}: {first}"
            yield from (f"{indent}{' ' * (len(label) + 2)}{line}" for line in more)


def _clean(text: str) -> str:
    """Control characters shown, not obeyed: what was seen may come from a server or a build log."""
    return "".join(c if c == "\n" or c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _colour(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _reader_is_gone() -> bool:
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    except (OSError, ValueError):
        return False


def _leave_quietly() -> int:
    """Nobody reads standard output any more (`| head`): what is still buffered goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE
