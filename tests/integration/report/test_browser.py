# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages in a real browser: from a file, without a network, without a script, by keyboard, in light, in dark and on paper."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.support.need import need

from .conftest import PAGES, Browser

CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")
HONEST = PAGES[:3]


@pytest.mark.parametrize("name", PAGES)
def test_it_loads_from_a_file_and_asks_for_nothing(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name])
    asked = [url for url in browser.requests() if not url.startswith("data:")]
    assert asked == [pages[name].as_uri()]
    assert browser.said() == []
    assert browser.script("return document.scripts.length") == 0
    assert browser.script("return document.querySelector('h1').checkVisibility()")


@pytest.mark.parametrize("name", PAGES[3:])
def test_hostile_texts_run_nothing(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name])
    assert browser.script("return typeof window.hacked") == "undefined"
    assert browser.script("return document.images.length") == 0
    assert "<script>window.hacked=1</script>" in browser.script("return document.body.textContent")
    handlers = "return [...document.querySelectorAll('*')].flatMap(e => e.getAttributeNames()).filter(n => n.startsWith('on'))"
    assert browser.script(handlers) == []


@pytest.mark.parametrize("name", PAGES)
def test_drawings_are_drawn_inside_their_frames(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name])
    drawn = browser.script("""
        return [...document.querySelectorAll("svg")].filter(svg => svg.checkVisibility()).map(svg => {
          const frame = svg.getBoundingClientRect();
          const parts = [...svg.querySelectorAll("circle, path, rect, line, text")].map(part => part.getBoundingClientRect());
          return {
            kind: svg.getAttribute("class"), width: frame.width, height: frame.height, parts: parts.length,
            outside: parts.filter(part => part.left < frame.left - 2 || part.right > frame.right + 2
              || part.top < frame.top - 2 || part.bottom > frame.bottom + 2).length,
            empty: parts.filter(part => part.width === 0 && part.height === 0).length,
          };
        });
    """)
    assert drawn
    assert all(svg["width"] > 0 and svg["height"] > 0 and svg["parts"] > 0 for svg in drawn)
    assert [svg for svg in drawn if svg["outside"] or svg["empty"]] == []
    kinds = {svg["kind"] for svg in drawn}
    assert "measure" in kinds and ("index" in name or "timeline" in kinds)


def test_the_timeline_shows_phases_and_what_happened(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["run"])
    count = "return document.querySelectorAll('{}').length"
    assert browser.script(count.format("svg.timeline .band")) == 4  # investigate, plan, mitigate, verify
    # How many marks there are depends on how near they are in time: what would cover each other is one with a number.
    assert browser.script("""
        const marks = [...document.querySelectorAll("svg.timeline g:has(.mark)")];
        return marks.reduce((sum, mark) => sum + Number(mark.querySelector(".number")?.textContent ?? 1), 0);
    """) == 14
    assert browser.script(count.format("svg.measure .point.before")) >= 2
    titles = browser.script("return [...document.querySelectorAll('svg.timeline title')].map(t => t.textContent).join('\\n')")
    assert "connections is critical (97 %)" in titles and "terminate: gone" in titles


@pytest.mark.parametrize("name", HONEST)
def test_everything_can_be_reached_by_keyboard(browser: Browser, pages: dict[str, Path], name: str) -> None:
    browser.open(pages[name])
    wanted = browser.script("""
        const all = [...document.querySelectorAll("a[href], summary, [tabindex='0']")].filter(e => e.checkVisibility());
        all.forEach((element, number) => { element.dataset.number = number; });
        return all.length;
    """)
    seen: list[int] = []
    for _press in range(wanted + 2):
        browser.driver.switch_to.active_element.send_keys(Keys.TAB)
        number, outlined = browser.script("""
            const at = document.activeElement;
            return [Number(at.dataset.number ?? -1), at.matches(":focus-visible") && getComputedStyle(at).outlineStyle !== "none"];
        """)
        if number >= 0 and number not in seen:
            assert outlined, "the focus cannot be seen"
            seen.append(number)
    assert len(seen) == wanted and seen == sorted(seen)


def test_a_closed_part_opens_by_keyboard(browser: Browser, pages: dict[str, Path]) -> None:
    browser.open(pages["run"])
    summary = next(found for found in browser.driver.find_elements(By.TAG_NAME, "summary") if "entries" in found.text)
    before = browser.script("return document.querySelectorAll('details[open]').length")
    summary.send_keys(Keys.ENTER)
    assert browser.script("return document.querySelectorAll('details[open]').length") == before + 1


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
@pytest.mark.parametrize("name", HONEST)
def test_contrast(browser: Browser, pages: dict[str, Path], name: str, scheme: str) -> None:
    browser.open(pages[name], scheme="dark" if scheme == "print" else scheme)
    if scheme == "print":
        browser.print_media()
    browser.script("document.querySelectorAll('details').forEach(part => { part.open = true; })")
    found = browser.script(CONTRAST)
    assert len(found) > 50
    assert [item for item in found if item["ratio"] < item["wanted"]] == []
    paper = browser.script("return getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme != "dark")


@pytest.mark.parametrize("width", [360, 800, 1600])
@pytest.mark.parametrize("name", PAGES)
def test_nothing_sticks_out_of_the_window(browser: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    browser.open(pages[name], width=width)
    assert browser.script("return document.documentElement.scrollWidth") <= width


def test_headings_have_an_order_and_links_a_target(browser: Browser, pages: dict[str, Path]) -> None:
    for name in HONEST:
        browser.open(pages[name])
        levels = browser.script("return [...document.querySelectorAll('h1,h2,h3')].map(h => Number(h.tagName[1]))")
        assert levels[0] == 1 and levels.count(1) == 1 and all(after - before <= 1 for before, after in itertools.pairwise(levels))
        lost = browser.script(
            "return [...document.querySelectorAll('a[href^=\"#\"]')].filter(a => !document.querySelector(a.hash)).map(a => a.hash)"
        )
        assert lost == []


def test_on_paper_the_closed_parts_are_open(browser: Browser, pages: dict[str, Path], tmp_path: Path) -> None:
    need(shutil.which("pdftotext"), "poppler-utils")
    browser.open(pages["run"], scheme="dark")
    (tmp_path / "report.pdf").write_bytes(browser.pdf())
    text = subprocess.run(["pdftotext", str(tmp_path / "report.pdf"), "-"], capture_output=True, text=True, timeout=60, check=True).stdout
    text = " ".join(text.split())  # where lines end is the paper's
    assert "play: Investigate" in text and "check_11" in text and "Post-mortem: a draft" in text
