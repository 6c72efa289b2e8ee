# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident run db-recovery` against a real server: what a script learns from its exit status and its JSON."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify

from tests.support.site import SRC, Site
from tests.support.until import until

from .conftest import Sick

# What differs between Pythons and versions of ansible-core is met here first.
pytestmark = pytest.mark.smoke


def run(site: Site, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """The exit status, the JSON and what was shown."""
    done = site.incident(*arguments, "--json")
    return done.status, done.data, done.stderr


def test_nothing_without_an_approval_then_recovered_and_the_next_run_finds_nothing_to_do(site: Site, sick: Sick) -> None:
    """Two looks at the same server give the same plan."""
    status, data, _shown = run(site)
    assert (status, data["outcome"], "findings" in data) == (2, "bad_input", False), "where nobody can approve, nothing is looked at"
    status, looked, shown = run(site, "--check")
    assert (status, sick.untouched) == (0, True), shown
    ended = site.incident("--yes", "--json")
    data, shown = ended.data, ended.stderr
    assert (ended.status, data["outcome"]) == (0, "recovered"), shown
    culprit = f"pid {sick.root.pid} app@"
    assert culprit in " ".join(shown.split()), shown
    assert culprit in (ended.run_dir / "report.md").read_text().replace("\\", "")
    assert looked["plan_hash"] == data["plan_hash"] and looked["run"] != data["run"]
    done = [(action["verb"], action["outcome"], action["target"]["pid"]) for action in data["actions"]]
    assert done == [("terminate", "gone", sick.root.pid)]
    status, data, shown = run(site, "--yes")
    assert (status, data["outcome"], data["actions"]) == (5, "nothing_to_do", []), shown


def test_more_than_the_limit_and_a_database_nobody_can_reach_fail(site: Site, sick: Sick, tmp_path: Path) -> None:
    """Nothing is touched. Of a database that cannot be reached no plan is made: it is critical."""
    limited = {**site.hosts["db"]["db1"], "postgres_max_victims": 0}
    site.group("db", limited=limited, gone={"postgres_login_unix_socket": str(tmp_path), "postgres_login_port": 1})
    status, data, shown = run(site, "--yes")
    assert (status, data["outcome"]) == (1, "failed"), shown
    assert [(action["host"], action["outcome"]) for action in data["actions"]] == [("limited", "refused")], shown
    assert ("gone", "availability", "critical") in [(item["host"], item["check"], item["status"]) for item in data["findings"]]
    assert sick.untouched


def test_a_mistyped_value_and_no_host_in_the_group_are_bad_input(site: Site, sick: Sick) -> None:
    site.group("app", app1={})
    status, data, shown = run(site, "--yes", "-e", "incident_db=nobody", "-e", "service_hold=many")
    assert (status, data["outcome"]) == (2, "bad_input"), shown
    said = " ".join(data["reasons"])
    assert "No host matches incident_db=nobody. The inventory's groups are: app, db." in said
    assert "service_hold: 'many' is not a duration" in said
    assert not data["findings"] and data["incident"] is None and sick.untouched


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_verifies(number: signal.Signals, site: Site, sick: Sick) -> None:
    """The session that was ended is named, the record is whole, and nobody claims health."""
    env = site.environment(PYTHONPATH=SRC)
    process = subprocess.Popen(
        site.command("--yes", "-e", "postgres_verify_hold=10m", "-e", "postgres_verify_timeout=15m"), cwd=site.place, env=env,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    runs = layout.runs_dir(Path(env["INCIDENT_HOME"]))
    try:
        until(lambda: process.poll() is not None or _verifying(runs), what="verify")
        assert process.poll() is None
        process.send_signal(number)
        shown, _none = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, shown
    (run_dir,) = runs.iterdir()
    assert verify.check(run_dir).status == "ok"
    events = list(reader.read(run_dir))
    gone = [event["action"] for event in events if event["type"] == "action" and event["action"]["outcome"] == "gone"]
    assert [action["target"]["pid"] for action in gone] == [sick.root.pid]
    outcome = next(event for event in events if event["type"] == "outcome")
    assert (outcome["outcome"], outcome["not_measured"]) == ("interrupted", ["db1"])


def _verifying(runs: Path) -> bool:
    return runs.is_dir() and any(
        event["type"] == "intent" and event["segment"] == 4 and event["task"].endswith("Wait until the checks stay ok")
        for run_dir in runs.iterdir() for event in reader.read(run_dir)
    )
