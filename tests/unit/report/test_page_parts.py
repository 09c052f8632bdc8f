"""What the parts of the page are computed from."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from typing import Any

import page_examples as examples
import pytest

from builder.models.report import Outcome
from builder.report import words
from builder.report.certificates import certificates, common_name
from builder.report.evidence import evidence
from builder.report.provenance import LayerSeen
from builder.report.quality import quality
from builder.report.sizes import NARROW, WIDE, layers, packages, squares
from builder.report.tried import tried
from builder.report.verdict import verdict

# the verdict


@pytest.mark.parametrize(
    ("outcomes", "word", "said"),
    [
        ("PASS PASS", "Passed", "All 2 checks passed"),
        ("PASS", "Passed", "The one check passed"),
        ("PASS SKIP", "Passed", "Of 2 checks, 1 passed and 1 was skipped"),
        ("SKIP SKIP", "Not checked", "Of 2 checks, none passed and 2 were skipped"),
        ("", "Not checked", "Nothing was checked"),
        ("PASS UNPROVEN", "Unproven", "Of 2 checks, 1 passed; c1 is unproven"),
        ("ERROR PASS", "No verdict", "Of 2 checks, 1 passed; c0 could not be carried out"),
        ("ERROR FAIL FAIL", "Failed", "Of 3 checks, none passed; c1 and c2 failed; c0 could not be carried out"),
    ],
)
def test_verdict_says_what_passed_and_what_did_not(outcomes: str, word: str, said: str) -> None:
    report = examples.report(*(examples.result(f"c{n}", Outcome(o)) for n, o in enumerate(outcomes.split())))
    got = verdict(report, created=None, seal=None)
    assert (got.word, got.sentence) == (word, f"{said}. Image aaaaaaaaaaaa was given no tag by this report.")


def test_verdict_knows_whether_this_very_report_gave_tags() -> None:
    report, other = examples.report(examples.result("x")), examples.report(examples.result("y"))
    tagged = verdict(report, created=None, seal=examples.seal(report)).sentence
    assert tagged == "The one check passed. Image aaaaaaaaaaaa is tagged."
    assert "was given no tag by this report" in verdict(report, created=None, seal=examples.seal(other)).sentence


def test_verdict_names_the_day_of_creation() -> None:
    report = examples.report(examples.result("x"))
    assert (
        "Image aaaaaaaaaaaa, created 2026-11-17, was given no tag by this report."
        in verdict(report, created=1794908641, seal=None).sentence
    )


# sizes


def test_areas_of_the_map_are_in_proportion_and_fill_it() -> None:
    sizes = [60, 30, 20, 9, 4, 1.5, 0.5]
    places = squares(sizes, 1000, 400)
    for size, (_, _, width, height) in zip(sizes, places, strict=True):
        assert width * height == pytest.approx(size / sum(sizes) * 400_000, rel=1e-6)
    assert max(x + w for x, _, w, _ in places) == pytest.approx(1000)
    assert max(y + h for _, y, _, h in places) == pytest.approx(400)


def test_rectangles_do_not_overlap() -> None:
    places = squares([9, 7, 6, 3, 2, 2, 1, 1, 0.5], *NARROW)
    for at, (x, y, w, h) in enumerate(places):
        for other_x, other_y, other_w, other_h in places[at + 1 :]:
            apart = min(x + w, other_x + other_w) - max(x, other_x), min(y + h, other_y + other_h) - max(y, other_y)
            assert min(apart) < 1e-6


def test_map_has_every_package_by_itself_or_with_the_rest_of_its_kind() -> None:
    found = packages(examples.lock())
    assert sum(cell.size for cell in found.cells) == found.total == sum(one.size for one in found.all)
    assert [cell.name for cell in found.cells[:2]] == ["torch", "nvidia-cudnn-cu12"]
    rest = [cell for cell in found.cells if " more of " in cell.name]
    assert [cell.name.split(" more of ")[1] for cell in rest] == ["PyPI", "Debian"]
    assert [cell.label for cell in rest] == [f"+{cell.name.split()[0]}" for cell in rest]


@pytest.mark.parametrize("form", ["wide", "narrow"])
def test_rectangles_have_room_for_a_name(form: str) -> None:
    width, height = WIDE if form == "wide" else NARROW
    for cell in packages(examples.lock()).cells:
        _, _, across, down = getattr(cell, form)
        assert across * width / 100 >= 32, cell
        assert down * height / 100 >= 20, cell


def test_layers_are_measured_by_the_engine_else_by_their_files() -> None:
    measured = layers([examples.layer("a", 500), examples.layer("b", 1000)])
    assert (measured.measured, measured.total, [bar.share for bar in measured.bars]) == (True, 1500, [50, 100])
    unknown = layers([examples.layer("a", None), examples.layer("b", None)])
    assert (unknown.measured, unknown.total) == (False, 18)


# quantized models


def plot(*rows: dict[str, Any]) -> Any:
    return quality(examples.report(examples.result("onnx-export", evidence={"rows": list(rows)})))


def test_points_are_quality_against_speed() -> None:
    found = plot(*examples.ROWS)
    assert [(p.model, p.scheme, p.sqnr, round(p.ratio, 2)) for p in found.points] == [
        ("cnn", "static int8", 38.1, 0.5),
        ("cnn", "dynamic int8", 44.8, 2.0),
        ("mlp", "static int8", 17.5, 0.37),
    ]
    assert [p.chosen for p in found.points] == [True, False, False]
    assert [p.problems for p in found.points] == [(), (), ("SQNR is 17.5 dB, at least 20",)]
    assert (found.models, found.schemes) == (("cnn", "mlp"), ("static int8", "dynamic int8"))


def test_higher_is_better_and_left_is_faster() -> None:
    static, dynamic, _ = plot(*examples.ROWS).points
    assert static.x < dynamic.x
    assert static.y > dynamic.y  # percent from the top
    assert static.x < plot(*examples.ROWS).same < dynamic.x


def test_evidence_without_quantized_models_gives_no_plot() -> None:
    assert plot({"model": "cnn", "ms": 1.0}) is None
    assert plot({"sqnr_db": 30}) is None
    assert plot({"sqnr_db": True, "latency_ratio": "0.5"}) is None


def test_points_outside_are_drawn_at_the_edge() -> None:
    (point,) = plot({"sqnr_db": 200.0, "latency_ratio": 50.0}).points
    assert (point.x, point.y) == (100.0, 0.0)


def test_points_that_are_not_drawn_are_counted() -> None:
    found = plot(*({"sqnr_db": 30.0, "latency_ratio": 0.5} for _ in range(310)))
    assert (len(found.points), found.cut) == (300, 10)


# certificates


def test_days_are_counted_from_the_images_creation() -> None:
    found = certificates(examples.lock())
    assert all(one.days <= two.days for one, two in pairwise(found.anchors))
    assert sum(bar.count for bar in found.bars) == len(found.anchors)
    assert [years for years, _ in found.within] == [1, 2, 5]


def test_every_fifth_year_is_named_and_the_first() -> None:
    bars = certificates(examples.lock()).bars
    assert [bar.label for bar in bars if bar.label] == ["2026", "2030", "2035", "2040", "2045"]
    assert [bar.year for bar in bars[:3]] == ["2026", "2027", "2028"]


def test_few_years_are_all_named() -> None:
    trust = examples.lock().trust
    few = tuple(c for c in trust.certificates if c.not_after < "2031")
    lock = examples.lock().model_copy(update={"trust": trust.model_copy(update={"certificates": few})})
    assert [bar.label for bar in certificates(lock).bars] == ["2026", "2027", "2028", "2029", "2030"]


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("CN=ISRG Root X1,O=Internet Security Research Group,C=US", "ISRG Root X1"),
        ("O=SECOM Trust Systems Co.\\, Ltd.,C=JP", "SECOM Trust Systems Co., Ltd."),
        ("OU=Root+CN=Both,C=DE", "Both"),
        ("C=DE", "C=DE"),
    ],
)
def test_anchor_is_called_as_people_call_it(subject: str, name: str) -> None:
    assert common_name(subject) == name


# evidence


def test_flat_objects_are_a_table_with_what_names_a_row_first() -> None:
    rows: list[Any] = [{"bytes": 1, "chosen": True, "name": "a"}, {"bytes": 2, "name": "b", "problems": ["x", "y"]}]
    (_, shown), *_ = evidence({"rows": rows}, 10_000).root.pairs
    assert [header for header, _ in shown.headers] == ["name", "chosen", "bytes", "problems"]
    assert [number for _, number in shown.headers] == [False, False, True, False]
    assert [[cell.text for cell in row] for row in shown.rows] == [["a", "yes", "1", ""], ["b", "", "2", "x, y"]]


def test_nested_objects_are_no_table() -> None:
    (_, shown), *_ = evidence({"rows": [{"a": {"b": 1}}]}, 10_000).root.pairs
    assert shown.kind == "list"


def test_what_there_is_no_room_for_is_counted() -> None:
    got = evidence({"a": "x" * 5000}, 10_000)
    assert got.cut == 3500
    assert evidence({"a": "x"}, 10_000).cut == 0


# words


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_600, "1.0 MB"), (7_080_000_000, "7.1 GB")]
)
def test_sizes_are_decimal(count: int, text: str) -> None:
    assert words.size_text(count) == text


@pytest.mark.parametrize(("count", "text"), [(0, "none"), (1500, "+1.5 kB"), (-1500, "\u22121.5 kB")])
def test_differences_have_a_sign(count: int, text: str) -> None:
    assert words.change_text(count) == text


# the style sheet's colours, by WCAG 2.2

TEXT = 4.5
GRAPHIC = 3.0


def schemes() -> dict[str, dict[str, str]]:
    style = files("builder").joinpath("templates/report/style.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[:2]
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    return {"light": found, "dark": {**found, **dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark))}}


def contrast(one: str, two: str) -> float:
    """https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio"""
    bright, dim = sorted((_luminance(one), _luminance(two)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


PAIRS = [
    *((ink, paper, TEXT) for ink in ("ink", "soft") for paper in ("paper", "tint")),
    *((name, paper, TEXT) for name in ("good", "bad", "open", "mute") for paper in ("paper", "tint", f"{name}-tint")),
    *(("ink", f"{name}-tint", TEXT) for name in ("good", "bad", "open", "mute", "a", "b", "c")),
    *(("on-tint", f"{name}-tint", TEXT) for name in "abc"),
    ("a", "paper", TEXT),
    *((name, "paper", GRAPHIC) for name in "abcdef"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "paper", "least"), PAIRS)
def test_colours_are_told_apart(scheme: str, ink: str, paper: str, least: float) -> None:
    colours = schemes()[scheme]
    assert contrast(colours[ink], colours[paper]) >= least


def test_contrast_is_computed_as_the_standard_does() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # known to fail AA by a hair


# what was tried while a model was made


TRIED: dict[str, Any] = {
    "scheme": "static int8",
    "tried": [
        {"scheme": "dynamic int8", "sqnr_db": 12.25, "size_ratio": 0.3, "problems": ["SQNR is 12.2 dB, at least 20"]},
        {"scheme": "static int8", "sqnr_db": 41.2, "agreement": 0.9972, "size_ratio": 0.264, "problems": []},
    ],
}


def test_what_was_tried_has_a_column_for_what_was_measured() -> None:
    (table,) = tried(examples.report(examples.result("python"), examples.result("model", evidence=TRIED)))
    assert (table.check, table.headings) == ("model", ("SQNR, dB", "agreement", "size ratio"))
    assert [(way.scheme, way.cells, way.chosen, way.problems) for way in table.ways] == [
        ("dynamic int8", ("12.2", "", "0.300"), False, "SQNR is 12.2 dB, at least 20"),
        ("static int8", ("41.2", "99.7%", "0.264"), True, ""),
    ]


@pytest.mark.parametrize(
    "evidence", [{}, {"tried": []}, {"tried": "all"}, {"tried": [1, "x"]}, {"scheme": "none", "tried": None}]
)
def test_evidence_without_such_rows_gives_no_table(evidence: dict[str, Any]) -> None:
    assert tried(examples.report(examples.result("model", evidence=evidence))) == ()


def test_a_row_that_means_harm_is_shown_as_it_is() -> None:
    rows = [{"scheme": ["x"], "sqnr_db": True, "problems": [7, "a"]}, {"sqnr_db": float("nan")}]
    (table,) = tried(examples.report(examples.result("model", evidence={"tried": rows})))
    assert [(way.scheme, way.cells, way.problems) for way in table.ways] == [
        ("['x']", ("",), "a"),
        ("None", ("nan",), ""),
    ]


def test_a_layer_s_title_does_not_say_its_name_again() -> None:
    seen = [
        LayerSeen(name=name, title=title, digest="", size=1, artifacts=1)
        for name, title in (("wheel-torch", "torch 2.8.0"), ("trust", "The CA bundle"), ("apt", "apt"))
    ]
    assert [bar.title for bar in layers(seen).bars] == ["2.8.0", "The CA bundle", ""]
