# A recipe's own question: a program that has to end as the recipe says, with the output that it says.
import os
import re
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING, List, Optional

if TYPE_CHECKING:
    from builder.checks._prelude import ARGS, conclude, finish

LIMIT = 1 << 20  # bytes of each stream that are compared
SHOWN = 4000  # characters of each stream that a report shows


class Stream:
    """Reads all that a program writes, keeps the beginning and passes it on, so that a time limit shows it too."""

    def __init__(self, source: "IO[bytes]") -> None:
        self.kept, self.dropped, self.source = bytearray(), 0, source
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        for block in iter(lambda: os.read(self.source.fileno(), 65536), b""):
            room = max(0, LIMIT - len(self.kept))
            self.kept += block[:room]
            self.dropped += len(block) - len(block[:room])
            sys.stderr.buffer.write(block)
            sys.stderr.buffer.flush()

    def text(self) -> str:
        self.thread.join(10)  # what the program left running may keep the stream open
        return bytes(self.kept).decode("utf-8", "replace")


def matches(wanted: str, text: str) -> bool:
    """A text is in the output, letter for letter; `/.../` matches it as a regular expression; an empty one asks for
    silence."""
    if not wanted:
        return not text.strip()
    if is_expression(wanted):
        return re.search(wanted[1:-1], text, re.M) is not None
    return wanted in text


def is_expression(wanted: str) -> bool:
    return len(wanted) > 2 and wanted.startswith("/") and wanted.endswith("/")


def shown(text: str) -> "List[str]":
    """The end of an output, in lines."""
    cut = text if len(text) <= SHOWN else "... " + text[-SHOWN:]
    return cut.splitlines()[-40:]


def stream_problem(name: str, text: str) -> "Optional[str]":
    wanted = ARGS.get(name)
    if wanted is None or matches(wanted, text):
        return None
    last = (text.strip().splitlines() or ["nothing"])[-1][:200]
    if not wanted:
        return "{} should be empty and ends with `{}`".format(name, last)
    asked = "matches {}" if is_expression(wanted) else "has `{}`"
    return "no {} that {}: it ends with `{}`".format(name, asked.format(wanted), last)


def main() -> None:
    run = ARGS.get("run")
    if not run:
        finish("ERROR", "the recipe does not say what to run: write `command: {run: [python, -V]}`")
    argv = ["/bin/sh", "-c", run] if isinstance(run, str) else list(run)
    said = run if isinstance(run, str) else " ".join(run)
    try:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        finish("FAIL", "`{}` does not start: {}".format(said, error), run=run)
    assert process.stdout
    assert process.stderr
    out, err = Stream(process.stdout), Stream(process.stderr)
    code, wanted = process.wait(), ARGS.get("exit_code", 0)
    texts = {"stdout": out.text(), "stderr": err.text()}
    problems = [p for p in (stream_problem(name, text) for name, text in sorted(texts.items())) if p]
    if code != wanted:
        ended = "was ended by signal {}".format(-code) if code < 0 else "ended with exit code {}".format(code)
        last = (texts["stderr"].strip() or texts["stdout"].strip() or "no output").splitlines()[-1][:200]
        problems.insert(0, "`{}` {}, not {}: {}".format(said, ended, wanted, last))
    conclude(
        problems,
        "`{}` ended with exit code {}{}".format(said, code, " and the wanted output" if set(ARGS) & set(texts) else ""),
        run=run,
        exit_code=code,
        stdout=shown(texts["stdout"]),
        stderr=shown(texts["stderr"]),
        dropped_bytes=out.dropped + err.dropped,
    )


main()
