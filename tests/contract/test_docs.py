# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation holds together: links lead somewhere, and the words are those of the glossary."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._core.why import SENTENCES

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The names under which its headings can be linked, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path, link: str) -> bool:
    """Whether a link leads nowhere; other sites are not asked."""
    if re.match(r"[a-z]+:", link):
        return False
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


def test_every_link_leads_somewhere() -> None:
    assert [f"{page.name}: {link}" for page in PAGES for link in LINK.findall(prose(page)) if broken(page, link)] == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = {PAGES[0]}, [PAGES[0]]
    while waiting:
        page = waiting.pop()
        for link in LINK.findall(prose(page)):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target in PAGES and target not in reached:
                reached.add(target)
                waiting.append(target)
    assert [page.name for page in PAGES if page not in reached] == []


def test_the_reasons_of_actions_are_listed_as_they_are() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    table = text.partition("| `detail.why` | means |")[2].partition("\n## ")[0]
    assert dict(re.findall(r"^\| `([a-z_]+)` \| (.+?) \|$", table, re.M)) == SENTENCES


def test_a_reason_is_a_word_of_the_vocabulary() -> None:
    strange = []
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "with_outcome":
                continue
            strange += [
                f"{path.relative_to(ROOT)}:{node.lineno}: {stated.value.value!r}" for stated in node.keywords
                if stated.arg == "why" and isinstance(stated.value, ast.Constant) and stated.value.value not in SENTENCES
            ]
    assert strange == []


def test_entry_points_are_called_entry_points() -> None:
    """Ansible's own word; an earlier one was `door`."""
    assert [page.name for page in PAGES if re.search(r"\bdoors?\b", page.read_text())] == []
