"""Where a file may be had on each mirror."""

from __future__ import annotations

import pytest

from builder.adapters.http.connections import redirected
from builder.errors import HostError, RecipeError
from builder.mirrors.catalogue import Mirror, Mirrors
from builder.mirrors.sources import Sources
from builder.mirrors.transport import Answer, Page, Unavailable
from builder.models.lock import Artifact

WHEEL = Artifact(source="pypi", path="Some_Thing-1.0-py3-none-any.whl", sha256="0" * 64, size=1)
DEB = Artifact(source="debian", path="pool/main/g/g++/g++%1.deb", sha256="0" * 64, size=1)
ENTRY = Mirror(pypi=("https://one.test/simple",), debian=("https://one.test/debian", "https://one.test/old"))


class NoApt:
    def pypi_index(self) -> str:
        return "http://ours.test/simple"

    def apt_roots(self, source: str) -> tuple[str, ...]:
        raise HostError("apt does not know", seen="there is no apt")


class Pages:
    """A transport with one page, which links to `link`."""

    def __init__(self, link: str) -> None:
        self.link, self.asked, self.agents = link, list[str](), list[str | None]()

    def page(self, url: str, *, agent: str | None = None) -> Page:
        self.asked.append(url)
        self.agents.append(agent)
        return Page(text=f'<a href="{self.link}">x</a>', media_type="text/html", url=url)

    def open(self, url: str, *, offset: int = 0, agent: str | None = None) -> Answer:
        raise AssertionError

    def close(self) -> None: ...


def sources(link: str = "../../f/Some_Thing-1.0-py3-none-any.whl", *, names: tuple[str, ...] = ("one",)) -> Sources:
    return Sources(Mirrors({"one": ENTRY}, clients=NoApt()), transport=Pages(link), pip=names, apt=names)


def test_a_wheel_is_looked_up_on_the_page_of_its_project() -> None:
    pages = Pages("../../f/Some_Thing-1.0-py3-none-any.whl")
    here = Sources(Mirrors({"one": ENTRY}, clients=NoApt()), transport=pages, pip=("one",))
    assert here.urls("one", WHEEL) == ("https://one.test/f/Some_Thing-1.0-py3-none-any.whl",)
    here.urls("one", WHEEL)
    assert pages.asked == ["https://one.test/simple/some-thing/"]


def test_a_mirror_is_asked_under_the_name_that_it_wants() -> None:
    wanting = Mirrors({"one": ENTRY.model_copy(update={"user_agent": "Wanted/1"})}, clients=NoApt())
    pages = Pages("../../f/Some_Thing-1.0-py3-none-any.whl")
    here = Sources(wanting, transport=pages, pip=("one",))
    here.urls("one", WHEEL)
    assert (pages.agents, here.agent("one", DEB)) == (["Wanted/1"], "Wanted/1")
    assert sources().agent("one", WHEEL) is None


def test_a_deb_has_an_address_at_each_root() -> None:
    assert sources().urls("one", DEB) == (
        "https://one.test/debian/pool/main/g/g%2B%2B/g%2B%2B%251.deb",
        "https://one.test/old/pool/main/g/g%2B%2B/g%2B%2B%251.deb",
    )


def test_a_page_that_does_not_list_the_file_is_no_use() -> None:
    with pytest.raises(Unavailable, match=r"^its index does not list the file$"):
        sources("other-1.0-py3-none-any.whl").urls("one", WHEEL)


def test_an_https_index_may_not_lead_to_plain_http() -> None:
    link = "http://elsewhere.test/Some_Thing-1.0-py3-none-any.whl"
    with pytest.raises(Unavailable, match=r"^its index leads from https to plain http$"):
        sources(link).urls("one", WHEEL)


def test_the_users_own_plain_http_index_is_taken_as_it_is() -> None:
    found = sources(names=("upstream",)).urls("upstream", WHEEL)
    assert found == ("http://ours.test/f/Some_Thing-1.0-py3-none-any.whl",)


def test_an_upstream_that_this_host_does_not_know_is_one_failing_mirror() -> None:
    with pytest.raises(Unavailable) as caught:
        sources(names=("upstream", "one")).urls("upstream", DEB)
    assert str(caught.value) == "apt does not know: there is no apt"


def test_mirrors_that_lack_the_source_are_passed_over() -> None:
    security = DEB.model_copy(update={"source": "debian-security"})
    assert sources(names=("one", "upstream")).names(security) == ("upstream",)


def test_a_redirect_may_not_lead_from_https_to_plain_http() -> None:
    with pytest.raises(Unavailable, match=r"^redirects from https to plain http$"):
        redirected("https://one.test/a", "http://one.test/b")
    assert redirected("https://one.test/a/", "../b") == "https://one.test/b"


def test_channels_and_installers_are_asked_of_the_mirrors_of_conda() -> None:
    entry = Mirror(conda={"conda-forge": "https://one.test/cf"}, installers={"miniforge": "https://one.test/{file}"})
    here = Sources(Mirrors({"one": entry, "two": ENTRY}, clients=NoApt()), transport=Pages(""), conda=("two", "one"))
    package = DEB.model_copy(update={"source": "conda-forge/linux-64", "path": "a-1!2.0-0.conda"})
    installer = DEB.model_copy(update={"source": "miniforge", "path": "26.1/Miniforge3-26.1.sh"})
    assert (here.names(package), here.names(installer)) == (("one",), ("one",))
    assert here.urls("one", package) == ("https://one.test/cf/linux-64/a-1%212.0-0.conda",)
    assert here.urls("one", installer) == ("https://one.test/Miniforge3-26.1.sh",)
    with pytest.raises(RecipeError, match=r"^no mirror of the recipe carries derived$"):
        here.names(DEB.model_copy(update={"source": "derived"}))
