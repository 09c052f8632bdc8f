from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import page_examples as examples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from builder.models.report import Outcome, Proof
from builder.models.resolved import Moved
from builder.report.page import page
from builder.report.provenance import AnchorMoved, Predecessor

VOID = {"meta", "link", "path", "rect", "line", "circle", "br"}


class Parsed(HTMLParser):
    """What a browser would make of a page, as far as these tests ask."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def values(parsed: Parsed, name: str) -> list[str]:
    return [value for key, value in parsed.attributes if key == name]


def test_same_report_gives_the_same_bytes() -> None:
    given = (examples.usual(), examples.provenance(), examples.seal(examples.usual()))
    assert page(*given) == page(*given)


def test_every_tag_is_closed_and_no_id_is_given_twice() -> None:
    parsed = Parsed(page(examples.usual(), examples.provenance(), examples.seal(examples.usual())))
    assert parsed.open == []
    ids = values(parsed, "id")
    assert len(ids) == len(set(ids))
    assert {href[1:] for href in values(parsed, "href") if href.startswith("#")} <= set(ids)


def test_policy_allows_this_style_sheet_alone() -> None:
    text = page(examples.usual(), examples.provenance())
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    assert f'http-equiv="Content-Security-Policy" content="{policy}"' in text
    assert "style" not in {name for name, _ in Parsed(text).attributes}


def test_nothing_is_asked_of_a_network() -> None:
    parsed = Parsed(page(examples.usual(), examples.provenance(), beside=True))
    for name in ("src", "srcset", "action", "data", "poster", "xlink:href"):
        assert values(parsed, name) == []
    assert {href for href in values(parsed, "href") if not href.startswith(("#", "data:"))} == {
        f"{'a' * 64}.json",
        f"{'a' * 64}.xml",
    }


def test_page_that_goes_elsewhere_links_to_no_file() -> None:
    text = page(examples.usual(), examples.provenance())
    assert [href for href in values(Parsed(text), "href") if not href.startswith(("#", "data:"))] == []
    assert "<code>builder report demo --json</code>" in text


@pytest.mark.parametrize("text", examples.HARM)
def test_what_an_image_says_is_shown_and_not_run(text: str) -> None:
    shown = page(examples.harmful())
    assert " ".join(text.split()) in Parsed(shown).words
    if "<" in text:
        assert text not in shown


def test_harm_adds_no_tag_and_no_attribute() -> None:
    bad = Parsed(page(examples.harmful()))
    good = Parsed(page(examples.usual(), examples.provenance()))
    assert set(bad.tags) <= set(good.tags)
    assert {name for name, _ in bad.attributes} <= {name for name, _ in good.attributes} | {"open"}
    assert bad.open == []


def test_harm_in_a_lock_is_escaped_too() -> None:
    provenance = examples.harmful_provenance()
    report = examples.harmful().model_copy(update={"lock": provenance.lock.content_digest()})
    parsed = Parsed(page(report, provenance, examples.seal(report)))
    assert "script" not in parsed.tags
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]
    assert "<script>window.harm = 1</script>" in parsed.words


def test_an_unescaped_page_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    import jinja2

    from builder.report import page as module

    whole = jinja2.Environment
    monkeypatch.setattr(jinja2, "Environment", lambda **given: whole(**{**given, "autoescape": False}))
    module._template.cache_clear()
    try:
        assert "<script>window.harm = 1</script>" in page(examples.harmful())
    finally:
        module._template.cache_clear()


def test_characters_that_nobody_sees_are_shown() -> None:
    text = page(examples.report(examples.result("x", summary="a\u202eb\x1b[31m\x00c")))
    assert "a\u27e8U+202E\u27e9b\u241b[31m\u2400c" in text


JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=40),
    lambda inner: some.lists(inner, max_size=6) | some.dictionaries(some.text(max_size=12), inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=150, deadline=None)
@given(some.dictionaries(some.text(max_size=12), JSON, max_size=6))
def test_whatever_a_check_says_there_is_a_page(evidence: dict[str, Any]) -> None:
    text = page(examples.report(examples.result("x", evidence=evidence)))
    assert Parsed(text).open == []
    text.encode()


def test_endless_evidence_is_cut_and_says_so() -> None:
    evidence = {f"key {n}": "x" * 1000 for n in range(5000)}
    text = page(examples.report(*(examples.result(f"c{n}", evidence=evidence) for n in range(30))))
    assert len(text) < 700_000
    assert "characters of evidence are not on this page" in text


def test_check_that_no_page_was_made_for_is_shown_like_the_others() -> None:
    evidence = {"findings": [{"rule": "pip-trusted-host", "line": 3, "why": "x" * 60}], "level": "error", "none": []}
    words = Parsed(page(examples.report(examples.result("audit", Outcome.FAIL, evidence=evidence)))).words
    assert "audit" in words
    assert "rule why line pip-trusted-host" in words


def test_failed_checks_are_open_and_others_closed() -> None:
    text = page(examples.usual())
    assert re.findall(r'<details class="check"( open)?>\n<summary><h3>([\w-]+)', text) == [
        ("", "python"),
        (" open", "trust"),
        ("", "cuda"),
        ("", "nvidia-smi"),
        ("", "onnx-export"),
        ("", "secrets"),
        (" open", "command"),
    ]


def test_without_a_lock_the_page_says_what_it_cannot_show() -> None:
    words = Parsed(page(examples.usual())).words
    assert words.count("The lock was not kept with this report.") == 2
    assert "What came before was not kept with this report." in words


def test_provenance_of_another_lock_is_left_out() -> None:
    report = examples.usual().model_copy(update={"lock": "0" * 64})
    assert page(report, examples.provenance()) == page(report)


def test_seal_of_another_report_is_left_out() -> None:
    report = examples.usual()
    other = examples.seal(examples.report(examples.result("x")))
    assert page(report, None, other) == page(report)
    assert "demo:latest" in page(report, None, examples.seal(report))


def changed(**more: Any) -> str:
    before: dict[str, Any] = {
        "image": examples.OLDER,
        "outcomes": (("python", Outcome.PASS), ("trust", Outcome.PASS), ("gone", Outcome.PASS)),
        "layers": (examples.layer("rootfs", 180_000_000), examples.layer("trust", 250_000, "other")),
        "size": 6_180_250_000,
        "moved": (Moved(name="certifi", old="2026.8.1", new="2026.10.18"), Moved(name="numpy", old="2.0.2", new=None)),
        "anchors": (AnchorMoved(subject="CN=Old Root,C=DE", sha256="0" * 64, not_after="2027-01-01", new=False),),
    }
    provenance = examples.provenance(previous=Predecessor(**{**before, **more}))
    return Parsed(page(examples.usual(), provenance)).words


def test_changes_against_the_image_before_are_named() -> None:
    words = changed()
    assert "It had 6.2 GB, this one has 6.2 GB; difference: +50.0 kB." in words
    assert "trust PASS FAIL" in words
    assert "gone PASS not asked" in words
    assert "2 packages moved. package before now certifi 2026.8.1 2026.10.18 numpy 2.0.2 gone" in words
    assert "Old Root no longer trusted 2027-01-01" in words
    assert "2 layers of other content, 1 the same." in words
    assert "wheels not there 6.0 GB trust 250 kB 300 kB +50.0 kB" in words


def test_what_was_not_kept_of_the_image_before_is_not_made_up() -> None:
    words = changed(layers=(), moved=None, anchors=None, size=None)
    assert "That image's lock was not kept." in words
    assert "That image's layers were not kept." in words
    assert "difference" not in words


def test_first_image_of_a_name_says_so() -> None:
    assert "This is the first image of this name." in page(examples.usual(), examples.provenance())


def test_head_has_the_versions_that_were_measured() -> None:
    assert "Measured in the running image python 3.9.2, libc 2.31 Checked on" in Parsed(page(examples.usual())).words


def test_version_that_a_failed_check_read_is_not_said() -> None:
    report = examples.report(examples.result("python", Outcome.FAIL, evidence={"measured": examples.MEASURED}))
    assert "Measured in the running image" not in page(report)


def test_host_that_proved_a_check_is_named() -> None:
    proof = Proof(engine="Engine 28", host="gpu-3")
    words = Parsed(page(examples.report(examples.result("nvidia-smi", proven=proof)))).words
    assert "Answered by Engine 28 on gpu-3, where it could be proven." in words


def test_the_page_says_who_can_prove_what_is_unproven() -> None:
    unproven = examples.report(examples.result("nvidia-smi", Outcome.UNPROVEN))
    said = "What is unproven, builder prove demo --engine ssh://HOST asks on a host that can."
    assert said in Parsed(page(unproven)).words
    assert "builder prove" not in page(examples.report(examples.result("python")))


def test_tags_stand_once() -> None:
    report = examples.report(examples.result("python"))
    assert Parsed(page(report, seal=examples.seal(report))).words.count("demo:latest") == 1


def test_what_was_tried_is_a_table_where_nothing_was_timed() -> None:
    rows = [
        {"scheme": "dynamic int8", "sqnr_db": 12.0, "problems": ["too far"]},
        {"scheme": "static int8", "sqnr_db": 41.2},
    ]
    result = examples.result("model", evidence={"scheme": "static int8", "tried": rows})
    words = Parsed(page(examples.report(result))).words
    assert "No check of this report quantized a model." not in words
    assert "quantization SQNR, dB out of bounds dynamic int8 12.0 too far static int8 (chosen) 41.2" in words


def test_a_carried_result_may_have_been_asked_by_another_engine() -> None:
    own, carried = examples.result("python"), examples.result("cuda", image=examples.OLDER)
    assert (
        "Engine 26.1.5; what is carried over, perhaps on another" in Parsed(page(examples.report(own, carried))).words
    )
    assert "carried over" not in page(examples.report(own))
