# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts, queries and people wrote stays text, in HTML, in SVG, and in Markdown."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from oncall_incident.reporting import document, index
from tests.support import hostile

#: All elements our templates use.
OURS = {
    "html",
    "head",
    "meta",
    "link",
    "title",
    "style",
    "body",
    "a",
    "header",
    "p",
    "h1",
    "h2",
    "h3",
    "div",
    "strong",
    "ul",
    "li",
    "dl",
    "dt",
    "dd",
    "code",
    "nav",
    "main",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "svg",
    "line",
    "text",
    "g",
    "rect",
    "circle",
    "path",
    "span",
    "details",
    "summary",
    "b",
    "footer",
    "figure",
    "figcaption",
}
ATTRIBUTES = {
    "lang",
    "charset",
    "name",
    "content",
    "http-equiv",
    "rel",
    "href",
    "class",
    "id",
    "aria-label",
    "aria-hidden",
    "tabindex",
    "role",
    "scope",
    "open",
    "viewbox",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "cx",
    "cy",
    "r",
    "d",
    "width",
    "height",
    "text-anchor",
}


class Seen(html.parser.HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes.update(name for name, _value in attrs)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(params=["run", "incident", "index"])
def content(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, object]:
    if request.param == "run":
        return document.run_content(hostile.run(tmp_path))
    store, incident = hostile.incident(tmp_path)
    return document.incident_content(incident) if request.param == "incident" else index.of_store(store)


def test_no_element_or_attribute_comes_from_a_text(content: dict[str, object]) -> None:
    page = document.text(content, document.HTML)
    seen = Seen(page)
    assert seen.elements <= OURS
    assert seen.attributes <= ATTRIBUTES
    assert all(link.startswith(("#", "data:,", "../incidents/")) for link in seen.links), seen.links
    assert "<script" not in page and "{{" not in page.replace("{{ 7 * 7 }}", "")


def test_the_texts_are_all_there_as_text(content: dict[str, object]) -> None:
    shown = "".join(Seen(document.text(content, document.HTML)).text)
    assert "<script>window.hacked=1</script>" in shown
    assert "{{ 7 * 7 }}" in shown or content["kind"] == "index"


def test_no_control_or_direction_characters(content: dict[str, object]) -> None:
    for form in document.FORMATS:
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", document.text(content, form))


def test_markdown_stays_text(content: dict[str, object]) -> None:
    parser = MarkdownIt("commonmark").enable("table")
    tokens = parser.parse(document.text(content, document.MARKDOWN))
    inline = [child for token in tokens for child in token.children or []]
    assert {token.content for token in [*tokens, *inline] if token.type.startswith("html")} <= {"<br>"}
    assert not {token.type for token in inline} & {"link_open", "image"}
    assert not [token for token in tokens if token.type in ("fence", "code_block", "blockquote_open", "hr")]
    assert sum(token.type == "heading_open" for token in tokens) < 40 and "\n# Heading" not in document.text(content, document.MARKDOWN)


def test_every_row_of_a_markdown_table_has_its_columns(content: dict[str, object]) -> None:
    columns = 0
    for line in document.text(content, document.MARKDOWN).splitlines():
        bars = len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0
        assert not (bars and columns) or bars == columns, line
        columns = bars
