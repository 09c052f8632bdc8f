"""The report's page in a real browser: it asks for nothing, runs nothing, and can be read on every screen."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import page_examples as examples
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from builder.models.report import Outcome
from builder.models.resolved import Moved
from builder.report.page import page as written
from builder.report.provenance import Predecessor

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESK, PHONE, SMALLEST = 1100, 390, 320
"""Pixels across; the last is what WCAG 2.2 asks for (1.4.10)."""

OPEN_ALL = "() => document.querySelectorAll('details').forEach(one => { one.open = true })"
WIDER_THAN_SCREEN = "() => document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium to read the page with")
    nowhere = "--host-resolver-rules=MAP * ~NOTFOUND"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[nowhere], timeout=60_000)
        yield started
        started.close()


class Seen:
    """A page in the browser, with all that it asked for and complained of."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page, self.own = page, path.as_uri()
        self.asked: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.set_default_timeout(20_000)
        page.goto(self.own)

    @property
    def elsewhere(self) -> list[str]:
        return [url for url in self.asked if url != self.own and not url.startswith("data:")]


Show = Callable[..., Seen]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Show]:
    contexts = []

    def shown(text: str, *, width: int = DESK, scheme: Any = "light", **more: Any) -> Seen:
        path = tmp_path / "page.html"
        path.write_text(text, encoding="utf-8")
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, **more)  # type: ignore[arg-type]
        contexts.append(context)
        return Seen(context.new_page(), path)

    yield shown
    for context in contexts:
        context.close()


def usual() -> str:
    """The page with every section filled."""
    report = examples.usual()
    before = Predecessor(
        image=examples.OLDER,
        outcomes=(("trust", Outcome.PASS),),
        layers=(examples.layer("rootfs", 180_000_000), examples.layer("trust", 250_000, "other")),
        size=6_180_250_000,
        moved=(Moved(name="certifi", old="2026.8.1", new="2026.10.18"),),
    )
    return written(report, examples.provenance(previous=before), examples.seal(report), beside=True)


def harmful() -> str:
    provenance = examples.harmful_provenance()
    report = examples.harmful().model_copy(update={"lock": provenance.lock.content_digest()})
    return written(report, provenance, examples.seal(report))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_asks_for_nothing_and_has_no_complaint(show: Show, scheme: str) -> None:
    seen = show(usual(), scheme=scheme)
    seen.page.evaluate(OPEN_ALL)
    seen.page.wait_for_timeout(300)
    assert (seen.elsewhere, seen.said) == ([], [])
    assert seen.asked == [seen.own]
    assert seen.page.title() == "demo: failed"


def test_harmful_image_runs_nothing_and_reaches_nobody(show: Show) -> None:
    seen = show(harmful())
    seen.page.evaluate(OPEN_ALL)
    seen.page.wait_for_timeout(300)
    assert seen.page.evaluate("window.harm") is None
    assert (seen.elsewhere, seen.said) == ([], [])
    assert seen.page.evaluate("document.querySelectorAll('script, iframe, img, body[onload], [onerror]').length") == 0
    assert "<script>window.harm = 1</script>" in seen.page.inner_text("main")


HOLE = "<script>window.harm = 1</script><img src='http://192.0.2.1/x.png'><b style='color: red'>x</b>"


def test_policy_holds_what_escaping_would_let_through(show: Show) -> None:
    seen = show(usual().replace("<main>", f"<main>{HOLE}"))
    assert seen.page.evaluate("window.harm") is None
    assert len([text for text in seen.said if "Content Security Policy" in text]) == 3


def test_what_is_run_and_asked_for_would_be_seen(show: Show) -> None:
    text = usual().replace("<main>", f"<main>{HOLE}").replace("Content-Security-Policy", "x-nothing")
    seen = show(text)
    assert seen.page.evaluate("window.harm") == 1
    assert seen.elsewhere == ["http://192.0.2.1/x.png"]


@pytest.mark.parametrize("width", [PHONE, SMALLEST])
@pytest.mark.parametrize("make", [usual, harmful])
def test_no_page_is_wider_than_a_phone(show: Show, width: int, make: Callable[[], str]) -> None:
    seen = show(make(), width=width)
    assert not seen.page.evaluate(WIDER_THAN_SCREEN)
    seen.page.evaluate(OPEN_ALL)
    assert not seen.page.evaluate(WIDER_THAN_SCREEN)


def test_wide_page_would_be_seen(show: Show) -> None:
    seen = show(usual().replace("<main>", "<main><pre>" + "x" * 400 + "</pre>"), width=PHONE)
    assert seen.page.evaluate(WIDER_THAN_SCREEN)


@pytest.mark.parametrize(("scheme", "width"), [("light", DESK), ("dark", PHONE)])
def test_page_meets_wcag_2_aa(show: Show, scheme: str, width: int) -> None:
    seen = show(usual(), scheme=scheme, width=width)
    seen.page.evaluate(OPEN_ALL)
    assert _violations(seen.page) == []


def test_what_wcag_forbids_would_be_seen(show: Show) -> None:
    faults = "<img src='data:,'><button></button><p class='faint'>faint words</p>"
    seen = show(usual().replace("<main>", f"<main>{faults}"))
    seen.page.evaluate("document.querySelector('.faint').style.color = '#999'")
    assert _violations(seen.page) == ["button-name", "color-contrast", "image-alt"]


def _violations(page: Page) -> list[str]:
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = Axe().run(page, options=rules).response["violations"]
    return sorted(one["id"] for one in found)


def test_keyboard_reaches_every_link_check_and_table_that_scrolls(show: Show) -> None:
    seen = show(usual())
    reached = []
    for _ in range(200):
        seen.page.keyboard.press("Tab")
        reached.append(seen.page.evaluate(_FOCUS))
        if reached[-1] is None:
            break
    kinds = [one.split(" ")[0] for one in reached if one]
    assert kinds.count("SUMMARY") == seen.page.locator("summary").count()
    assert kinds.count("A") == seen.page.locator("a").count()
    assert all(one.endswith("outlined") for one in reached if one)


_FOCUS = """() => {
    const one = document.activeElement
    if (!one || one === document.body) return null
    return one.tagName + (getComputedStyle(one).outlineStyle === 'none' ? ' bare' : ' outlined')
}"""


def test_enter_opens_a_check(show: Show) -> None:
    seen = show(usual())
    check = seen.page.locator("details.check").first
    assert not seen.page.get_by_text("/opt/env/bin/python").is_visible()
    check.locator("summary").focus()
    seen.page.keyboard.press("Enter")
    assert seen.page.get_by_text("/opt/env/bin/python").is_visible()


def test_links_of_the_head_lead_to_their_sections(show: Show) -> None:
    seen = show(usual())
    links = seen.page.locator("nav a")
    for at in range(links.count()):
        target = links.nth(at).get_attribute("href")
        links.nth(at).click()
        assert seen.page.locator(str(target)).is_visible()
    assert links.count() == 5


_NAMELESS = """() => [...document.querySelectorAll('.map li')].filter(cell => {
    const own = cell.getBoundingClientRect(), name = cell.querySelector('b').getBoundingClientRect()
    return !(name.height > 8 && name.width > 20 && name.left < own.right - 8 && name.bottom <= own.bottom + 1)
}).map(cell => cell.title)"""


@pytest.mark.parametrize("width", [DESK, 768, PHONE])
def test_every_rectangle_of_the_map_has_its_name(show: Show, width: int) -> None:
    seen = show(usual(), width=width)
    assert seen.page.locator(".map li").count() > 8
    assert seen.page.evaluate(_NAMELESS) == []


def test_nameless_rectangle_would_be_seen(show: Show) -> None:
    seen = show(usual())
    seen.page.evaluate("document.querySelector('#cell-3').style.height = '1.5%'")
    assert len(seen.page.evaluate(_NAMELESS)) == 1


_OVERLAPS = """() => {
    const boxes = [...document.querySelectorAll('.plot text')].map(t => [t.textContent, t.getBoundingClientRect()])
        .filter(([_, b]) => b.width)
    return boxes.flatMap(([a, one], at) => boxes.slice(at + 1)
        .filter(([_, two]) => one.left < two.right && two.left < one.right
            && one.top < two.bottom && two.top < one.bottom)
        .map(([b, _]) => a + ' ' + b))
}"""


@pytest.mark.parametrize("width", [DESK, PHONE, SMALLEST])
def test_no_label_of_a_picture_lies_on_another(show: Show, width: int) -> None:
    seen = show(usual(), width=width)
    assert seen.page.locator(".plot text").count() > 10
    assert seen.page.evaluate(_OVERLAPS) == []


def crowded() -> str:
    """The certificates end in 28 years, about as many in each: their numbers stand side by side."""
    trust = examples.lock().trust
    many = [
        c.model_copy(update={"sha256": f"{at:064x}", "not_after": f"{2026 + at % 28}-12-01"})
        for at, c in enumerate(trust.certificates * 4)
    ]
    lock = examples.lock().model_copy(update={"trust": trust.model_copy(update={"certificates": tuple(many)})})
    report = examples.usual().model_copy(update={"lock": lock.content_digest()})
    return written(report, examples.provenance(lock=lock))


@pytest.mark.parametrize("width", [DESK, SMALLEST])
def test_numbers_of_crowded_bars_do_not_lie_on_another(show: Show, width: int) -> None:
    assert show(crowded(), width=width).page.evaluate(_OVERLAPS) == []


_EVIDENCE = "() => [...document.querySelectorAll('.check .inside')].map(one => one.checkVisibility())"


def test_paper_has_the_evidence_of_closed_checks_too(show: Show) -> None:
    seen = show(usual())
    assert not all(seen.page.evaluate(_EVIDENCE))
    seen.page.emulate_media(media="print")
    assert all(seen.page.evaluate(_EVIDENCE))
    assert not seen.page.locator("nav").is_visible()
    assert seen.page.pdf(format="A4", print_background=True).startswith(b"%PDF-")


def test_paper_is_white_wherever_the_screen_is_dark(show: Show) -> None:
    seen = show(usual(), scheme="dark")
    assert seen.page.evaluate(_PAPER) == "rgb(20, 23, 27)"
    seen.page.emulate_media(media="print")
    assert seen.page.evaluate(_PAPER) == "rgb(255, 255, 255)"


_PAPER = "() => getComputedStyle(document.body).backgroundColor"


def test_page_needs_no_script(show: Show) -> None:
    seen = show(usual(), java_script_enabled=False)
    seen.page.locator("details.check summary").first.click()
    assert seen.page.get_by_text("/opt/env/bin/python").is_visible()
