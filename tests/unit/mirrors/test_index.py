"""Pages of a package index."""

from __future__ import annotations

import pytest

from builder.mirrors.index import files_of, project_of, uploads_of
from builder.mirrors.transport import Page, Unavailable

HTML = """<!DOCTYPE html><html><body>
<a href="../../packages/ab/cd/one-1.0%2Bcpu-py3-none-any.whl#sha256=00" data-requires-python="&gt;=3.9">one</a>
<A HREF="https://files.test/x/one-1.0.tar.gz">one-1.0.tar.gz</A>
</body></html>"""
JSON = '{"files": [{"filename": "one-1.0-py3-none-any.whl", "url": "/packages/one-1.0-py3-none-any.whl"}]}'


def page(text: str, kind: str = "text/html", url: str = "https://user:pw@index.test/simple/one/") -> Page:
    return Page(text=text, media_type=kind, url=url)


def test_links_of_an_html_page_are_made_absolute_without_their_fragments() -> None:
    assert files_of(page(HTML)) == {
        "one-1.0+cpu-py3-none-any.whl": "https://user:pw@index.test/packages/ab/cd/one-1.0%2Bcpu-py3-none-any.whl",
        "one-1.0.tar.gz": "https://files.test/x/one-1.0.tar.gz",
    }


def test_a_json_page_is_read() -> None:
    found = files_of(page(JSON, "application/vnd.pypi.simple.v1+json"))
    assert found == {"one-1.0-py3-none-any.whl": "https://user:pw@index.test/packages/one-1.0-py3-none-any.whl"}


def test_a_login_is_given_to_no_other_host_and_no_other_scheme() -> None:
    links = '<a href="http://index.test/a.whl">a</a><a href="https://index.test:8443/b.whl">b</a>'
    assert files_of(page(links)) == {"a.whl": "http://index.test/a.whl", "b.whl": "https://index.test:8443/b.whl"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<html>please log in</html>", "text/html"),
        ("", "text/html"),
        ("{}", "application/vnd.pypi.simple.v1+json"),
        ("not json", "application/json"),
        ('{"files": [{}]}', "application/json"),
        ("[" * 100_000, "application/json"),
    ],
)
def test_what_is_no_index_page_is_told(text: str, kind: str) -> None:
    with pytest.raises(Unavailable, match=r"^its index page is none: "):
        files_of(page(text, kind))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('<a href="https://[bad/a-1.0-py3-none-any.whl">a</a>', "text/html"),
        ('{"files": [{"filename": "a.whl", "url": "https://[bad/a.whl"}]}', "application/json"),
    ],
)
def test_a_link_that_is_no_address_is_that_mirrors_fault(text: str, kind: str) -> None:
    with pytest.raises(Unavailable, match=r"^its index has a link that is no address$"):
        files_of(page(text, kind))


def test_a_page_that_is_nested_without_end_tells_no_times() -> None:
    assert uploads_of(page("[" * 100_000, "application/json")) == {}


@pytest.mark.parametrize(
    ("filename", "project"),
    [
        ("nvidia_cudnn_cu12-9.10.2.21-py3-none-manylinux_2_27_x86_64.whl", "nvidia-cudnn-cu12"),
        ("PyYAML-6.0-cp39-cp39-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "pyyaml"),
        ("ruamel.yaml-0.18.6-py3-none-any.whl", "ruamel-yaml"),
        ("zope.interface-5.0.tar.gz", "zope-interface"),
        ("odd-name", "odd"),
    ],
)
def test_the_project_of_a_file_is_its_normalised_name(filename: str, project: str) -> None:
    assert project_of(filename) == project
