"""A batch of any length is inferred in calls of a bounded one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
import pytest

from builder.serving.model import CALL, Deployed


class Counted:
    """A session that tells how many samples each call had."""

    def __init__(self, session: Any) -> None:
        self.session, self.calls = session, []  # type: ignore[var-annotated]

    def run(self, names: list[str], inputs: dict[str, Any]) -> list[Any]:
        self.calls.append(len(next(iter(inputs.values()))))
        found: list[Any] = self.session.run(names, inputs)
        return found


def inferred(model: Deployed, batch: Any) -> tuple[Any, list[int]]:
    """The output, and the samples of each call."""
    model._session = counted = Counted(model.session())
    return model.run({"measured": batch})["group"], counted.calls


@pytest.mark.parametrize(
    ("number", "calls"), [(1, [1]), (CALL, [CALL]), (CALL + 1, [CALL, 1]), (3 * CALL, [CALL, CALL, CALL])]
)
def test_the_pieces_have_the_answers_of_the_whole(made: Path, number: int, calls: list[int]) -> None:
    batch = numpy.random.RandomState(0).randn(number, 16).astype("float32")
    seen, had = inferred(Deployed(made), batch)
    (whole,) = Deployed(made).session().run(["group"], {"measured": batch})
    assert had == calls
    assert numpy.array_equal(seen, whole)


def test_a_model_that_says_how_many_it_takes_is_called_with_them(made: Path) -> None:
    model = Deployed(made)
    model.outputs = tuple(type(each)(each.name, each.dtype, (64, 4)) for each in model.outputs)
    assert inferred(model, numpy.zeros((64, 16), "float32"))[1] == [64]
