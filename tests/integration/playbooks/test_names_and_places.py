# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that others use are refused before anything is looked at, and every look says first where it goes and as whom."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.postgres import Server
from tests.support.site import ROOT, Ended, Site

from .test_wrapper import run

#: What a guard of every subject is told, in one play.
EVERY_SUBJECT = [
    {"variable": f"incident_{role}", "hosts": role, "role": role}
    for role in ("postgres", "redis", "certificate", "fail2ban", "host", "service")
]


def refusal(name: str, ours: str) -> str:
    """What is said of a name, from the host's on."""
    return f"{name} is not read by oncall.incident; set {ours} (set it as well if {name.partition(' ')[0]} belongs to another role)."


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody who would hear of any look at the database."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()
        made.setblocking(False)
        yield made


def nobody_came(listener: socket.socket) -> bool:
    """Whether no connection was made since the listener is there."""
    try:
        listener.accept()[0].close()
    except BlockingIOError:
        return True
    return False


@pytest.fixture
def misnamed(site: Site, listener: socket.socket) -> Site:
    """A site whose inventory names the login as others do; without the guard the listener would be asked."""
    there = {"postgres_login_port": listener.getsockname()[1], "postgres_connect_params": {"host": "127.0.0.1"}}
    site.group("db", db1={**there, "postgres_host": "db1.example.org", "postgres_password": "canary-of-names"})
    site.group("app", app1={"service_unit": "shop"})
    return site


def test_of_every_subject_and_from_everywhere(site: Site) -> None:
    """Inventory, groups, extra variables and those of the play; a pair of ours and theirs is silent."""
    for role, given in {
        "postgres": {"postgres_host": "a", "pg_port": 1, "evidence_logs": ["/x"], "postgres_ssl": True, "postgres_ssl_mode": "require"},
        "redis": {"redis_password": "canary-of-names", "redis_port": 1, "redis_login_port": 2, "postgres_user": "not looked at here"},
        "certificate": {"certificate_domains": ["a.example.org"]},
        "fail2ban": {"fail2ban_whitelist": ["192.0.2.1"]},
        "host": {"host_mounts": ["/"]},
        "service": {"service_unit": "shop"},
    }.items():
        site.group(role, **{f"{role}1": given})
    (site.place / "group_vars").mkdir()
    (site.place / "group_vars" / "redis.yml").write_text("redis_hostname: a\n")
    play = {"hosts": "all", "gather_facts": False, "vars": {"postgres_database": "shop"}, "tasks": [
        {"oncall.incident.guard": {"subjects": EVERY_SUBJECT, "ignore": ["fail2ban_sock"]}, "run_once": True},
    ]}
    (site.place / "guard.yml").write_text(json.dumps([play]))
    done = site.play("-e", "redis_username=ada", "-e", "fail2ban_sock=/x", playbook=site.place / "guard.yml")
    assert done.status == 2
    (event,) = [event for event in done.events("result") if event["status"] == "failed"]
    assert sorted(event["result"]["problems"]) == sorted([
        refusal("postgres_host (postgres1)", "postgres_login_host"), refusal("pg_port (postgres1)", "postgres_login_port"),
        refusal("evidence_logs (postgres1)", "evidence_files"), refusal("postgres_database", "postgres_login_db"),
        refusal("redis_password (redis1)", "redis_login_password"), refusal("redis_hostname (redis1)", "redis_login_host"),
        refusal("redis_username", "redis_login_user"), refusal("certificate_domains (certificate1)", "certificate_lineages"),
        refusal("fail2ban_whitelist (fail2ban1)", "fail2ban_never_ban"), refusal("host_mounts (host1)", "host_file_systems"),
        refusal("service_unit (service1)", "service_name"),
    ])
    assert "canary-of-names" not in done.output


def test_ansible_playbook_refuses_them_and_nothing_is_looked_at(misnamed: Site, listener: socket.socket) -> None:
    mine = misnamed.place / "mine.yml"
    ours = str(ROOT / "incident" / "db-recovery.yml")
    mine.write_text(json.dumps([{"ansible.builtin.import_playbook": ours, "vars": {"postgres_db": "shop"}}]))
    done = misnamed.play("-e", "postgres_user=oncall", playbook=mine)
    assert done.status == 2
    said = done.said
    for name, ours in {
        "postgres_host (db1)": "postgres_login_host", "postgres_password (db1)": "postgres_login_password",
        "postgres_db": "postgres_login_db", "postgres_user": "postgres_login_user", "service_unit (app1)": "service_name",
    }.items():
        assert refusal(name, ours) in said
    assert nobody_came(listener) and "Report the target and the user" not in done.tasks()
    assert "canary-of-names" not in done.output


def test_the_wrapper_refuses_them_with_bad_input(misnamed: Site, listener: socket.socket) -> None:
    status, data, shown = run(misnamed, "--yes", "-e", "postgres_user=oncall", "-e", "postgres_port=5432")
    assert (status, data["outcome"]) == (2, "bad_input"), shown
    assert sorted(data["reasons"]) == sorted([
        refusal("postgres_host (db1)", "postgres_login_host"), refusal("postgres_password (db1)", "postgres_login_password"),
        refusal("postgres_user", "postgres_login_user"), refusal("service_unit (app1)", "service_name"),
    ])
    assert nobody_came(listener)
    assert all(reason in " ".join(shown.split()) for reason in data["reasons"])
    record = "".join(path.read_text() for path in (Path(data["record"]) / "record").iterdir())
    assert "postgres_host (db1) is not read by oncall.incident" in record
    assert "canary-of-names" not in record + shown


def first_in_investigate(done: Ended) -> str:
    """Name of the first task of the phase but Ansible's own check of the role's arguments."""
    tasks = [event["task"].rpartition(" : ")[2] for event in done.events("intent") if event["phase"] == "investigate"]
    return next(task for task in tasks if not task.startswith("Validating arguments"))


def test_the_first_line_of_investigate(site: Site, server18: Server) -> None:
    """A name of others beside ours is nobody's business, and no reason to be silent about where it looks."""
    site.hosts["db"]["db1"].update(
        postgres_host="elsewhere", postgres_login_host="", postgres_login_password="canary-of-places",
        postgres_alternate_logins=[{"login_user": "admin", "login_host": "192.0.2.7", "login_password": "canary-of-alternates"}],
    )
    done = site.play("--tags", "investigate")
    assert done.status == 0, done.output
    place = (f"PostgreSQL at postgres@{server18.socket_dir}:{server18.port}/postgres, else admin@192.0.2.7:{server18.port}/postgres"
             " (from db1)")
    assert place in done.output
    assert [(event["host"], event["phase"], event["place"]) for event in done.events("place")] == [("db1", "investigate", place)]
    assert first_in_investigate(done) == "Report the target and the user"
    record = "".join(path.read_text() for path in (done.run_dir / "record").iterdir())
    assert "canary-of-places" not in record + done.output and "canary-of-alternates" not in record + done.output


def test_of_a_database_that_is_not_there_the_place_is_said_everywhere(site: Site, tmp_path: Path) -> None:
    site.group("db", db1={"postgres_login_unix_socket": str(tmp_path), "postgres_login_port": 1, "postgres_login_user": "oncall"})
    _status, data, shown = run(site, "--check")
    login = f"oncall@{tmp_path}:1/postgres"
    place = f"PostgreSQL at {login} (from db1)"
    assert data["places"] == [{"host": "db1", "phase": "investigate", "place": place}]
    lines = [line.split(maxsplit=1)[1] for line in shown.splitlines() if " " in line.strip()]
    start = next(number for number, line in enumerate(lines) if line.strip() == "Investigate")
    assert lines[start + 1].split() == ["looks", "at", "db1", *place.split()]
    assert f"Tried {login}. No server listens on that socket" in " ".join(shown.split())
    report = Path(data["report"]).with_suffix(".md").read_text() + Path(data["report"]).with_suffix(".html").read_text()
    assert report.count("PostgreSQL at") == 2


@pytest.mark.parametrize(("playbook", "group", "given", "place"), [
    ("redis-recovery", "cache", {"redis_login_host": "127.0.0.1", "redis_login_port": 1, "redis_login_user": "ada",
                                 "redis_login_password": "canary-of-places", "redis_connect_retry": "1s"},
     "Redis at ada@127.0.0.1:1 (from host1)"),
    ("certificate-renewal", "web", {"certificate_files": ["/nowhere/a.pem"], "certificate_endpoints": ["127.0.0.1:1"]},
     "Certificates at 127.0.0.1:1, /nowhere/a.pem (from host1)"),
    ("firewall-unblock", "firewall", {"fail2ban_socket": "/nowhere/f2b.sock", "fail2ban_addresses": ["192.0.2.7"], "fail2ban_ports": [1]},
     "fail2ban or CrowdSec and packet filter at /nowhere/f2b.sock, tcp port 1 (from host1)"),
    ("brute-force", "firewall", {"fail2ban_socket": "/nowhere/f2b.sock", "fail2ban_attack_journal": False},
     "fail2ban or CrowdSec and failed logins at /nowhere/f2b.sock, the usual authentication logs (from host1)"),
    ("disk-full", "servers", {"host_become": False, "host_file_systems": ["/"], "host_look_for": "0s", "host_disk_samples": ""},
     "File systems at / (from host1)"),
])
def test_every_scenario_says_it(
    playbook: str, group: str, given: dict[str, Any], place: str, site: Site,
) -> None:
    """What the look itself comes to is not the question here: the place stands before it."""
    site.group(group, host1=given)
    done = site.play("--tags", "investigate", playbook=playbook)
    assert [event["place"] for event in done.events("place")] == [place], done.output
    assert place in done.output and first_in_investigate(done) == "Report the target and the user"
    assert "canary-of-places" not in done.output
