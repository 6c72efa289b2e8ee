# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each answer of `incident init` says, and what it must not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import services_of
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.specs import load_options, value_errors

from oncall_incident.errors import Stop
from oncall_incident.setup import inventory
from oncall_incident.setup.answers import (
    HERE,
    QUESTIONS,
    Application,
    Database,
    Probe,
    Reach,
    read_application,
    read_database,
    read_health,
    read_probe,
    read_reach,
)
from oncall_incident.setup.inventory import Answers

ROLES = Path(__file__).resolve().parents[4] / "roles"
BY_ADDRESS = Database("oncall", "shop", host="db1.example.org")


@pytest.mark.parametrize(("read", "text", "meant"), [
    (read_reach, "controller", Reach("controller")),
    (read_reach, "here", Reach("host", host=HERE)),
    (read_reach, " host  db1.example.org ", Reach("host", host="db1.example.org")),
    (read_reach, "container shop-postgres-1 on app1", Reach("container", host="app1", name="shop-postgres-1")),
    (read_reach, "kubernetes service/postgres in shop", Reach("kubernetes", host=HERE, name="service/postgres", namespace="shop")),
    (read_reach, "none", Reach()),
    (read_database, "postgresql://oncall@db1.example.org/shop", BY_ADDRESS),
    (read_database, "postgres://oncall@db1.example.org:6432/shop", Database("oncall", "shop", host="db1.example.org", port=6432)),
    (read_database, "postgresql://oncall@[2001:db8::1]/shop", Database("oncall", "shop", host="2001:db8::1")),
    (read_database, "postgresql://oncall@/shop?host=/run/postgresql&port=5433",
     Database("oncall", "shop", port=5433, socket="/run/postgresql")),
    (read_application, "systemd shop.service on app1", Application("systemd", "shop.service", "app1")),
    (read_application, "compose web in /opt/shop on here", Application("compose", "web", HERE, {"directory": "/opt/shop"})),
    (read_application, "kubernetes deployment/web in shop", Application("kubernetes", "deployment/web", HERE, {"namespace": "shop"})),
    (read_application, "pm2 api of deploy on app1", Application("pm2", "api", "app1", {"user": "deploy"})),
    (read_application, "none", Application()),
    (read_health, " http://127.0.0.1:8080/health ", "http://127.0.0.1:8080/health"),
    (read_health, "none", ""),
    (read_probe, "oncall_probe SELECT 1 FROM orders LIMIT 1;", Probe("oncall_probe", "SELECT 1 FROM orders LIMIT 1")),
    (read_probe, "none", Probe()),
])
def test_what_an_answer_says(read: Any, text: str, meant: Any) -> None:
    assert read(text) == meant


@pytest.mark.parametrize(("read", "text"), [
    (read_reach, ""), (read_reach, "db1"), (read_reach, "host"), (read_reach, "host -oProxyCommand=x"), (read_reach, "host a b"),
    (read_reach, "container x"), (read_reach, "container --all on app1"), (read_reach, "kubernetes postgres in shop"),
    (read_reach, "kubernetes service/-x in shop"),
    (read_database, "db1"), (read_database, "postgresql://db1/shop"), (read_database, "postgresql://oncall@db1"),
    (read_database, "postgresql://oncall@/shop"), (read_database, "mysql://oncall@db1/shop"),
    (read_database, "postgresql://oncall@db1:99999/shop"), (read_database, "postgresql://oncall@db1:0x/shop"),
    (read_database, "postgresql://oncall:geheim@db1/shop"), (read_database, "postgresql://oncall@db1/shop?password=geheim"),
    (read_database, "postgresql://oncall@db1/shop?sslmode=require"), (read_database, "postgresql://oncall@[db1/shop"),
    (read_application, "shop"), (read_application, "systemd shop"), (read_application, "compose web in opt on app1"),
    (read_application, "kubernetes web in shop"), (read_application, "systemd --all on app1"),
    (read_health, "localhost:8080"), (read_health, "ftp://a/"), (read_health, "http://a b/"), (read_health, "http://user:geheim@a/"),
    (read_health, "http://a:x/"),
    (read_probe, "SELECT 1"), (read_probe, "oncall_probe DELETE FROM orders"), (read_probe, "oncall_probe"),
])
def test_what_is_no_answer_is_said_and_no_secret_of_it(read: Any, text: str) -> None:
    with pytest.raises(Stop) as stopped:
        read(text)
    assert stopped.value.hint
    assert "geheim" not in stopped.value.message + stopped.value.hint


def test_what_the_questions_show_is_understood() -> None:
    reads = (read_reach, read_database, read_application, read_health, read_probe)
    for question, read in zip(QUESTIONS, reads, strict=True):
        for form in question.forms:
            example = form.replace("KIND/NAME", "deployment/web").replace("DIRECTORY", "/opt/shop")
            assert read(example) is not None, form


@pytest.mark.parametrize("answers", [
    Answers(reach=Reach("controller"), database=BY_ADDRESS),
    Answers(reach=Reach("host", host="db1"), database=Database("postgres", "shop", socket="/run/postgresql"),
            probe=Probe("probe", "SELECT 1")),
    Answers(reach=Reach("container", host="app1", name="shop-postgres-1"), database=BY_ADDRESS, probe=Probe("probe", "SELECT 1")),
    Answers(reach=Reach("kubernetes", host=HERE, name="service/postgres", namespace="shop"), database=BY_ADDRESS,
            application=Application("kubernetes", "deployment/web", HERE, {"namespace": "shop"}), health="http://web/health"),
    Answers(application=Application("compose", "web", "app1", {"directory": "/opt/shop"}), health="http://127.0.0.1:8080/health"),
], ids=["controller", "socket", "container", "kubernetes", "application"])
def test_what_is_written_are_variables_of_ours_and_no_secrets(answers: Answers) -> None:
    found = {name: yaml.safe_load(text) for name, text in inventory.files(answers).items()}
    options = {key: spec for role in ("postgres", "service") for key, spec in load_options(ROLES, role).items()}
    for name, values in found.items():
        if name == "group_vars/app.yml":
            assert [one.name for one in services_of(values["services"])] == [answers.application.identity.rpartition("/")[2]]
        elif name != "hosts.yml":
            assert set(values) <= set(options)
            assert value_errors({key: value for key, value in values.items() if "{{" not in str(value)}, options) == []
            assert all("lookup('ansible.builtin.env'" in value for key, value in values.items() if "password" in key)
    groups = {"db": bool(answers.reach.via), "app": bool(answers.application.runtime)}
    assert set(found["hosts.yml"]) == {name for name, there in groups.items() if there}


def test_an_answer_that_was_kept_says_so() -> None:
    text = inventory.files(Answers(reach=Reach("controller"), database=BY_ADDRESS, kept={"database": "nobody\nlistens"}))["hosts.yml"]
    assert "# Kept although it did not work, database: nobody listens\n" in text


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    answers = Answers(reach=Reach("controller"), database=BY_ADDRESS)
    inventory.write(answers, tmp_path / "prod")
    before = {path: path.read_text() for path in (tmp_path / "prod").rglob("*.yml")}
    with pytest.raises(Stop, match="is there already"):
        inventory.write(answers, tmp_path / "prod")
    (tmp_path / "file").write_text("x")
    with pytest.raises(Stop, match="is there already"):
        inventory.write(answers, tmp_path / "file")
    assert {path: path.read_text() for path in (tmp_path / "prod").rglob("*.yml")} == before
    (tmp_path / "empty").mkdir()
    inventory.write(answers, tmp_path / "empty")
