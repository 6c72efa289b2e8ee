# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator sees of findings."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from oncall_incident.running.view import View


def finding(check: str, **more: Any) -> dict[str, Any]:
    return {"type": "finding", "host": "db1", "phase": "investigate", "finding": {"check": check, "status": "ok", "subject": "", **more}}


def shown(*events: dict[str, Any]) -> list[str]:
    """The lines without the time since the start."""
    out = io.StringIO()
    view = View(Console(file=out, width=200))
    for event in events:
        view.event(event)
    view.end()
    return [line[6:].rstrip() for line in out.getvalue().splitlines()]


def test_what_is_well_is_one_line_and_advice_follows_it() -> None:
    lines = shown(finding("availability"), finding("probe"), finding("probe", subject="login", hint="Better a role of its own."))
    assert "  ok        db1  availability, probe" in lines
    assert lines[-1].strip() == "Better a role of its own."
    assert not any("Better" in line for line in shown(finding("availability"), finding("probe")))
