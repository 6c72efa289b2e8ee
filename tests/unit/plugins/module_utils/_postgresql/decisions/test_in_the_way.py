# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is in the way, in words."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.backends import Backend
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.in_the_way import holds_up, spared_advice

SLEEPS = Backend(
    pid=42, user="app", database="shop", application_name="web", client_addr="192.0.2.4", state="idle in transaction", state_age=720.0,
)


@pytest.mark.parametrize(("backend", "count", "said"), [
    (SLEEPS, 6, "pid 42 app@shop (web) from 192.0.2.4, idle in transaction for 12m, holds up 6 sessions"),
    (Backend(pid=7, user="app", state="active", query_age=61.0, state_age=3.0), 1, "pid 7 app, active for 1m1s, holds up 1 session"),
    (Backend(pid=7, user="app", state="disabled"), 1, "pid 7 app, disabled, holds up 1 session"),
    (Backend(pid=8, backend_type="startup"), 2, "pid 8 startup, holds up 2 sessions"),
    (Backend(pid=9, backend_type="autovacuum worker", database="shop", state="active", query_age=30.0), 1,
     "pid 9 autovacuum worker@shop, active for 30s, holds up 1 session"),
])
def test_who_is_in_the_way(backend: Backend, count: int, said: str) -> None:
    assert holds_up(backend, count) == said


@pytest.mark.parametrize(("backend", "reasons", "said"), [
    (SLEEPS, ("superuser", "member_of:dba"), "It is protected (superuser, member_of:dba); its waiters are not ended instead."),
    (SLEEPS, ("synchronous_commit",), "The commit waits for a synchronous standby."),
    (Backend(pid=8, backend_type="startup"), ("backend_type:startup",), "This is the replay of WAL on a standby"),
    (Backend(pid=9, backend_type="autovacuum worker"), ("backend_type:autovacuum worker",), "prevents wraparound: let it end."),
])
def test_what_helps_where_it_is_never_ended(backend: Backend, reasons: tuple[str, ...], said: str) -> None:
    assert said in spared_advice(backend, reasons)
