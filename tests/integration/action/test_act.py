# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`act` with a real process as the service: plans, obeys, and believes only what it measures."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.lease import lease_path
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import leasing

from tests.support.leases import another_run
from tests.support.processes import alive
from tests.support.site import Site, pythons
from tests.support.until import until

# What differs between Pythons and versions of ansible-core is met here first.
pytestmark = pytest.mark.smoke

RESTART = """
import os, pathlib, signal, subprocess, sys, time

place = pathlib.Path(sys.argv[1])
pid = place / "pid"
if pid.exists():
    os.kill(int(pid.read_text()), signal.SIGKILL)
process = subprocess.Popen(["sleep", "600"], start_new_session=True, stdin=-3, stdout=-3, stderr=-3)
pid.write_text(str(process.pid))
"""
MEASURE: dict[str, Any] = {
    "module": "ansible.builtin.slurp", "until": "measured.content != before.content", "timeout": "3s", "interval": "100ms",
}


def _commands() -> list[bytes]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes())
    return found


class Service(Site):
    """A process that can be restarted, and plays that do so."""

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return int((self.place / "pid").read_text())

    @property
    def restart(self) -> list[str]:
        """The command that restarts it."""
        return [sys.executable, str(self.place / "restart.py"), str(self.place)]

    def act(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """Run one act; its result."""
        given = {
            "verb": "restart_service", "target": {"service": "sleeper"}, "reason": "A test.", "module": "ansible.builtin.command",
            "args": {"argv": self.restart}, **options,
        }
        given["measure"] = {"args": {"src": str(self.place / "pid")}, **MEASURE, **options.get("measure", {})}
        tasks = [
            {"oncall.incident.act": given, "register": "done", "ignore_errors": True},
            {
                "ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(self.place / "result"), "mode": "0600"},
                "check_mode": False,
            },
        ]
        done = self.play(*arguments, playbook=self.book(tasks), ANSIBLE_CALLBACKS_ENABLED="", ANSIBLE_PIPELINING="")
        assert done.status == 0, done.output
        result: dict[str, Any] = json.loads((self.place / "result").read_text())
        return result


@pytest.fixture(params=pythons())
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A running service."""
    (tmp_path / "restart.py").write_text(RESTART)
    found = Service(tmp_path, python=request.param)
    found.group("servers", here={})
    subprocess.run(found.restart, check=True, timeout=30)
    try:
        yield found
    finally:
        with contextlib.suppress(ProcessLookupError):  # a restart that was cut short has left none
            os.kill(found.pid, signal.SIGKILL)


def outcome(result: dict[str, Any]) -> str:
    """Of the one action."""
    (action,) = result["actions"]
    return str(action["outcome"])


def test_a_check_plans_and_touches_nothing(service: Service) -> None:
    before = service.pid
    planned = service.act("--check")
    assert (outcome(planned), planned["changed"], planned["contract"]) == ("planned", True, "oncall.incident/actions/1")
    assert planned["limits"] == {"restart_service": 1}
    assert service.pid == before
    assert alive(before)


def test_it_is_done_when_it_is_measured(service: Service) -> None:
    before = service.pid
    identity = service.act("--check")["actions"][0]["id"]
    done = service.act(approved=[identity])
    assert (outcome(done), done["changed"]) == ("done", True)
    assert service.pid != before
    assert not alive(before)
    assert done["actions"][0]["id"] == identity


def test_a_good_return_code_proves_nothing(service: Service) -> None:
    result = service.act(args={"argv": ["true"]}, measure={"timeout": "500ms"})
    assert (outcome(result), result["changed"], result["failed"], result["error"]) == ("failed", False, True, "actions_failed")
    assert result["actions"][0]["detail"]["module"]["rc"] == 0


def test_a_bad_return_code_disproves_nothing(service: Service) -> None:
    result = service.act(args={"argv": ["sh", "-c", " ".join(service.restart) + "; exit 7"]})
    assert (outcome(result), result["changed"], result["failed"]) == ("done", True, False)
    assert result["actions"][0]["detail"]["module"]["rc"] == 7


@pytest.mark.parametrize(("options", "expected"), [
    ({"approved": []}, "refused"), ({"forbidden": ["a backup runs"]}, "refused"), ({"needed": False}, "not_needed"),
    ({"needed": "before.content | length == 0"}, "not_needed"),
])
def test_what_is_not_to_be_done_is_not_done(service: Service, options: dict[str, Any], expected: str) -> None:
    before = service.pid
    result = service.act(**options)
    assert (outcome(result), result["changed"], result["failed"]) == (expected, False, False)
    assert service.pid == before


def test_the_limit_is_kept(service: Service) -> None:
    before = service.pid
    result = service.act(limit=2, spent=2)
    assert (outcome(result), result["failed"], result["error"]) == ("refused", True, "limit_exceeded")
    assert service.pid == before


def test_a_module_with_an_action_plugin_and_no_async(service: Service) -> None:
    """copy: its action plugin does the work, and cannot run as a job."""
    target = service.place / "copied"
    target.write_text("old")
    given = {
        "verb": "write", "target": {"path": str(target)}, "module": "ansible.builtin.copy",
        "args": {"content": "new", "dest": str(target), "mode": "0600"}, "measure": {"args": {"src": str(target)}},
    }
    assert outcome(service.act("--check", **given)) == "planned"
    assert target.read_text() == "old"
    assert outcome(service.act(**given)) == "done"
    assert target.read_text() == "new"


def test_time_up_ends_the_work_on_the_host(service: Service) -> None:
    mark = f"29{os.getpid()}"
    start = time.monotonic()
    result = service.act(args={"argv": ["sleep", mark]}, timeout="1s", measure={"timeout": "200ms"})
    assert (outcome(result), result["failed"], result["error"]) == ("unknown", True, "actions_failed")
    assert time.monotonic() - start < 60
    # The kill is sent; what is killed may still be on its way out.
    wanted = f"sleep\0{mark}\0".encode()
    until(lambda: wanted not in _commands(), what="the end of the work", seconds=20)


def test_a_measurement_that_cannot_be_judged(service: Service) -> None:
    before = service.pid
    result = service.act(needed="before.no_such_field > 3")
    assert (result["failed"], result["error"]) == (True, "bad_input")
    assert service.pid == before
    for check in ([], ["--check"]):
        result = service.act(*check, module="no.such.module")
        assert (result["failed"], result["error"]) == (True, "bad_input")


def test_two_runs_never_act_on_one_subject_at_once(service: Service) -> None:
    before = service.pid
    with another_run("host: service sleeper"):
        result = service.act()
        assert (outcome(result), result["failed"], result["error"], result["changed"]) == ("refused", True, "locked", False)
        assert "Run run-1 of ann at desk is acting on host: service sleeper, until 20" in result["msg"]
        assert "its lease ends by itself in" in result["hint"]
        assert (result["actions"][0]["detail"]["why"], result["held_by"]["run"]) == ("locked", "run-1") and service.pid == before
        assert outcome(service.act("--check")) == "planned", "a look takes no lock"
        assert outcome(service.act(approved=["another"])) == "refused" and outcome(service.act(lock="another subject")) == "done"


def test_it_has_its_lease_while_it_acts_takes_over_a_dead_runs_and_leaves_none(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing, "SLACK", 0.0)
    path = lease_path("host: service sleeper")
    with another_run("host: service sleeper", seconds=0):
        look = f"cp {path} {service.place / 'lease'}; {' '.join(service.restart)}"
        done = service.act(args={"argv": ["sh", "-c", look]})
    assert outcome(done) == "done" and "taken over from run run-1 of ann at desk" in done["actions"][0]["detail"]["lease"]
    lease = json.loads((service.place / "lease").read_text())
    assert lease["what"] == "host: service sleeper" and lease["run"] == "without a record" and "for here" in lease["holder"]
    assert not os.path.exists(path)
    # Whatever goes wrong.
    service.act(args={"argv": ["false"]}, measure={"until": "measured.nothing > 1", "timeout": "100ms"})
    assert not os.path.exists(path)


def test_what_cannot_be_looked_at_is_left_alone(service: Service) -> None:
    """A command's status other than 0 is a look only where the author says so."""
    before = service.pid
    looking = {
        "module": "ansible.builtin.command", "args": {"argv": ["sh", "-c", f"cat {service.place / 'pid'}; echo odd >&2; exit 3"]},
        "until": "measured.stdout != before.stdout",
    }
    result = service.act(measure=looking)
    assert (outcome(result), result["failed"], result["error"], result["changed"]) == ("unknown", True, "blind", False)
    assert "status 3, odd" in result["msg"] and result["actions"][0]["detail"]["why"] == "cannot_look"
    assert service.pid == before
    planned = service.act("--check", measure=looking)
    assert (outcome(planned), planned["failed"], planned["error"]) == ("unknown", True, "blind")
    unapproved = service.act(measure=looking, approved=["another"])
    assert (outcome(unapproved), unapproved["failed"]) == ("refused", False), "what is not done anyway needs no look"
    result = service.act(measure={**looking, "looked": "measured.rc in [0, 3]", "hold": "300ms", "identity": "measured.stdout"})
    assert (outcome(result), result["failed"]) == ("done", False)
    assert result["actions"][0]["detail"]["held_for"] >= 0.3
    blind = {**looking, "args": {"argv": ["sh", "-c", f"test {service.pid} = $(cat {service.place / 'pid'})"]}}
    result = service.act(measure={**blind, "timeout": "300ms"})
    assert (outcome(result), result["error"]) == ("unknown", "actions_failed")
    assert "could not be looked at: status 1" in result["msg"]


def test_what_is_forbidden_is_not_looked_at(service: Service) -> None:
    mark = service.place / "looked"
    looking = {"module": "ansible.builtin.command", "args": {"argv": ["touch", str(mark)]}, "until": "true"}
    assert outcome(service.act(forbidden=["it is another server"], measure=looking)) == "refused"
    assert not mark.exists()


def test_text_of_a_host_is_never_evaluated(service: Service) -> None:
    """Only what the author wrote is an expression."""
    before = service.pid
    result = service.act(needed="{{ lookup('ansible.builtin.pipe', 'echo true') }}")
    assert result["failed"]
    assert service.pid == before
