# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Phases alone, approval, failures, changes that nobody records: what the frame promises, on the databases of one site.

Starting Ansible is what costs, so all tests read six runs of one story. In each of them every host has a fault of its own. What only is to
be refused or measured happens on one sick server, which nothing may touch. What is ended is on servers of their own.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.plans import gather_plan

from demo import faults
from demo.postgres import Server, find_bin_dir
from tests.support.need import need
from tests.support.site import ROOT, Ended, Site, pythons

from .conftest import Sick, database_site, renewed, sickness, until_old

pytestmark = pytest.mark.timeout(1800)
PLAYBOOK = str(ROOT / "incident" / "db-recovery.yml")
#: Nobody records. The mark is of a process that is not this run's.
UNRECORDED = {"ANSIBLE_CALLBACKS_ENABLED": "", "ONCALL_INCIDENT_RECORDER": f"{os.getpid()}:run:/tmp/x"}
#: Servers on which something is ended, and the one that stays sick.
ENDED = ("whole", "alone", "late", "written")
SERVERS = (*ENDED, "sick")
#: Hosts of the sick server whose plan cannot be trusted, and what is said of each.
UNTRUSTED = {"changed": "was changed after it was made", "expired": "expired", "open": "open to others", "another": "belongs to run "}
#: Hosts of one server follow one another where they act: two modules never act on it at once.
IN_TURN = {"ANSIBLE_FORKS": "1"}
END, JUDGE, WAIT = (
    "End root blockers, then idle transactions, then long queries", "Check the server's health", "Wait until the checks stay ok",
)


def at(server: Server, **more: Any) -> dict[str, Any]:
    """The variables of a host with this server."""
    return {"postgres_login_unix_socket": str(server.socket_dir), "postgres_login_port": server.port, **more}


def artifact(done: Ended) -> dict[str, Any]:
    """The plan as AWX gets it: from the statistics that a run shows."""
    stats = done.output.partition("CUSTOM STATS:")[2]
    return dict(json.loads(stats[stats.index("{"):stats.rindex("}") + 1])["incident_plan"])


def recorded(done: Ended) -> str:
    """All that was written down."""
    return "".join(path.read_text() for path in (done.run_dir / "record").iterdir())


@dataclass
class Phases:
    """The runs, in this order, and what was so after them.

    Attributes:
        unrecorded: the scenario twice without a record: where that was said, and where it was not. Before them, a look.
        checked: a check; `again` the same, which nobody records.
        mitigated: mitigate alone, some of it with a plan in a file.
        recovered: all phases, with the plan of `again` as an extra variable.
        verified: verify alone.
        alive: after each run, whether each root is alive, and for the sick server whether all are.
        root: the pid of the sick server's root.
    """

    unrecorded: Ended
    checked: Ended
    again: Ended
    mitigated: Ended
    recovered: Ended
    verified: Ended
    alive: Mapping[str, Mapping[str, bool]]
    late: bool
    root: int


class _Story:
    """The servers and the runs in the making."""

    def __init__(self, stack: ExitStack, place: Path, well: Server) -> None:
        bin_dir = find_bin_dir(18)
        need(bin_dir, "PostgreSQL 18")
        self.stack, self.place, self.well = stack, place, well
        self.site = database_site(place, well)
        self.servers = {name: stack.enter_context(Server.start(bin_dir=bin_dir)) for name in SERVERS}
        self.sick: dict[str, Sick] = {"sick": stack.enter_context(sickness(self.servers["sick"]))}
        self.alive: dict[str, dict[str, bool]] = {}

    def run(self, name: str, hosts: Mapping[str, Mapping[str, Any]], *arguments: str, **more: Any) -> Ended:
        """One run."""
        self.site.group("db", **hosts)
        done = self.site.play(*arguments, **more)
        self.alive[name] = {server: sick.untouched if server == "sick" else sick.root.alive() for server, sick in self.sick.items()}
        return done

    def approval(self, name: str, plan: Mapping[str, Any], *, mode: int = 0o600) -> str:
        """A plan in a file of its own."""
        path = self.place / f"{name}.json"
        path.write_text(json.dumps(plan))
        path.chmod(mode)
        return str(path)

    def unrecorded(self) -> Ended:
        """One process: what fails is last."""
        look = {"ansible.builtin.import_role": {"name": "oncall.incident.postgres", "tasks_from": "investigate"}}
        book = self.place / "unrecorded.json"
        book.write_text(json.dumps([
            {"hosts": "silent", "gather_facts": False, "tags": ["always"], "tasks": [look]},
            {"ansible.builtin.import_playbook": PLAYBOOK, "vars": {"incident_db": "said", "incident_record": False}},
            {"ansible.builtin.import_playbook": PLAYBOOK, "vars": {"incident_db": "silent"}},
        ]))
        # What is done once for all hosts, Ansible counts as the first one's.
        hosts = {"silent": at(self.servers["sick"]), "said": at(self.servers["written"])}
        with sickness(self.servers["written"]) as self.sick["said"]:
            done = self.run("unrecorded", hosts, "--tags", "mitigate", playbook=book, **UNRECORDED)
        del self.sick["said"]
        return done

    def fall_sick(self) -> None:
        """All but the server that is well. What a session is to have written in vain is written."""
        for name in ENDED:
            self.sick[name] = self.stack.enter_context(sickness(self.servers[name]))
        written, root = self.servers["written"], self.sick["written"].root
        written.execute("CREATE TABLE written_in_vain (id int); GRANT INSERT ON written_in_vain TO PUBLIC")
        root.execute("INSERT INTO written_in_vain SELECT generate_series(1, 20000)")
        until_old(written, root)

    def check(self, name: str, **environ: str) -> Ended:
        """A look at what is recovered later. Nobody of `young` is old enough."""
        hosts = {host: at(self.servers[host]) for host in ("whole", "late", "written")}
        patient = {"postgres_min_idle_in_transaction_age": "1h", "postgres_min_transaction_age": "1h"}
        sick = {"limited": at(self.servers["sick"]), "young": at(self.servers["sick"], **patient)}
        return self.run(name, {**hosts, **sick}, "--check", **environ)

    def mitigate(self, plan: Mapping[str, Any]) -> Ended:
        """Mitigate alone."""
        sick = self.servers["sick"]
        before = {"id": "cancel|x", "verb": "cancel", "outcome": "moved_on", "target": {"pid": 1}, "reason": "old", "touched": True}
        untrusted = {
            "changed": self.approval("changed", {**plan, "limits": {"limited": {"max_victims": 100}}}),
            "expired": self.approval("expired", {**plan, "expires": 1_700_000_000.0}),
            "open": self.approval("open", plan, mode=0o644),
            "another": self.approval("another", plan),
        }
        # Where the run is known, another run's plan is refused.
        known = {"another": {"incident_run_id": "another"}}
        nothing = renewed(gather_plan({}, run=plan["run"], now=time.time()).as_dict())
        return self.run("mitigated", {
            "alone": at(self.servers["alone"]),
            "late": at(self.servers["late"], incident_approved_plan=self.approval("plan", plan)),
            "empty": at(sick, incident_approved_plan=self.approval("nothing", nothing)),
            "limited": at(sick, postgres_max_victims=0),
            "spent": at(sick, postgres_max_victims=1, incident_actions=[before]),
            **{host: at(sick, incident_approved_plan=path, **known.get(host, {})) for host, path in untrusted.items()},
        }, "--tags", "mitigate", **IN_TURN)

    def recover(self, plan: Mapping[str, Any]) -> Ended:
        """All phases."""
        sick, well, log = self.servers["sick"], self.well, self.place / "server.log"
        log.write_text("LOG: up\nERROR: duplicate key, DETAIL: Key (email)=(ada@example.org) exists\n")
        if not well.execute("SELECT 1 FROM pg_roles WHERE rolname = 'phases_probe'"):
            well.execute("CREATE ROLE phases_probe LOGIN PASSWORD 'staple-battery'")
        nowhere = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
        own_login = {
            "postgres_probe_query": "SELECT 1 / (current_user = 'phases_probe')::int", "postgres_probe_login_user": "phases_probe",
            "postgres_probe_login_password": "staple-battery", "postgres_verify_checks": ["connections"], "postgres_verify_hold": "0s",
        }
        return self.run("recovered", {
            **{host: at(self.servers[host]) for host in ("whole", "written", "alone")},
            "young": at(sick, postgres_verify_timeout="1s"),
            "limited": at(sick, postgres_verify_timeout="1s", postgres_max_victims=0),
            "unreachable": at(sick, **nowhere),
            "stranger": at(sick, postgres_login_user="nobody_of_this_name"),
            "tenant": at(sick, postgres_probe_query="SELECT 1 FROM pg_class LIMIT 1"),
            "probed": at(well, postgres_log_path=str(log), **own_login),
        }, variables={"incident_approved_plan": plan}, **IN_TURN)

    def verify(self) -> Ended:
        """Verify alone."""
        sick = self.servers["sick"]
        # Without track_activities nobody knows what a session does, or since when (PG-9).
        sick.execute("CREATE ROLE phases_quiet LOGIN; ALTER ROLE phases_quiet SET track_activities = off")
        faults.prepare(self.well)
        failing = {"postgres_probe_query": "SELECT 1/0", "postgres_probe_login_user": "app", "postgres_verify_timeout": "1s"}
        named = {"postgres_probe_query": "SELECT 1", "postgres_verify_checks": "connections,blocking", "postgres_verify_hold": "0s"}
        with faults.session(sick, user="phases_quiet"):
            return self.run(
                "verified", {"sick": at(sick), "named": at(self.well, **named), "failing": at(self.well, **failing)}, "--tags", "verify")


@pytest.fixture(scope="module")
def phases(tmp_path_factory: pytest.TempPathFactory, server18: Server) -> Iterator[Phases]:
    """Six servers, six runs."""
    with ExitStack() as stack:
        story = _Story(stack, tmp_path_factory.mktemp("phases"), server18)
        unrecorded = story.unrecorded()
        story.fall_sick()
        checked = story.check("checked")
        again = story.check("again", ANSIBLE_SHOW_CUSTOM_STATS="true", ANSIBLE_CALLBACK_RESULT_FORMAT="json", **UNRECORDED)
        late = stack.enter_context(faults.idle_in_transaction(story.servers["late"], row=31, application="late"))
        until_old(story.servers["late"], late)
        yield Phases(
            unrecorded=unrecorded, checked=checked, again=again, mitigated=story.mitigate(renewed(checked.plan())),
            recovered=story.recover(renewed(artifact(again))), verified=story.verify(), alive=story.alive, late=late.alive(),
            root=story.sick["sick"].root.pid,
        )


@pytest.fixture(params=pythons()[1:])
def another_core(request: pytest.FixtureRequest, tmp_path: Path, server18: Server) -> Site:
    """The site, seen from another ansible-core than the one of the story."""
    return database_site(tmp_path, server18, python=request.param)


def test_the_whole_scenario_on_another_core(another_core: Site, sick: Sick) -> None:
    checked = another_core.play("--check")
    assert checked.status == 0, checked.output
    assert sick.untouched
    done = another_core.play("-e", f"incident_approved_plan={another_core.approve(checked.plan())}")
    assert done.status == 0, done.output
    assert not sick.root.alive()
    assert done.outcomes() == ["gone"]
    done.assert_record_verifies()


def test_the_whole_scenario(phases: Phases) -> None:
    assert phases.checked.status == 0, phases.checked.output
    assert phases.checked.outcomes("whole") == ["planned"]
    assert all(phases.alive["checked"].values()) and all(phases.alive["again"].values())
    assert "whole" not in phases.recovered.failed, phases.recovered.output
    assert phases.recovered.outcomes("whole") == ["gone"]
    assert not phases.alive["recovered"]["whole"]
    phases.recovered.assert_record_verifies()


def test_mitigate_alone_and_a_second_run_changes_nothing(phases: Phases) -> None:
    assert "alone" not in phases.mitigated.failed, phases.mitigated.output
    assert phases.mitigated.outcomes("alone") == ["gone"]
    assert not phases.alive["mitigated"]["alone"]
    assert not {JUDGE, WAIT} & phases.mitigated.tasks()
    again = phases.recovered.recap("alone")
    assert (again["failed"], again["changed"]) == (0, 0), phases.recovered.output
    assert phases.recovered.outcomes("alone") == []


def test_verify_alone_says_that_a_sick_server_is_sick(phases: Phases) -> None:
    """Also of what nobody can see: what a session without track_activities does."""
    assert phases.verified.status == 2
    # Who is in the way is named, and not waited on.
    sick = re.compile(rf"verify: Not recovered: blocking critical, [^.]*long_queries unknown. pid {phases.root} app@postgres \(web\), idle")
    assert sick.search(phases.verified.failures("sick"))
    assert sick.search(phases.verified.said)
    assert "session of role phases_quiet" in recorded(phases.verified) and "SET track_activities = on" in recorded(phases.verified)
    assert phases.alive["verified"]["sick"]
    assert not {END, JUDGE} & phases.verified.tasks()


def test_two_looks_have_one_hash(phases: Phases) -> None:
    looks = [phases.checked.plan(), artifact(phases.again)]
    assert looks[0]["hash"] == looks[1]["hash"]
    assert looks[0]["run"] != looks[1]["run"]


def test_nothing_is_changed_unrecorded(phases: Phases) -> None:
    """A mark of another process does not count: it was inherited."""
    assert phases.unrecorded.status == 2
    assert "callbacks_enabled = oncall.incident.evidence" in phases.unrecorded.output
    assert phases.alive["unrecorded"]["sick"]
    # Each phase has a play for it, in which nothing was run.
    assert phases.unrecorded.output.count(END) == 1, "of the one where it was said"


def test_unrecorded_looking_is_allowed(phases: Phases) -> None:
    assert phases.unrecorded.output.count(JUDGE) == 1
    assert "ok: [silent]" in phases.unrecorded.output.partition(JUDGE)[2].partition("TASK")[0]
    assert phases.again.status == 0, phases.again.output
    assert not (phases.again.home / "runs").exists()
    assert "Check that changes will be recorded" not in phases.verified.tasks(), "only mitigate asks"


def test_unrecorded_changes_when_that_was_said(phases: Phases) -> None:
    assert phases.unrecorded.recap("said")["failed"] == 0, phases.unrecorded.output
    assert not phases.alive["unrecorded"]["said"]


def test_only_the_approved_plan_is_carried_out(phases: Phases) -> None:
    assert "late" not in phases.mitigated.failed, phases.mitigated.output
    assert phases.checked.outcomes("late") == ["planned"]
    assert phases.mitigated.outcomes("late") == ["gone", "refused"]
    assert not phases.alive["mitigated"]["late"]
    assert phases.late


def test_an_empty_plan_allows_nothing(phases: Phases) -> None:
    """Neither one without any action, nor one with none of this host."""
    assert "young" not in phases.checked.plan()["actions"]
    assert phases.mitigated.outcomes("empty") == ["refused"]
    assert phases.recovered.outcomes("young") == ["refused"]
    assert phases.alive["mitigated"]["sick"] and phases.alive["recovered"]["sick"]


@pytest.mark.parametrize("host", UNTRUSTED)
def test_a_plan_that_cannot_be_trusted(host: str, phases: Phases) -> None:
    said = UNTRUSTED[host] + (phases.checked.plan()["run"] if host == "another" else "")
    assert phases.mitigated.status == 2
    assert host in phases.mitigated.failed
    assert said in phases.mitigated.failures(host)
    assert said in phases.mitigated.said
    assert phases.mitigated.actions(host) == [] and END not in phases.mitigated.tasks(host)
    assert phases.alive["mitigated"]["sick"]


def test_the_artifact_of_awx_is_the_plan(phases: Phases) -> None:
    """set_stats of the check job arrives as an extra variable of the next one."""
    assert {host: len(actions) for host, actions in artifact(phases.again)["actions"].items()} == {
        "whole": 1, "late": 1, "written": 1, "limited": 1,
    }
    assert phases.recovered.outcomes("whole") == ["gone"]
    assert [action["detail"]["why"] for action in phases.recovered.actions("young")] == ["not_approved"]


def test_the_dead_rows_of_what_was_ended_are_left_to_autovacuum(phases: Phases) -> None:
    """What an ended transaction had written is dead at once: no sign that the recovery made the server worse."""
    assert "written" not in phases.recovered.failed, phases.recovered.output
    assert phases.recovered.outcomes("written") == ["gone"]


def test_a_failed_mitigation_is_measured_and_fails_the_host(phases: Phases) -> None:
    assert "limited" in phases.recovered.failed
    assert WAIT in phases.recovered.tasks("limited")
    said = phases.recovered.failures("limited")
    assert "mitigate: " in said
    assert "verify: Not recovered" in said
    assert phases.alive["recovered"]["sick"]


def test_mitigate_alone_fails_too_when_it_failed(phases: Phases) -> None:
    assert phases.mitigated.status == 2
    assert "limited" in phases.mitigated.failed
    assert phases.alive["mitigated"]["sick"]


def test_who_was_signalled_before_in_this_run_counts_against_the_limit(phases: Phases) -> None:
    assert "spent" in phases.mitigated.failed
    assert "1 used already" in phases.mitigated.failures("spent")
    assert phases.alive["mitigated"]["sick"]


def test_an_unreachable_host_is_not_called_recovered(phases: Phases) -> None:
    assert phases.recovered.status == 4
    assert phases.recovered.recap("unreachable")["unreachable"] == 1
    assert phases.recovered.findings("verify", "unreachable") == {}


def test_wrong_password_stops_before_mitigate(phases: Phases) -> None:
    assert "stranger" in phases.recovered.failed
    assert END not in phases.recovered.tasks("stranger") and END in phases.recovered.tasks("young")
    assert phases.alive["recovered"]["sick"]


def test_a_probe_that_no_login_may_run_stops_before_mitigate(phases: Phases) -> None:
    """The site's login is a superuser: a query of a tenant's tables could never be measured."""
    assert "tenant" in phases.recovered.failed
    refused = "postgres_probe_login_user: The probe query is not run as postgres, which is a superuser"
    assert refused in phases.recovered.failures("tenant") and refused in phases.recovered.output
    assert END not in phases.recovered.tasks("tenant")


def test_the_probe_has_its_own_login(phases: Phases) -> None:
    assert "probed" not in phases.recovered.failed, phases.recovered.output
    for phase in ("investigate", "verify"):
        assert phases.recovered.findings(phase, "probed")["probe"] == "ok"
    assert "staple-battery" not in phases.recovered.output + recorded(phases.recovered)


def test_the_log_and_the_disk_of_the_host(phases: Phases) -> None:
    assert "duplicate key" in recorded(phases.recovered)
    assert "ada@example.org" not in recorded(phases.recovered)
    assert "disk_space" in phases.recovered.findings("investigate", "probed")


def test_checks_can_be_named(phases: Phases) -> None:
    assert "named" not in phases.verified.failed, phases.verified.output
    assert "failing" in phases.verified.failed
    assert "probe critical" in phases.verified.failures("failing")
