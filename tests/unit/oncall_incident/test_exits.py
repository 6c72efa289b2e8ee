# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts branch on is documented, and fits a help text."""

from __future__ import annotations

from pathlib import Path

from oncall_incident.exits import TABLE, Exit

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "exit-statuses.md"


def test_every_status_is_in_the_table_once() -> None:
    assert [status for status, _name, _meaning in TABLE] == [int(status) for status in Exit]


def test_the_document_has_them_all() -> None:
    text = DOCUMENT.read_text()
    assert all(f"| {int(status)} | {name} |" in text for status, name, _meaning in TABLE)


def test_a_help_text_has_room_for_them() -> None:
    assert all(len(f"  {status:>3}  {name:<17} {meaning}") <= 76 for status, name, meaning in TABLE)
