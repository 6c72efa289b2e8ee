# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that anything else runs: a real supervisor of runit, and scripts."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.calls import call_of
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service

from tests.support.need import need
from tests.support.netns import end_with_us
from tests.support.run_module import run_module
from tests.support.until import until

pytestmark = pytest.mark.timeout(300)
#: As docs/services.md has it: `sv status` ends with 0 also for a service that is down.
RUNIT_STATUS = 'said=$(sv status "$0") || exit 1; echo "$said"; case $said in run:*) exit 0 ;; down:*) exit 3 ;; *) exit 1 ;; esac'


def look(where: dict[str, Any], **args: Any) -> dict[str, Any]:
    """What the module says of a service."""
    return run_module("service_instances", service={"name": "web", "runtime": "command", "where": where}, **args)


def all_new(after: dict[str, Any], *, before: dict[str, Any]) -> bool:
    """Whether every process was started again, and is up."""
    return bool(after["up"]) and not set(after["starts"]) & set(before["starts"])


def do(where: dict[str, Any], verb: str, instances: list[dict[str, Any]]) -> None:
    """Run the call of a verb, as act does."""
    call = call_of(Service(name="web", runtime="command", where=where), verb, instances=instances)
    assert not call.forbidden and call.module == "ansible.builtin.command", call.forbidden
    subprocess.run(call.args["argv"], check=True, timeout=60)


def settled(place: Path) -> bool:
    """Whether a service of runit has run for a second."""
    said = subprocess.run(["sv", "status", str(place)], check=False, capture_output=True, text=True, timeout=10).stdout
    return bool(re.search(r"\) [1-9][0-9]*s", said))


@pytest.fixture
def runit(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A service below a supervisor of runit, as an inventory has it."""
    need(shutil.which("runsv") and shutil.which("sv"), "Debian's runit")
    place = tmp_path / "web"
    place.mkdir()
    (place / "run").write_text("#!/bin/sh\nexec sleep 3600\n")
    (place / "run").chmod(0o755)
    supervisor = subprocess.Popen(["runsv", str(place)], preexec_fn=end_with_us)
    try:
        until((place / "supervise" / "ok").exists, what="runsv")
        where = {verb: ["sv", "-w", "30", verb, str(place)] for verb in ("start", "stop", "restart")}
        where["status"] = ["sh", "-c", RUNIT_STATUS, str(place)]
        # What ended within a second of its start runsv keeps down for a second, whoever asks for a restart.
        until(lambda: look(where).get("up") and settled(place), what="the run")
        yield where
    finally:
        subprocess.run(["sv", "-w", "30", "force-shutdown", str(place)], check=False, capture_output=True, timeout=60)
        supervisor.terminate()
        supervisor.wait(30)


def test_runit(runit: dict[str, Any]) -> None:
    before = look(runit)
    (one,) = before["instances"]
    assert one["up"] and Path(f"/proc/{one['main_pid']}/cmdline").read_bytes().startswith(b"sleep")
    assert look(runit)["identity"] == before["identity"], "the seconds in its text are no identity"
    do(runit, "restart", before["instances"])
    after = look(runit)
    assert all_new(after, before=before) and after["instances"][0]["main_pid"] != one["main_pid"]
    verdict = run_module("service_health", services=[{"name": "web", "runtime": "command", "where": runit}], window="100ms")
    assert verdict["healthy"], verdict["findings"]

    do(runit, "stop", after["instances"])
    assert (look(runit)["up"], look(runit)["instances"][0]["state"]) == (False, "down")
    do(runit, "start", look(runit)["instances"])
    until(lambda: look(runit)["up"], what="the start")
    Path(runit["status"][-1], "run").chmod(0o644)
    broken = look({**runit, "status": ["sh", "-c", RUNIT_STATUS, "/nonexistent"]})
    assert broken["error"] == "blind" and "status 1" in broken["msg"], "neither up nor down"


@pytest.mark.parametrize(("script", "up", "said"), [
    ("exit 0", True, ""), ("exit 3", False, ""), ("echo half of it; exit 4", None, "status 4"), ("sleep 60", None, "did not end"),
])
def test_what_a_status_command_says(script: str, up: bool | None, said: str) -> None:
    found = look({"status": ["sh", "-c", script]}, timeout="2s")
    if up is None:
        assert found["error"] == "blind" and said in found["msg"]
    else:
        assert found["up"] is up


def test_without_a_status_command_nothing_is_known() -> None:
    found = look({"start": ["true"]})
    assert found["error"] == "blind" and "no status command" in found["msg"]
    (service,) = ({"name": "web", "runtime": "command", "where": {"start": ["true"]}},)
    verdict = run_module("service_health", services=[service], window="100ms")
    assert verdict["healthy"] is None and {one["status"] for one in verdict["findings"]} == {"unknown"}


def test_the_process_is_looked_at_too(tmp_path: Path) -> None:
    program = tmp_path / "incident-web"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([str(program), "600"], preexec_fn=end_with_us)
    pid_file = tmp_path / "pid"
    pid_file.write_text(f"{process.pid}\n")
    ways = ({"pid_file": str(pid_file)}, {"process": "incident-web"})
    try:
        until(lambda: Path(f"/proc/{process.pid}/comm").read_text().strip() == "incident-web", what="the program")
        for way in ways:
            (one,) = look({"status": ["true"], **way})["instances"]
            assert (one["main_pid"], one["up"]) == (process.pid, True)
            assert "down, and by" in look({"status": ["sh", "-c", "exit 3"], **way})["msg"]
        second = subprocess.Popen([str(program), "600"], preexec_fn=end_with_us)
        try:
            until(lambda: Path(f"/proc/{second.pid}/comm").read_text().strip() == "incident-web", what="the other one")
            assert "2 processes are called incident-web" in look({"status": ["true"], "process": "incident-web"})["msg"]
        finally:
            second.kill()
            second.wait(30)
    finally:
        process.kill()
        process.wait(30)
    for way in ways:
        assert "up, and by" in look({"status": ["true"], **way})["msg"], "no process"
        assert not look({"status": ["sh", "-c", "exit 3"], **way})["up"]
