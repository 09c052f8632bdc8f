from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from builder.models.base import sha256_of
from builder.models.report import CheckResult, Notice, Outcome, Report
from builder.report.junit import junit

IMAGE, OLDER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def result(name: str, outcome: Outcome, **more: Any) -> CheckResult:
    given = {"summary": "so it is", "seconds": 1.25, "key": sha256_of(name), "image": IMAGE}
    return CheckResult(name=name, outcome=outcome, **{**given, **more})


def suite(*results: CheckResult, notices: tuple[Notice, ...] = ()) -> ElementTree.Element:
    digest = sha256_of("x")
    report = Report(
        name="demo",
        image=IMAGE,
        recipe=digest,
        lock=digest,
        rendering=digest,
        engine="Engine 26",
        results=results,
        notices=notices,
    )
    root = ElementTree.fromstring(junit(report).encode())
    assert root.tag == "testsuites"
    return root[0]


def test_counts_are_the_outcomes() -> None:
    got = suite(*(result(o.value, o) for o in Outcome))
    keys = ("tests", "failures", "errors", "skipped", "time")
    assert [got.get(k) for k in keys] == ["5", "1", "1", "2", "6.250"]


def test_each_outcome_has_its_element_and_message() -> None:
    got = suite(*(result(o.value, o) for o in Outcome))
    elements = {case.get("name"): case[0].tag for case in got.iter("testcase")}
    assert elements == {
        "PASS": "system-out",
        "FAIL": "failure",
        "SKIP": "skipped",
        "ERROR": "error",
        "UNPROVEN": "skipped",
    }
    (unproven,) = [c for c in got.iter("testcase") if c.get("name") == "UNPROVEN"]
    assert unproven[0].get("message") == "UNPROVEN: so it is"


def test_text_is_escaped_and_what_xml_forbids_is_replaced() -> None:
    got = suite(result("x", Outcome.FAIL, summary='<b> & "\x00\x1b[31m\ud800'.encode("utf-8", "replace").decode()))
    assert got.find("testcase/failure").get("message") == 'FAIL: <b> & "\ufffd\ufffd[31m?'  # type: ignore[union-attr]


def test_carried_result_took_no_time_and_says_where_it_ran() -> None:
    got = suite(result("x", Outcome.PASS, image=OLDER))
    case = got.find("testcase")
    assert case is not None
    assert case.get("time") == "0.000"
    assert f"carried over from {OLDER}: nothing that it depends on has changed" in (case[0].text or "")


def test_image_and_engine_are_properties_and_notices_are_printed() -> None:
    got = suite(result("x", Outcome.PASS), notices=(Notice(subject="Debian 11", text="is over"),))
    found = {p.get("name"): p.get("value") for p in got.iter("property")}
    assert (found["image"], found["engine"]) == (IMAGE, "Engine 26")
    assert got.find("system-out").text == "Debian 11: is over"  # type: ignore[union-attr]
