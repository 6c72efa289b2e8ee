# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rungs against real servers: what is less than a restart comes first, and they are restarted only if that was not enough.

The caches are played three times, the databases twice, with many hosts, that the tests read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.redis_servers import RedisServer
from tests.support.redis_site import Caches, RedisSite, answering, caches, count, fill, fill_memory, lasting, one_cache, verbs
from tests.support.site import Ended

from .conftest import database_site
from .test_restart_database import Database
from .test_restart_database import play as restart_play

# Whichever test comes first waits for all plays, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2400)
MITIGATE = ("--tags", "mitigate")
#: The restart is wanted whatever ails the server, and its keys are no loss. One look is enough: nothing here changes by itself.
WANTED = {"redis_restart": "always", "redis_accept_data_loss": True, "incident_rung_wait": "0s"}
#: Most of the keys, and too few.
ENOUGH, TOO_FEW = {"redis_clear_pattern": "page:*"}, {"redis_clear_pattern": "good:*"}


def start_of(server: RedisServer) -> str:
    """What is another one after a restart."""
    return str(server.execute("INFO", "server")["run_id"])


def rungs(plan: dict[str, Any], host: str) -> list[tuple[str, list[str], bool]]:
    """Name, verbs and whether it has a condition, of each rung of a host."""
    by_id = {action["id"]: action["verb"] for action in plan["actions"][host]}
    return [(rung["name"], [by_id[one] for one in rung["actions"]], bool(rung["checks"])) for rung in plan["rungs"][host]]


def outcomes(done: Ended, host: str) -> dict[str, tuple[str, str]]:
    """Outcome and why by verb."""
    return {action["verb"]: (action["outcome"], action["detail"].get("why", "")) for action in done.actions(host)}


def output_of(done: Ended, host: str) -> str:
    """What was recorded of a host's tasks."""
    return " ".join(json.dumps(event) for event in done.events() if event.get("host") == host)


@dataclass
class Story:
    """The plays of the caches, and what was so in between.

    Attributes:
        checked: the check of all that are approved.
        mitigated: `mitigate` alone, with and without a plan.
        whole: the whole scenario.
        starts, after_check, after_mitigate: which process each server was at first, after the check, and after `mitigate`.
        keys: how many keys each server had before and after the check.
    """

    hosts: Caches
    checked: Ended
    mitigated: Ended
    whole: Ended
    starts: dict[str, str]
    after_check: dict[str, str]
    after_mitigate: dict[str, str]
    keys: list[dict[str, int]]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Hosts for every case, and the three plays."""
    with caches(tmp_path_factory.mktemp("rungs")) as hosts:
        application = hosts.stack.enter_context(answering())
        for name, pattern in (("enough", ENOUGH), ("too_few", TOO_FEW), ("unplanned", ENOUGH)):
            fill_memory(hosts.add(name, **WANTED, **pattern).server)
        hosts.add("alone", **{**WANTED, "incident_rung_wait": "20s"})
        hosts.add("alone_unplanned", **WANTED)
        hanging = hosts.server(flavor="redis")
        hosts.add("hanging", hanging, redis_verify_checks=["availability", "memory"], **WANTED)
        for name in ("silent", "failing"):
            hosts.add(name, redis_app_urls=[application.at(name)], **WANTED)
        blind = hosts.add("blind", redis_clear="always", redis_verify_checks=["availability", "slow_log"], **WANTED, **ENOUGH).server
        fill(blind, "page:", 3)
        blind.execute("ACL", "SETUSER", "default", "-slowlog")

        def starts() -> dict[str, str]:
            return {name: start_of(host.server) for name, host in hosts.hosts.items()}

        def keys() -> dict[str, int]:
            return {name: count(host.server, "*") for name, host in hosts.hosts.items()}

        first, before = starts(), keys()
        planned = ("enough", "too_few", "alone", "hanging", "silent", "failing", "blind")
        hosts.group(*planned)
        checked = hosts.play("--check", *MITIGATE)
        plan, looked, after = lasting(checked.plan()), starts(), keys()

        hanging.execute("CLIENT", "PAUSE", "600000", "WRITE")
        application.others["/failing"] = 503
        approved: dict[str, Any] = {"incident_approved_plan": plan}
        hosts.group(
            "alone_unplanned", enough={"incident_approved_plan": hosts.site.approve(plan)},
            alone={**approved, "incident_rung_wait": "0s"}, hanging=approved, failing=approved, blind=approved,
            silent={**approved, "redis_app_urls": ["http://127.0.0.1:9/"]},
        )
        mitigated = hosts.play(*MITIGATE)
        then = starts()
        hosts.group("unplanned", too_few=approved, enough={**approved, "redis_clear": "never"})
        yield Story(
            hosts=hosts, checked=checked, mitigated=mitigated, whole=hosts.play(), starts=first, after_check=looked, after_mitigate=then,
            keys=[before, after],
        )


def test_where_it_is_judged_or_carried_out_nothing_fails(story: Story) -> None:
    assert (story.checked.status, story.checked.failed) == (0, set()), story.checked.output
    assert story.mitigated.failed & {"enough", "alone", "alone_unplanned"} == set(), story.mitigated.output
    assert (story.whole.status, story.whole.failed) == (0, set()), story.whole.output


def test_check_mode_plans_every_rung_and_touches_nothing(story: Story) -> None:
    plan = story.checked.plan()
    for host in ("enough", "too_few"):
        assert rungs(plan, host) == [("repair", ["clear_pattern"], False), ("restart", ["restart_cache"], True)], story.checked.output
    assert plan["rungs"]["enough"][1]["wait"] == "0s"
    assert (story.after_check, story.keys[1]) == (story.starts, story.keys[0])


def test_the_plan_of_a_file_keeps_the_conditions(story: Story) -> None:
    """It is carried out with --tags mitigate alone: the first rung is enough."""
    host = story.hosts["enough"]
    assert outcomes(story.mitigated, "enough") == {
        "clear_pattern": ("done", ""), "restart_cache": ("not_needed", "earlier_rung_helped"),
    }, story.mitigated.output
    assert (host.restarts, story.after_mitigate["enough"], count(host.server, "page:*")) == (0, story.starts["enough"], 0)
    story.mitigated.assert_record_verifies()


def test_a_plan_that_is_carried_out_again_keeps_its_conditions(story: Story) -> None:
    """The first rung has nothing to do any more."""
    assert outcomes(story.whole, "enough")["restart_cache"] == ("not_needed", "checks_ok"), story.whole.output
    assert start_of(story.hosts["enough"].server) == story.starts["enough"]


def test_the_next_rung_is_run_when_the_one_before_was_not_enough(story: Story) -> None:
    host = story.hosts["too_few"]
    assert verbs(story.whole, "too_few") == [("clear_pattern", "done"), ("restart_cache", "done")], story.whole.output
    assert (host.restarts, start_of(host.server) != story.starts["too_few"]) == (1, True)
    assert "the checks still fail after 0s: memory critical, writes critical" in story.whole.output


def test_without_a_plan_the_restart_is_left_out_likewise(story: Story) -> None:
    host = story.hosts["unplanned"]
    assert verbs(story.whole, "unplanned") == [("clear_pattern", "done")], story.whole.output
    assert (host.restarts, start_of(host.server)) == (0, story.starts["unplanned"])


def test_a_restart_alone_has_the_condition_too(story: Story) -> None:
    """Nothing comes before it, and the server is well: neither without a plan, nor with one that was approved."""
    plan = story.checked.plan()
    assert rungs(plan, "alone") == [("restart", ["restart_cache"], True)], story.checked.output
    assert plan["rungs"]["alone"][0]["wait"] == "0s", "nothing is done before it that could take time to help"
    assert outcomes(story.mitigated, "alone") == {"restart_cache": ("not_needed", "checks_ok")}, story.mitigated.output
    assert verbs(story.mitigated, "alone_unplanned") == [], story.mitigated.output
    for name in ("alone", "alone_unplanned"):
        assert (story.hosts[name].restarts, story.after_mitigate[name]) == (0, story.starts[name])


def test_writes_that_hang_are_a_failing_check(story: Story) -> None:
    """All else looks well, and this version may not tell of the pause: verify fails by the probe key, so the restart is still needed."""
    assert story.checked.plan()["rungs"]["hanging"][0]["checks"] == [
        "availability", "memory", "probe_write", "probe_read", "probe_replication", "probe_delete",
    ]
    assert outcomes(story.mitigated, "hanging")["restart_cache"] == ("done", ""), story.mitigated.output
    assert "probe_write critical" in output_of(story.mitigated, "hanging")
    assert story.hosts["hanging"].restarts == 1


def test_an_application_is_asked_before_the_restart_as_verify_asks_it(story: Story) -> None:
    """Another status is a failure; where nobody answers it is not known whose fault that is."""
    for name in ("silent", "failing"):
        assert "application" in story.checked.plan()["rungs"][name][0]["checks"]
    assert outcomes(story.mitigated, "silent")["restart_cache"] == ("refused", "cannot_look"), story.mitigated.output
    assert outcomes(story.mitigated, "failing")["restart_cache"] == ("done", ""), story.mitigated.output
    assert "application critical" in output_of(story.mitigated, "failing")


def test_nothing_is_restarted_on_blindness(story: Story) -> None:
    """Whether the restart is still needed cannot be seen: the account may not read what one of the checks is about."""
    assert outcomes(story.mitigated, "blind")["restart_cache"] == ("refused", "cannot_look"), story.mitigated.output
    assert "no answer to slow_log" in output_of(story.mitigated, "blind")
    assert story.hosts["blind"].restarts == 0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[RedisSite]:
    """A site of one host, with some keys."""
    with one_cache(tmp_path) as made:
        yield made


def test_the_command_shows_the_rungs_and_carries_out_what_is_needed(site: RedisSite) -> None:
    fill_memory(site.cache)
    start = start_of(site.cache)
    given = [text for name, value in {**WANTED, **ENOUGH}.items() for text in ("-e", f"{name}={str(value).lower()}")]
    done = site.incident("--json", "--yes", *given, **site.environ)
    assert (done.status, done.data.get("outcome")) == (0, "recovered"), done.stderr
    assert [(one["verb"], one["rung"]) for one in done.data["planned_actions"]] == [("clear_pattern", 1), ("restart_cache", 2)]
    assert {one["verb"]: one["outcome"] for one in done.data["actions"]} == {"clear_pattern": "done", "restart_cache": "not_needed"}
    assert "2. only if still failing (availability, writes, memory" in done.stderr
    assert (site.restarts, start_of(site.cache)) == (0, start)


def test_two_servers_of_one_host_have_a_list_each(site: RedisSite) -> None:
    """The first one is well after a clearing. That says nothing of the second one, which is down."""
    def mitigate(server: RedisServer, **variables: Any) -> dict[str, Any]:
        role = {"name": "oncall.incident.redis", "tasks_from": "mitigate"}
        return {"name": "Recover", "ansible.builtin.include_role": role, "vars": {**WANTED, "redis_login_port": server.port, **variables}}

    with RedisServer.start(site.cache.binary) as well:
        fill(well, "page:", 3)
        start = start_of(well)
        conclude = {"name": "Conclude", "ansible.builtin.include_role": {"name": "oncall.incident.incident", "tasks_from": "conclude"}}
        book = site.book([mitigate(well, **ENOUGH, redis_clear="always"), mitigate(site.cache), conclude], hosts="cache")
        site.cache.kill()
        done = site.play(playbook=book, **site.environ)
        assert done.status == 0, done.output
        assert verbs(done) == [("clear_pattern", "done"), ("restart_cache", "done")], done.output
        assert "Rung restart is not needed: the checks are ok." in done.output
        assert (start_of(well), count(well, "page:*")) == (start, 0) and site.cache.execute("PING")


@dataclass
class Databases:
    """The plays of the databases."""

    hosts: dict[str, Database]
    pids: dict[str, int]
    checked: Ended
    done: Ended


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """One whose blocker is ended, one that is well, and two names for one that nothing relieves."""
    bin_dir, place = find_bin_dir(18), tmp_path_factory.mktemp("databases")
    need(bin_dir, "PostgreSQL 18")
    with ExitStack() as stack:
        servers = {name: stack.enter_context(Server.start(bin_dir=bin_dir, settings={"max_connections": "25"}))
                   for name in ("blocked", "well", "limited")}
        servers["unseen"] = servers["limited"]
        hosts = {name: Database(name, server, place / name) for name, server in servers.items()}
        pids = {name: server.pid for name, server in servers.items()}
        for name, host in hosts.items():
            host.adopt(pids[name])
        for name in ("blocked", "limited"):
            chain = faults.lock_chain(servers[name], depth=1, then_commit=True)
            stack.callback(faults.close_all, chain)
            age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
            faults.await_sql(servers[name], age, (chain[0].pid,), what="the blocker to be old enough")
        site = database_site(place, servers["well"])
        checked = restart_play(site, {name: hosts[name].variables() for name in ("blocked", "well")}, *MITIGATE, "--check")
        approved = {name: hosts[name].variables(incident_approved_plan=lasting(checked.plan())) for name in ("blocked", "well")}
        done = restart_play(site, {
            **approved, "unseen": hosts["unseen"].variables(postgres_login_user="nobody_of_that_name"),
            "limited": hosts["limited"].variables(postgres_max_victims=0, postgres_verify_checks=["availability"]),
        }, *MITIGATE)
        yield Databases(hosts, pids, checked, done)


def test_a_database_is_not_restarted_once_its_blocker_is_gone(databases: Databases) -> None:
    assert [rung["name"] for rung in databases.checked.plan()["rungs"]["blocked"]] == ["relieve", "restart"], databases.checked.output
    assert outcomes(databases.done, "blocked") == {
        "terminate": ("gone", ""), "restart_database": ("not_needed", "earlier_rung_helped"),
    }, databases.done.output


def test_a_database_that_is_well_is_not_restarted(databases: Databases) -> None:
    """Relieving it has nothing to do."""
    conditional = [rung["name"] for rung in databases.checked.plan()["rungs"]["well"] if rung["checks"]]
    assert conditional == ["restart"], databases.checked.output
    assert outcomes(databases.done, "well") == {"restart_database": ("not_needed", "checks_ok")}, databases.done.output


def test_a_database_that_cannot_be_seen_is_not_restarted(databases: Databases) -> None:
    """Relieving it could not look."""
    assert databases.done.failed == {"unseen", "limited"}, databases.done.output
    assert "whether it is still needed could not be seen" in output_of(databases.done, "unseen")
    assert "restart_database" not in outcomes(databases.done, "unseen")


def test_a_database_that_was_relieved_of_nothing_is_not_restarted_where_its_checks_are_ok(databases: Databases) -> None:
    """Relieving it was over its limit."""
    assert "Rung restart is not needed: the checks are ok." in output_of(databases.done, "limited")
    assert "restart_database" not in outcomes(databases.done, "limited")


def test_no_database_was_restarted(databases: Databases) -> None:
    assert {name: host.server.pid for name, host in databases.hosts.items()} == databases.pids
    assert [host.changes for host in databases.hosts.values()] == [[]] * 4
