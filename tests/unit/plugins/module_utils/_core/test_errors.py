# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach, LimitExceeded


def test_a_caller_branches_on_the_kind_and_people_read_message_and_hint() -> None:
    assert LimitExceeded("12 sessions match, 10 allowed.", hint="Narrow the rules.", matched=12).as_result() == {
        "msg": "12 sessions match, 10 allowed. Narrow the rules.", "error": "limit_exceeded", "hint": "Narrow the rules.", "matched": 12,
    }


def test_facts_name_the_kind_more_exactly() -> None:
    assert CannotReach("no", error="wrong_password").as_result()["error"] == "wrong_password"
