# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases alone, wrong input, approval, failures: what the frame promises, on each ansible-core."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from demo import faults
from demo.postgres import Server
from tests.support.site import Site, pythons

from .conftest import Sick, database_site

UNRECORDED = {"ANSIBLE_CALLBACKS_ENABLED": ""}


def approve(site: Site, plan: dict[str, Any], *, mode: int = 0o600) -> str:
    """The approval of a plan, for -e."""
    return f"incident_approved_plan={site.approve(plan, mode=mode)}"


@pytest.fixture(params=pythons())
def any_core(request: pytest.FixtureRequest, tmp_path: Path, server18: Server) -> Site:
    """The site, seen from each ansible-core there is."""
    return database_site(tmp_path, server18, python=request.param)


def test_the_whole_scenario_on_each_core(any_core: Site, sick: Sick) -> None:
    checked = any_core.play("--check")
    assert checked.status == 0, checked.output
    assert sick.untouched
    done = any_core.play("-e", approve(any_core, checked.plan()))
    assert done.status == 0, done.output
    assert not sick.root.alive()
    assert done.outcomes() == ["gone"]
    done.assert_record_verifies()


def test_mitigate_alone_and_a_second_run_changes_nothing(site: Site, sick: Sick) -> None:
    done = site.play("--tags", "mitigate")
    assert done.status == 0, done.output
    assert done.outcomes() == ["gone"]
    assert "Judge the server's health" not in done.tasks()
    assert "Wait for the checks to hold" not in done.tasks()
    again = site.play("--tags", "mitigate")
    assert again.status == 0
    assert again.outcomes() == []
    assert "changed=0" in again.output


def test_verify_alone_says_that_a_sick_server_is_sick(site: Site, sick: Sick, server18: Server) -> None:
    """Also of what nobody can see: without track_activities nobody knows what a session does, or since when (PG-9)."""
    if not server18.execute("SELECT 1 FROM pg_roles WHERE rolname = 'phases_quiet'"):
        server18.execute("CREATE ROLE phases_quiet LOGIN; ALTER ROLE phases_quiet SET track_activities = off")
    with faults.session(server18, user="phases_quiet"):
        done = site.play("--tags", "verify")
    assert done.status == 2
    assert "verify: Not recovered within 5 s: blocking critical" in done.output.replace("\n", " ")
    assert "long_queries unknown" in done.said
    record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
    assert "session of role phases_quiet" in record and "SET track_activities = on" in record
    assert sick.untouched
    assert "End root blockers, then idle transactions, then long queries" not in done.tasks()


def test_two_looks_have_one_hash(site: Site, sick: Sick) -> None:
    looks = [site.play("--check").plan() for _unused in range(2)]
    assert looks[0]["hash"] == looks[1]["hash"]
    assert looks[0]["run"] != looks[1]["run"]


def test_nothing_is_changed_unrecorded(site: Site, sick: Sick) -> None:
    done = site.play("--tags", "mitigate", **UNRECORDED)
    assert done.status == 2
    assert "callbacks_enabled = oncall.incident.evidence" in done.output
    assert sick.untouched


def test_unrecorded_looking_is_allowed(site: Site) -> None:
    assert site.play("--tags", "investigate", **UNRECORDED).status == 0
    assert site.play("--check", **UNRECORDED).status == 0


def test_unrecorded_changes_when_that_was_said(site: Site, sick: Sick) -> None:
    done = site.play("--tags", "mitigate", "-e", "incident_record=off", **UNRECORDED)
    assert done.status == 0, done.output
    assert not sick.root.alive()


def test_a_mark_of_another_process_does_not_count(site: Site, sick: Sick) -> None:
    done = site.play("--tags", "mitigate", **UNRECORDED, ONCALL_INCIDENT_RECORDER=f"{os.getpid()}:run:/tmp/x")
    assert done.status == 2
    assert sick.untouched


def test_wrong_input_is_an_error_before_anything_runs_and_all_of_it_is_named(site: Site) -> None:
    wrong = {
        "postgres_max_victim=3": "postgres_max_victim is unknown; did you mean postgres_max_victims?",
        "postgres_verify_hold=soon": "postgres_verify_hold: 'soon' is not a duration",
        "service_nam=x": "did you mean service_name?",
        "incident_aproved_plan=/x": "did you mean incident_approved_plan?",
        "postgres_strategy=kill": "must be one of: cancel, terminate, escalate, got: kill",
        "postgres_max_victims=ten": "argument 'postgres_max_victims' is of type str",
    }
    done = site.play("--check", *(word for argument in wrong for word in ("-e", argument)))
    assert done.status == 2
    said = done.said
    assert [sentence for sentence in wrong.values() if sentence not in said] == [], done.output
    assert "Judge the server's health" not in done.tasks()


@pytest.mark.parametrize(("argument", "said"), [
    # One alone ends a run as well.
    ("postgres_max_victim=3", "postgres_max_victim is unknown; did you mean postgres_max_victims?"),
    ("postgres_max_victims=ten", "argument 'postgres_max_victims' is of type str"),
    ("postgres_max_victims=-1", "postgres_max_victims: -1 is out of range. Allowed: 0 or more (db1)."),
    ("postgres_login_port=65536", "postgres_login_port: 65536 is out of range. Allowed: 1 to 65535 (db1)."),
    ("postgres_statement_timeout=0s", "postgres_statement_timeout: 0s is out of range. Allowed: more than 0s, at most 1d (db1)."),
    ("postgres_verify_hold=1h", "postgres_verify_hold: 1h is more than postgres_verify_timeout"),
    ("incident_db=nowhere", "No host matches incident_db=nowhere. The inventory's groups are: app, db."),
    ("incident_db=db:&app", "No host matches incident_db=db:&app"),
])
def test_one_wrong_input_is_enough(argument: str, said: str, site: Site) -> None:
    done = site.play("--check", "-e", argument)
    assert done.status == 2
    assert said in done.said
    assert "Judge the server's health" not in done.tasks()


def test_a_misspelt_variable_of_the_inventory_and_other_peoples_that_are_left_alone(site: Site) -> None:
    site.hosts["db"]["db1"].update(postgres_version=15, postgres_backup_dir="/x", service_owner="a", incident_channel="#x")
    site.hosts["db"]["db1"]["postgres_loginuser"] = "x"
    done = site.play("--check")
    assert done.status == 2
    assert "postgres_loginuser (db1) is unknown; did you mean postgres_login_user?" in done.output
    assert not [name for name in ("postgres_version", "postgres_backup_dir", "service_owner", "incident_channel") if name in done.output]
    assert site.play("--check", "-e", '{"incident_ignore_variables": ["postgres_loginuser"]}').status == 0


def test_a_pattern_where_plays_cannot_see_it(site: Site) -> None:
    site.hosts["db"]["db1"]["incident_db"] = "db"
    done = site.play("--check")
    assert done.status == 2
    assert "give it with -e" in done.output


def test_a_limit_that_leaves_no_database(site: Site) -> None:
    site.group("other", other1={})
    done = site.play("--check", "--limit", "other1")
    assert done.status == 2
    assert "No host matches incident_db=db within --limit other1" in done.said


def test_only_the_approved_plan_is_carried_out(site: Site, sick: Sick, server18: Server) -> None:
    plan = site.play("--check", "--tags", "mitigate").plan()
    with faults.idle_in_transaction(server18, row=31, application="late") as late:
        age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
        faults.await_sql(server18, age, (late.pid,), what="the late one to be old enough")
        done = site.play("--tags", "mitigate", "-e", approve(site, plan))
        assert done.status == 0, done.output
        assert not sick.root.alive()
        assert late.alive()
        assert sorted(done.outcomes()) == ["gone", "refused"]


def test_an_empty_plan_allows_nothing(site: Site, sick: Sick) -> None:
    plan = site.play("--check", "--tags", "mitigate", "--limit", "db1", "-e", "postgres_min_idle_in_transaction_age=1h",
                     "-e", "postgres_min_transaction_age=1h").plan()
    assert plan["actions"] == {}
    done = site.play("--tags", "mitigate", "-e", approve(site, plan))
    assert done.outcomes() == ["refused"]
    assert sick.untouched


def test_a_plan_that_cannot_be_trusted(site: Site, sick: Sick) -> None:
    plan = site.play("--check", "--tags", "mitigate").plan()
    tries: list[tuple[dict[str, Any], int, list[str], str]] = [
        ({"limits": {"db1": {"max_victims": 100}}}, 0o600, [], "was changed after it was made"),
        ({"expires": 1_700_000_000.0}, 0o600, [], "expired"),
        ({}, 0o644, [], "open to others"),
        # Where the run is known, another run's plan is refused.
        ({}, 0o600, ["-e", "incident_run_id=another"], f"belongs to run {plan['run']}"),
    ]
    for change, mode, more, said in tries:
        done = site.play("--tags", "mitigate", "-e", approve(site, {**plan, **change}, mode=mode), *more)
        assert done.status == 2, said
        assert said in done.said
        assert sick.untouched, said


def test_the_artifact_of_awx_is_the_plan(site: Site, sick: Sick) -> None:
    """set_stats of the check job arrives as an extra variable of the next one."""
    done = site.play("--check", "--tags", "mitigate", ANSIBLE_SHOW_CUSTOM_STATS="true", ANSIBLE_CALLBACK_RESULT_FORMAT="json")
    stats = done.output.partition("CUSTOM STATS:")[2]
    plan = json.loads(stats[stats.index("{"):stats.rindex("}") + 1])["incident_plan"]
    again = site.play("--tags", "mitigate", "-e", json.dumps({"incident_approved_plan": plan}))
    assert again.status == 0, again.output
    assert again.outcomes() == ["gone"]


def test_the_dead_rows_of_what_was_ended_are_left_to_autovacuum(site: Site, sick: Sick, server18: Server) -> None:
    """What an ended transaction had written is dead at once: no sign that the recovery made the server worse."""
    server18.execute("CREATE TABLE written_in_vain (id int); GRANT INSERT ON written_in_vain TO PUBLIC")
    try:
        sick.root.execute("INSERT INTO written_in_vain SELECT generate_series(1, 20000)")
        age = "SELECT clock_timestamp() - state_change > interval '1.1 s' FROM pg_stat_activity WHERE pid = %s"
        faults.await_sql(server18, age, (sick.root.pid,), what="the root to be old enough again")
        done = site.play()
        assert done.status == 0, done.output
        assert done.outcomes() == ["gone"]
    finally:
        faults.close_all([sick.root])
        server18.execute("DROP TABLE written_in_vain")


def test_a_failed_mitigation_is_measured_and_fails_the_host(site: Site, sick: Sick) -> None:
    done = site.play("-e", "postgres_max_victims=0")
    assert done.status == 2
    assert sick.untouched
    assert "Wait for the checks to hold" in done.tasks()
    said = done.said
    assert "mitigate: " in said
    assert "verify: Not recovered" in said


def test_mitigate_alone_fails_too_when_it_failed(site: Site, sick: Sick) -> None:
    done = site.play("--tags", "mitigate", "-e", "postgres_max_victims=0")
    assert done.status == 2
    assert sick.untouched


def test_who_was_signalled_before_in_this_run_counts_against_the_limit(site: Site, sick: Sick) -> None:
    before = {"id": "cancel|x", "verb": "cancel", "outcome": "moved_on", "target": {"pid": 1}, "reason": "old", "touched": True}
    site.hosts["db"]["db1"]["incident_actions"] = [before]
    done = site.play("--tags", "mitigate", "-e", "postgres_max_victims=1")
    assert (done.status, sick.untouched) == (2, True), done.output
    assert "1 used already" in done.said


def test_an_unreachable_host_is_not_called_recovered(site: Site) -> None:
    site.hosts["db"]["db1"].update(ansible_connection="ssh", ansible_host="127.0.0.1", ansible_port=1)
    done = site.play()
    assert done.status == 4
    assert "unreachable=1" in done.output


def test_wrong_password_stops_before_mitigate(site: Site, sick: Sick) -> None:
    site.hosts["db"]["db1"]["postgres_login_user"] = "nobody_of_this_name"
    done = site.play()
    assert done.status == 2
    assert sick.untouched
    assert "End root blockers, then idle transactions, then long queries" not in done.tasks()


def test_a_probe_that_no_login_may_run_stops_before_mitigate(site: Site, sick: Sick) -> None:
    """The site's login is a superuser: a query of a tenant's tables could never be measured."""
    done = site.play("-e", json.dumps({"postgres_probe_query": "SELECT 1 FROM pg_class LIMIT 1"}))
    assert done.status == 2
    assert sick.untouched
    assert "postgres_probe_login_user: The probe query is not run as postgres, which is a superuser" in done.output
    assert "End root blockers, then idle transactions, then long queries" not in done.tasks()


def test_the_probe_has_its_own_login(site: Site, server18: Server) -> None:
    if not server18.execute("SELECT 1 FROM pg_roles WHERE rolname = 'phases_probe'"):
        server18.execute("CREATE ROLE phases_probe LOGIN PASSWORD 'staple-battery'")
    own = {"postgres_probe_login_user": "phases_probe", "postgres_probe_login_password": "staple-battery"}
    asked = {"postgres_probe_query": "SELECT 1 / (current_user = 'phases_probe')::int", "postgres_verify_hold": "0s"}
    done = site.play("--tags", "investigate,verify", "-e", json.dumps({**asked, **own, "postgres_verify_checks": ["connections"]}))
    assert done.status == 0, done.output
    assert "staple-battery" not in done.output + "".join(path.read_text() for path in (done.run_dir / "record").iterdir())


def test_the_log_and_the_disk_of_the_host(site: Site, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text("LOG: up\nERROR: duplicate key, DETAIL: Key (email)=(ada@example.org) exists\n")
    done = site.play("--tags", "investigate", "-e", f"postgres_log_path={log}")
    assert done.status == 0
    record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
    assert "duplicate key" in record
    assert "ada@example.org" not in record
    assert "disk_space" in record


def test_checks_can_be_named(site: Site) -> None:
    done = site.play(
        "--tags", "verify", "-e", "postgres_verify_checks=connections,blocking", "-e", "postgres_probe_query='SELECT 1'",
        "-e", "postgres_verify_hold=0s",
    )
    assert done.status == 0, done.output
    failing = {"postgres_probe_query": "SELECT 1/0", "postgres_probe_login_user": "app", "postgres_verify_timeout": "1s"}
    done = site.play("--tags", "verify", "-e", json.dumps(failing))
    assert done.status == 2
    assert "probe critical" in done.output

