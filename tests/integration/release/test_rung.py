# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollback as the last rung of an outage: a real process that a restart does not help, and a link to a bad release."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.integration.release.conftest import SERVER, Shop
from tests.support.site import Ended, Site
from tests.support.until import until

pytestmark = pytest.mark.timeout(1500)
QUICK: dict[str, Any] = {
    "evidence_snapshot": False, "service_window": "1s", "service_hold": "500ms", "service_timeout": "60s", "service_verify_hold": "500ms",
    "service_verify_timeout": "20s", "incident_rung_wait": "0s", "release_hold": "500ms", "release_timeout": "60s", "release_become": False,
}
#: Starts, ends and shows the application. What a cut off test leaves ends by itself.
CONTROL = """#!/bin/sh
pid=$(cat {place}/pid 2>/dev/null)
case $1 in
status) kill -0 "$pid" 2>/dev/null || exit 3 ;;
restart)
  kill "$pid"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
  echo restart >>{place}/calls
  "$0" start ;;
start)
  setsid timeout 1500 {python} {place}/server.py {link} {port} >/dev/null 2>&1 </dev/null &
  echo $! >{place}/pid ;;
stop) kill "$pid" ;;
esac
"""


@dataclass
class Outage:
    """The application, and what `incident run` said of it."""

    shop: Shop
    place: Path
    calls: dict[str, Ended] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def call(self, name: str, site: Site, *arguments: str) -> None:
        """Run the scenario, and keep where the link leads then."""
        self.calls[name] = site.incident("--json", *arguments)
        self.links[name] = os.readlink(self.shop.link)

    def restarts(self) -> int:
        """How often the process was restarted."""
        calls = self.place / "calls"
        return len(calls.read_text().split()) if calls.exists() else 0


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """Planned, and done."""
    place = tmp_path_factory.mktemp("outage")
    made = Outage(Shop(place / "srv"), place)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    (place / "server.py").write_text(SERVER.replace('("127.0.0.1", 0)', '("127.0.0.1", int(sys.argv[2]))'))
    control = place / "control"
    control.write_text(CONTROL.format(place=place, python=sys.executable, link=made.shop.link, port=port))
    control.chmod(0o755)
    subprocess.run([control, "start"], check=True, timeout=30)
    try:
        url = f"http://127.0.0.1:{port}/health"
        until(lambda: subprocess.run([control, "status"], check=False).returncode == 0, what="the application")
        where = {**{verb: [str(control), verb] for verb in ("start", "stop", "restart", "status")}, "pid_file": str(place / "pid")}
        service = {"name": "shop", "runtime": "command", "where": where, "health": [{"name": "front", "url": url, "body": "well"}]}
        site = Site(place, playbook="service-outage", common=QUICK)
        site.group("app", app1={**made.shop.variables(url), "release_probes": [], "services": [service]})
        made.call("planned", site, "--check")
        assert made.restarts() == 0, "check mode touches nothing"
        made.call("done", site, "--yes")
        yield made
    finally:
        subprocess.run([control, "stop"], check=False, timeout=30)


def test_it_is_the_last_rung_of_the_plan(outage: Outage) -> None:
    planned = outage.calls["planned"]
    assert [(one["verb"], one["outcome"]) for one in planned.actions()] == [
        ("restart_service", "planned"), ("switch_release", "planned")], planned.stderr
    assert [one["name"] for one in planned.plan()["rungs"]["app1"]] == ["restart", "rollback"]
    assert outage.links["planned"] == "releases/v2"


def test_what_a_restart_did_not_help_goes_back(outage: Outage) -> None:
    done = outage.calls["done"]
    assert (done.status, done.data.get("outcome")) == (0, "recovered"), done.stderr
    assert [(one["verb"], one["outcome"]) for one in done.data["actions"]] == [("restart_service", "done"), ("switch_release", "done")]
    assert (outage.links["done"], outage.restarts()) == ("releases/v1", 1)


def test_verify_notes_the_release_that_it_measured(outage: Outage) -> None:
    noted = json.loads(outage.shop.notes.read_text())[str(outage.shop.link)]
    assert set(noted) == {"v1"} and noted["v1"]["run"] == outage.calls["done"].run_dir.name
