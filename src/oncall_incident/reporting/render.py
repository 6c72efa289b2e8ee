# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Content into HTML and Markdown. What others wrote stays text in both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..terminal import markdown, words
from . import clock

_TEMPLATES = Path(__file__).parent / "templates"


def as_markdown(content: Mapping[str, Any], template: str = "report.md.j2") -> str:
    """The content in Markdown."""
    environment = jinja2.Environment(autoescape=False, **_common())
    environment.filters.update(text=markdown.text, code=markdown.code, clock=clock.time_of_day, moment=clock.date_and_time)
    return environment.get_template(template).render(content)


def as_html(content: Mapping[str, Any], template: str = "report.html.j2") -> str:
    """The content as one HTML file that needs nothing else: no network, no script."""
    environment = jinja2.Environment(autoescape=True, finalize=_clean, **_common())
    environment.filters.update(clock=clock.time_of_day, moment=clock.date_and_time, short=_short)
    style = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render({**content, "style": style})


def _common() -> dict[str, Any]:
    return {
        "loader": jinja2.FileSystemLoader(_TEMPLATES), "trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True,
        "undefined": jinja2.ChainableUndefined,  # a record may be damaged; its report must still say what there is
    }


def _clean(value: Any) -> Any:
    """What a template prints, on one line and without control or direction characters; nothing for None."""
    if value is None:
        return ""
    return words.harmless(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _short(value: Any, limit: int = 300) -> str:
    return words.one_line(value, limit=limit)
