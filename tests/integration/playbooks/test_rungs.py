# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rungs against real servers: what is less than a restart comes first, and they are restarted only if that was not enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.redis_servers import RedisServer
from tests.support.site import Ended

from .conftest import database_site
from .test_redis_recovery import RedisSite, count, fill, site, verbs
from .test_restart_database import Database
from .test_restart_database import play as restart_play

pytestmark = pytest.mark.timeout(900)
__all__ = ["site"]  # a fixture
MITIGATE = ("--tags", "mitigate")
#: The restart is wanted whatever ails the server, and its keys are no loss. One look is enough: nothing here changes by itself.
WANTED = {"redis_restart": "always", "redis_accept_data_loss": True, "incident_rung_wait": "0s"}
#: Most of the keys, and too few.
ENOUGH, TOO_FEW = {"redis_clear_pattern": "page:*"}, {"redis_clear_pattern": "good:*"}


def fill_memory(server: RedisServer) -> None:
    """The server refuses to take more."""
    used = int(server.execute("INFO", "memory")["used_memory"])
    server.execute("CONFIG", "SET", "maxmemory", str(used + 2_000_000))
    with server.client() as client, pytest.raises(Exception, match="used memory"):
        for index in range(10_000):
            client.set(f"page:{index}", "x" * 1000, ex=600)


def start_of(server: RedisServer) -> str:
    """What is another one after a restart."""
    return str(server.execute("INFO", "server")["run_id"])


def rungs(plan: dict[str, Any]) -> list[tuple[str, list[str], bool]]:
    """Name, verbs and whether it has a condition, of each rung of the cache."""
    by_id = {action["id"]: action["verb"] for action in plan["actions"]["cache1"]}
    return [(rung["name"], [by_id[one] for one in rung["actions"]], bool(rung["checks"])) for rung in plan["rungs"]["cache1"]]


def outcomes(done: Ended) -> dict[str, tuple[str, str]]:
    """Outcome and why by verb."""
    return {action["verb"]: (action["outcome"], action["detail"].get("why", "")) for action in done.actions()}


def test_check_mode_plans_every_rung_and_the_plan_of_a_file_keeps_their_conditions(site: RedisSite) -> None:
    """The plan is carried out with --tags mitigate alone, twice: once the first rung is enough, once it has nothing to do any more."""
    fill_memory(site.cache)
    start, keys = start_of(site.cache), count(site.cache, "*")
    checked = site.recover("--check", *MITIGATE, **WANTED, **ENOUGH)
    assert checked.status == 0, checked.output
    plan = checked.plan()
    assert rungs(plan) == [("repair", ["clear_pattern"], False), ("restart", ["restart_cache"], True)]
    assert plan["rungs"]["cache1"][1]["wait"] == "0s"
    assert (site.restarts, start_of(site.cache), count(site.cache, "*")) == (0, start, keys), "nothing was touched"

    path = site.place / "plan.json"
    path.write_text(json.dumps(plan))
    path.chmod(0o600)
    done = site.recover(*MITIGATE, incident_approved_plan=str(path), **WANTED, **ENOUGH)
    assert done.status == 0, done.output
    assert outcomes(done) == {"clear_pattern": ("done", ""), "restart_cache": ("not_needed", "earlier_rung_helped")}
    assert (site.restarts, start_of(site.cache), count(site.cache, "page:*")) == (0, start, 0), "the server was not restarted"
    done.assert_record_verifies()

    again = site.recover(*MITIGATE, incident_approved_plan=plan, **WANTED, redis_clear="never")
    assert again.status == 0, again.output
    assert outcomes(again)["restart_cache"] == ("not_needed", "earlier_rung_helped"), "approved with a condition, which it keeps"
    assert (site.restarts, start_of(site.cache)) == (0, start)


def test_the_next_rung_is_run_when_the_one_before_was_not_enough(site: RedisSite) -> None:
    fill_memory(site.cache)
    start = start_of(site.cache)
    checked = site.recover("--check", **WANTED, **TOO_FEW)
    assert rungs(checked.plan()) == [("repair", ["clear_pattern"], False), ("restart", ["restart_cache"], True)], checked.output
    done = site.recover(incident_approved_plan=checked.plan(), **WANTED, **TOO_FEW)
    assert done.status == 0, done.output
    assert verbs(done) == [("clear_pattern", "done"), ("restart_cache", "done")]
    assert (site.restarts, start_of(site.cache) != start) == (1, True)
    assert "the checks still fail after 0s: memory critical, writes critical" in done.output


def test_without_a_plan_the_restart_is_left_out_likewise(site: RedisSite) -> None:
    fill_memory(site.cache)
    start = start_of(site.cache)
    done = site.recover(**WANTED, **ENOUGH)
    assert done.status == 0, done.output
    assert verbs(done) == [("clear_pattern", "done")]
    assert (site.restarts, start_of(site.cache)) == (0, start)


def test_the_command_shows_the_rungs_and_carries_out_what_is_needed(site: RedisSite) -> None:
    fill_memory(site.cache)
    start = start_of(site.cache)
    given = [text for name, value in {**WANTED, **ENOUGH}.items() for text in ("-e", f"{name}={str(value).lower()}")]
    done = site.incident("--json", "--yes", "--pass-env", "SYSTEMCTL_DOUBLE", *given, **site.environ)
    assert (done.status, done.data.get("outcome")) == (0, "recovered"), done.stderr
    assert [(one["verb"], one["rung"]) for one in done.data["planned_actions"]] == [("clear_pattern", 1), ("restart_cache", 2)]
    assert {one["verb"]: one["outcome"] for one in done.data["actions"]} == {"clear_pattern": "done", "restart_cache": "not_needed"}
    assert "2. only if still failing (availability, writes, memory" in done.stderr
    assert (site.restarts, start_of(site.cache)) == (0, start)


def test_nothing_is_restarted_on_blindness(site: RedisSite) -> None:
    """Whether the restart is still needed cannot be seen: the account may not read what one of the checks is about."""
    fill(site.cache, "page:", 3)
    wanted = {**WANTED, **ENOUGH, "redis_clear": "always", "redis_verify_checks": ["availability", "slow_log"]}
    site.cache.execute("ACL", "SETUSER", "default", "-slowlog")
    checked = site.recover("--check", *MITIGATE, **wanted)
    done = site.recover(*MITIGATE, incident_approved_plan=checked.plan(), **wanted)
    assert outcomes(done)["restart_cache"] == ("refused", "cannot_look"), done.output
    assert "no answer to slow_log" in done.output
    assert site.restarts == 0


def test_a_database_is_not_restarted_once_its_blocker_is_gone(tmp_path: Path) -> None:
    bin_dir = find_bin_dir(18)
    need(bin_dir, "PostgreSQL 18")
    with Server.start(bin_dir=bin_dir, settings={"max_connections": "25"}) as server:
        database = Database("db1", server, tmp_path / "unit")
        database.adopt(server.pid)
        hosts = {"db1": database.variables(incident_rung_wait="0s")}
        place = database_site(tmp_path, server)
        chain = faults.lock_chain(server, depth=1, then_commit=True)
        try:
            age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
            faults.await_sql(server, age, (chain[0].pid,), what="the blocker to be old enough")
            checked = restart_play(place, hosts, *MITIGATE, "--check")
            assert [rung["name"] for rung in checked.plan()["rungs"]["db1"]] == ["relieve", "restart"], checked.output
            pid = server.pid
            done = restart_play(place, hosts, *MITIGATE, incident_approved_plan=checked.plan())
        finally:
            faults.close_all(chain)
        assert done.status == 0, done.output
        assert outcomes(done) == {"terminate": ("gone", ""), "restart_database": ("not_needed", "earlier_rung_helped")}
        assert (server.pid, database.changes) == (pid, [])
