"""`predict`: what the model says to an input, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .command import parser
from .model import Deployed, RefusedError, folder

EXAMPLES = """\
the input is one sample or a batch, as
  JSON          a list of lists of numbers, or {"input": [...], ...} where the model has several inputs
  .npy, .npz    an array, or one for each input by its name

examples:
  predict --inputs                              what the model takes and gives
  predict sample.npy
  echo '[[0, 1, 2]]' | docker run -i --rm --network none IMAGE predict

MODEL_THREADS sets how many threads infer (default 1).
"""


def main(arguments: list[str]) -> int:
    """Reads an input, infers, writes one line of JSON."""
    options = parser("predict", "Infers: reads an input, writes the outputs as one line of JSON.", EXAMPLES)
    options.add_argument("file", nargs="?", default="-", help="the input; standard input if left out or `-`")
    options.add_argument("--inputs", action="store_true", help="say what the model takes and gives, and end")
    given = options.parse_args(arguments)
    model = Deployed(folder())
    if given.inputs:
        print(json.dumps({"model": model.title, **{k: model.manifest[k] for k in ("inputs", "outputs")}}))
        return 0
    data = _data(given.file)

    from .tensors import read

    outputs = model.run(read(data, model.inputs))
    print(json.dumps({"model": model.title, "outputs": {name: array.tolist() for name, array in outputs.items()}}))
    return 0


def _data(file: str) -> bytes:
    if file == "-":
        if sys.stdin.isatty():
            raise RefusedError("no input: name a file, or send one to standard input; --help has examples")
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise RefusedError(f"{file}: {error.strerror}") from None
