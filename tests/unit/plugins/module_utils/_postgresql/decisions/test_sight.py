# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server does not tell is said with the role, the setting and the grant."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import COULD_NOT_LOOK
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.sight import (
    uncounted_rows,
    unseen_sessions,
    untracked_statements,
)

QUIET = Backend(pid=7, user="app", state="disabled")
HIDDEN = Backend(pid=9, user="theirs", backend_type=None, readable=False)


@pytest.mark.parametrize(("backend", "tells_nothing"), [
    (QUIET, True), (HIDDEN, True), (Backend(pid=1, user="app", state="idle"), False), (Backend(pid=1, user="app"), False),
    # A part of the server has no user, and nothing that anybody would look for.
    (Backend(pid=1, user=None, readable=False), False),
])
def test_who_tells_nothing(backend: Backend, tells_nothing: bool) -> None:
    assert backend.tells_nothing is tells_nothing


def test_sessions_are_named_with_what_makes_them_tell() -> None:
    assert unseen_sessions("backups", [], login="us") == []
    tracking, permission = unseen_sessions("backups", [HIDDEN, QUIET], login='u"s')
    assert {tracking.kind, permission.kind} == {COULD_NOT_LOOK} and {tracking.check, permission.check} == {"backups"}
    assert "track_activities is off, or was, for 1 session of role app (pid 7)" in tracking.reason
    assert 'ALTER ROLE "app" SET track_activities = on;' in tracking.hint
    assert permission.reason == 'permission_denied: u"s may not see 1 session of role theirs (pid 9)'
    assert 'GRANT pg_read_all_stats TO "u""s";' in permission.hint


def test_many_sessions_are_told_briefly() -> None:
    [found] = unseen_sessions("backups", [Backend(pid=pid, user=f"r{pid % 5}", state="disabled") for pid in range(9)], login="us")
    assert "9 sessions of role r0, role r1, role r2 and 2 more (pid 0, 1, 2 and 6 more)" in found.reason
    assert found.hint.count("ALTER ROLE") == 3


@pytest.mark.parametrize(("counting", "off_for", "said"), [
    (True, [], ""), (False, [], "off for the server:"), (True, ["role app"], "off for role app:"),
    (False, ["role a", "role b", "role c", "database d"], "off for role a, role b, role c and 1 more:"),
])
def test_rows_that_nobody_counts(counting: bool, off_for: list[str], said: str) -> None:
    found = uncounted_rows(counting=counting, off_for=off_for, database="shop")
    assert [said in one.reason for one in found] == [True] * bool(said)


@pytest.mark.parametrize(("given", "said"), [
    ({"track": "top", "query_ids": "auto"}, ""), ({"track": None, "query_ids": None}, ""),
    ({"track": "none", "query_ids": "on"}, "pg_stat_statements.track switched off"),
    ({"track": "none", "query_ids": "off"}, "pg_stat_statements.track and compute_query_id switched off"),
    ({"track": "all", "query_ids": "auto", "off_for": ["role app"]}, "switched off for role app"),
])
def test_statements_that_nobody_collects(given: dict[str, Any], said: str) -> None:
    found = untracked_statements(**{"off_for": [], **given})
    assert [said in one.reason for one in found] == [True] * bool(said)
