"""In which order to name mirrors."""

from __future__ import annotations

from builder.mirrors.independence import Backend, Independence
from builder.mirrors.probe import LATE, Finding
from builder.mirrors.ranking import advised, best_first


def finding(mirror: str, subdir: str = "linux-64", **seen: object) -> Finding:
    data = {"mirror": mirror, "source": f"conda-forge/{subdir}", "up": True, **seen}
    return Finding.model_validate(data, strict=False)


def alone(*names: str) -> Independence:
    return Independence(source="conda-forge", backends=tuple(Backend(names=(n,)) for n in names))


def test_the_fastest_that_is_of_use_and_current_comes_first() -> None:
    found = [
        finding("down", up=False, cause="HTTP 403"),
        finding("slow", rate=1e6, first_byte=0.01),
        finding("stale", rate=9e9, late=LATE + 1),
        finding("no-package", rate=9e9, package="HTTP 403"),
        finding("fast", rate=2e6, first_byte=0.5),
    ]
    assert [f.mirror for f in best_first(found)] == ["fast", "slow", "stale", "no-package", "down"]
    order = advised(found, [alone("down", "slow", "stale", "no-package", "fast")])
    assert order == {"conda-forge": ("fast", "slow")}


def test_what_is_quick_to_answer_comes_first_where_nothing_tells_a_rate() -> None:
    found = [finding("a", first_byte=0.2), finding("b", first_byte=0.1)]
    assert advised(found, [alone("a", "b")]) == {"conda-forge": ("b", "a")}


def test_a_mirror_is_as_good_as_its_worse_subdir() -> None:
    found = [
        finding("a", rate=9e6),
        finding("a", "noarch", up=False, cause="HTTP 404"),
        finding("b", rate=8e6),
        finding("b", "noarch", rate=1e6),
        finding("c", rate=2e6),
        finding("c", "noarch", rate=2e6),
    ]
    assert advised(found, [alone("a", "b", "c")]) == {"conda-forge": ("c", "b")}


def test_of_one_backend_the_better_name_is_taken() -> None:
    found = [finding("a", rate=1e6), finding("b", rate=3e6), finding("c", rate=2e6)]
    shared = Independence(source="conda-forge", backends=(Backend(names=("a", "b"), why=("x",)), Backend(names=("c",))))
    assert advised(found, [shared]) == {"conda-forge": ("b", "c")}
