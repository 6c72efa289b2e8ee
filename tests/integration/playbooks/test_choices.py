# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an inventory chooses reaches the module; what got worse since the start is a failure."""

from __future__ import annotations

import contextlib
import json

from demo import faults
from demo.postgres import Server
from tests.support.site import Site

OLD = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"


def given(**variables: object) -> tuple[str, ...]:
    """The variables of a call that only acts."""
    return ("--tags", "mitigate", "-e", json.dumps(variables))


def test_the_applications_superuser_and_a_protected_role(site: Site, server18: Server) -> None:
    with faults.superuser_session(server18, application="web") as held:
        faults.await_sql(server18, OLD, (held.pid,), what="the session to be old enough")
        assert site.play(*given()).outcomes() == []
        named = {"postgres_allow_superuser_roles": ["postgres"]}
        assert site.play(*given(**named, postgres_protect_roles=["postgres"])).outcomes() == []
        assert held.alive()
        done = site.play(*given(**named))
        assert done.status == 0, done.output
        assert done.outcomes() == ["gone"]
        assert held.wait_gone()


def test_what_got_worse_fails_and_a_prepared_transaction_is_rolled_back_on_request(site: Site, server18: Server) -> None:
    well = site.play("--check").plan()
    assert well["baseline"]["db1"]["prepared_transactions"] == "ok"
    gid = faults.prepared_transaction(server18, row=77)
    try:
        done = site.play(
            "--tags", "mitigate,verify", "-e",
            json.dumps({"incident_approved_plan": well, "postgres_thresholds": {"prepared_transactions_warning": "0s"}}),
        )
        assert done.status == 2
        assert "Worse than at the start: prepared_transactions warning." in done.said
        faults.await_sql(server18, "SELECT clock_timestamp() - prepared > interval '1.1 s' FROM pg_prepared_xacts", what="its age")
        assert site.play(*given()).outcomes() == []
        done = site.play(*given(postgres_rollback_prepared=True))
        assert (done.status, done.outcomes()) == (0, ["done"]), done.output
        assert server18.execute("SELECT count(*) FROM pg_prepared_xacts") == [(0,)]
    finally:
        with contextlib.suppress(Exception):
            server18.execute(f"ROLLBACK PREPARED '{gid}'")
