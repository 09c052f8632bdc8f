from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from builder.models.base import sha256_of
from builder.models.report import CheckResult, Notice, Outcome, Proof, Report
from builder.report.junit import junit

IMAGE, OLDER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def result(name: str, outcome: Outcome, **more: Any) -> CheckResult:
    given = {"summary": "so it is", "seconds": 1.25, "key": sha256_of(name), "image": IMAGE}
    return CheckResult(name=name, outcome=outcome, **{**given, **more})


def document(*results: CheckResult, notices: tuple[Notice, ...] = ()) -> ElementTree.Element:
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
    return root


def suite(*results: CheckResult, notices: tuple[Notice, ...] = ()) -> ElementTree.Element:
    return document(*results, notices=notices)[0]


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


SHAPE: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": ({"testsuite"}, set(), {"name", "time", "tests", "failures", "errors"}),
    "testsuite": (
        {"testsuite", "properties", "testcase", "system-out", "system-err"},
        {"name", "tests", "failures", "errors"},
        {"time", "skipped", "group", "timestamp", "hostname", "id", "package", "file", "log", "url"},
    ),
    "properties": ({"property"}, set(), set()),
    "property": (set(), {"name", "value"}, set()),
    "testcase": (
        {"skipped", "error", "failure", "system-out", "system-err"},
        {"name"},
        {"time", "classname", "group"},
    ),
    "failure": (set(), set(), {"type", "message"}),
    "error": (set(), set(), {"type", "message"}),
    "skipped": (set(), set(), {"type", "message"}),
    "system-out": (set(), set(), set()),
}
"""Of each element of Jenkins' junit-10.xsd: the children, the required attributes, the optional ones."""

SECONDS = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")
"""That schema's SUREFIRE_TIME."""


def misshapen(root: ElementTree.Element) -> list[str]:
    """What Jenkins' schema would refuse."""
    found = []
    for element in root.iter():
        children, required, optional = SHAPE[element.tag]
        found += [f"{element.tag} has no {name}" for name in sorted(required - set(element.keys()))]
        found += [f"{element.tag} with {name}" for name in sorted(set(element.keys()) - required - optional)]
        found += [f"{child.tag} in {element.tag}" for child in element if child.tag not in children]
        if element.tag.startswith("testsuite") and not SECONDS.fullmatch(element.get("time", "")):
            found.append(f"time {element.get('time')}")
    return found


def test_shape_is_that_of_jenkins_schema() -> None:
    notices = (Notice(subject="Debian 11", text="is over"),)
    results = [result(o.value, o, seconds=1234.5, evidence={"<&>": ["\x00"]}) for o in Outcome]
    assert misshapen(document(*results, notices=notices)) == []


def test_other_shapes_are_seen() -> None:
    root = document(result("x", Outcome.PASS))
    root.set("skipped", "0")
    ElementTree.SubElement(root[0], "failure")
    root[0].set("time", "1 s")
    del root[0].attrib["errors"]
    assert misshapen(root) == [
        "testsuites with skipped",
        "testsuite has no errors",
        "failure in testsuite",
        "time 1 s",
    ]


def test_text_of_a_failure_begins_with_its_message_because_gitlab_shows_the_text() -> None:
    got = suite(result("x", Outcome.FAIL, evidence={"seen": 1}))
    assert got.find("testcase/failure").text == 'FAIL: so it is\n{\n "seen": 1\n}'  # type: ignore[union-attr]


def test_result_of_another_engine_says_whose_it_is() -> None:
    passed, failed = (
        result(o.value, o, proven=Proof(engine="Engine 28", host="gpu")) for o in (Outcome.PASS, Outcome.FAIL)
    )
    texts = [case[0].text or "" for case in suite(passed, failed).iter("testcase")]
    assert ["\nanswered by Engine 28 on gpu\n" in text for text in texts] == [True, True]
