# The first lines of every check: its arguments, and how it answers.
#
# Runs inside the image: standard library alone, Python 3.6 syntax.
# The real standard output is kept for the one line of the answer; whatever a library prints, also from C, goes to
# standard error.
import importlib
import json
import os
import re
import sys
import traceback
from types import TracebackType
from typing import Any, Dict, NoReturn, Optional, Tuple, Type

_answer = os.dup(1)
os.dup2(2, 1)

ARGS: Dict[str, Any] = json.loads(sys.argv[-1]) if sys.argv[-1].startswith("{") else {}


def finish(outcome: str, summary: str, **evidence: Any) -> NoReturn:
    """Answers and ends at once: a library that crashes while Python shuts down changes no verdict."""
    line = json.dumps({"outcome": outcome, "summary": summary, "evidence": evidence}, sort_keys=True, default=str)
    data = line.encode("utf-8", "backslashreplace") + b"\n"
    while data:
        data = data[os.write(_answer, data) :]
    os._exit(0)


def conclude(problems: "list[str]", summary: str, *, unseen: str = "", **evidence: Any) -> NoReturn:
    """PASS with the summary, or FAIL with the first problem in the summary and all of them in the evidence.

    unseen: what could not be looked at; where no problem was found elsewhere, that is an ERROR and no PASS.
    """
    if not problems:
        finish("ERROR" if unseen else "PASS", unseen or summary, **evidence)
    more = " (and {} more)".format(len(problems) - 1) if len(problems) > 1 else ""
    finish("FAIL", problems[0] + more, problems=problems, **evidence)


def load(module: str) -> Any:
    """The module, imported now."""
    return importlib.import_module(module)


def numbers(version: str) -> "Tuple[int, ...]":
    """The release part of a version: `2.8.0+cu128` gives (2, 8, 0)."""
    found = re.match(r"\d+(\.\d+)*", version.strip())
    return tuple(int(n) for n in found.group().split(".")) if found else ()


def meets(version: str, wanted: str) -> bool:
    """Whether a version is `9` (9 or 9.anything), or `>=9`, or `>=9,<9.12`."""
    return all(_meets(numbers(version), part.strip()) for part in wanted.split(","))


def _meets(have: "Tuple[int, ...]", part: str) -> bool:
    sign, text = re.match(r"(>=|<=|==|>|<|)\s*(.*)", part).groups()  # type: ignore[union-attr]
    want = numbers(text)
    if not have or not want:
        return False
    if sign in ("", "=="):
        return have[: len(want)] == want
    width = max(len(have), len(want))
    a, b = (n + (0,) * (width - len(n)) for n in (have, want))
    return {">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b}[sign]


def _crashed(kind: "Type[BaseException]", error: BaseException, trace: "Optional[TracebackType]") -> None:
    lines = "".join(traceback.format_exception(kind, error, trace)).strip().splitlines()
    text = lines[-1] if lines else kind.__name__
    finish("ERROR", "the check itself crashed: {}".format(text), traceback=lines[-12:])


sys.excepthook = _crashed
