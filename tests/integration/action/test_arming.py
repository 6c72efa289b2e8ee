# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unit that takes a change back: made before it, removed where nothing was changed, run as written, and gone after that."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import arming

from tests.support.need import need
from tests.support.site import Site
from tests.support.units import Units

UNIT = arming.unit_name("an action")
AWKWARD = ["sh", "-c", 'printf "%s|" "$@" >"$0"', "OUT", "a b", "50%", "$HOME", '"quoted"', "back\\slash", "two\nlines", "a\rb", "'"]


@pytest.fixture
def units(tmp_path: Path) -> Units:
    return Units(tmp_path)


def awkward(out: Path) -> list[str]:
    return [str(out) if word == "OUT" else word for word in AWKWARD]


def test_what_is_armed_runs_as_it_was_written_and_removes_itself(units: Units, tmp_path: Path) -> None:
    before = time.time()
    armed = units.run(arming.arm_command(UNIT, awkward(tmp_path / "out"), seconds=3600, says="takes 50% back"))
    assert armed.returncode == 0, armed.stderr
    assert before + 3599 <= float(armed.stdout) <= time.time() + 3601
    assert units.names() == [f"{UNIT}.service", f"{UNIT}.sh", f"{UNIT}.timer"]
    assert units.known() == [f"active-{UNIT}.timer", f"enabled-{UNIT}.service", f"enabled-{UNIT}.timer"]
    assert [oct((units.files / name).stat().st_mode & 0o777) for name in units.names()] == ["0o600", "0o600", "0o644"]
    # systemctl show tells every user what a unit runs.
    assert not any(word in (units.files / f"{UNIT}.service").read_text() for word in ("quoted", "lines"))
    fired = units.boot()
    assert (fired.returncode, (tmp_path / "out").exists(), len(units.names())) == (0, False, 3), "started at boot, before its time"
    fired = units.fire()
    assert fired.returncode == 0, fired.stderr
    assert (tmp_path / "out").read_bytes().decode() == "".join(f"{word}|" for word in AWKWARD[4:])
    assert (units.names(), units.known()) == ([], [])


def test_a_way_back_that_fails_stays_and_is_tried_again(units: Units, tmp_path: Path) -> None:
    way_back = ["sh", "-c", f"cat {tmp_path}/needed >{tmp_path}/out"]
    armed = units.run(arming.arm_command(UNIT, way_back, seconds=3600, says="x"))
    times = [line for line in (units.files / f"{UNIT}.timer").read_text().splitlines() if line.startswith("OnCalendar=")]
    assert len(times) == 1 + len(arming.RETRIES) == len(set(times)) and times == sorted(times), armed.stderr
    files, known = units.names(), units.known()
    assert units.fire().returncode != 0 and (units.names(), units.known()) == (files, known)
    (tmp_path / "needed").write_text("back")
    assert units.fire().returncode == 0
    assert ((tmp_path / "out").read_text(), units.names(), units.known()) == ("back", [], [])


def test_a_timer_that_has_fired_for_the_last_time_is_not_armed(tmp_path: Path) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\ncase $1 in is-active) exit 0 ;; show) cat state ;; esac\n")
    (tmp_path / "systemctl").chmod(0o755)
    for state, armed in (("waiting", True), ("elapsed", False), ("dead", False), ("running", False)):
        (tmp_path / "state").write_text(f"SubState={state}\n")
        path = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        done = subprocess.run(["sh", "-c", arming.active_command(UNIT)], env=path, cwd=tmp_path, check=False)
        assert (done.returncode == 0) is armed, state


def test_systemd_itself_accepts_the_files(units: Units, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    need(analyze, "systemd-analyze")
    assert analyze is not None
    assert units.run(arming.arm_command(UNIT, awkward(tmp_path / "out"), seconds=3600, says="takes 50% back")).returncode == 0
    for kind in ("service", "timer"):
        done = subprocess.run([analyze, "verify", str(units.files / f"{UNIT}.{kind}")], capture_output=True, text=True, check=False)
        assert UNIT not in done.stderr, done.stderr


def test_one_that_does_not_start_leaves_nothing(units: Units) -> None:
    (units.state / "broken").touch()
    failed = units.run(arming.arm_command(UNIT, ["true"], seconds=60, says="x"))
    assert failed.returncode not in (0, arming.NO_SYSTEMD)
    assert units.names() == [] and units.known() == []


def test_one_change_of_a_setting_at_a_time_is_armed(units: Units) -> None:
    later = arming.unit_name("another action")

    def arm(unit: str, subject: str) -> int:
        return units.run(arming.arm_command(unit, ["true"], seconds=60, says="x", subject=subject)).returncode

    assert arm(UNIT, "pool POOL") == 0
    files = units.names()
    looked = units.run(arming.ready_command(later, "pool POOL"))
    assert looked.returncode == arming.ARMED_ALREADY == arm(later, "pool POOL") and units.names() == files
    assert f"{UNIT}.service takes back an earlier change" in arming.refusal(looked.returncode, looked.stderr).message
    assert (arm(UNIT, "pool POOL"), arm(later, "pool OTHER"), arm(arming.unit_name("a third"), "")) == (0, 0, 0)


def test_what_is_there_of_a_unit(units: Units) -> None:
    assert units.run(arming.there_command(UNIT)).stdout == ""
    assert units.run(arming.active_command(UNIT)).returncode != 0
    assert units.run(arming.arm_command(UNIT, ["true"], seconds=60, says="x")).returncode == 0
    assert UNIT in units.run(arming.there_command(UNIT)).stdout
    assert units.run(arming.active_command(UNIT)).returncode == 0


def test_it_is_disarmed(units: Units) -> None:
    assert units.run(arming.arm_command(UNIT, ["true"], seconds=60, says="x")).returncode == 0
    assert units.run(arming.disarm_command(UNIT)).returncode == 0
    assert units.names() == [] and units.known() == []


def test_where_no_systemd_runs_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho offline\nexit 1\n")
    (tmp_path / "systemctl").chmod(0o755)
    done = subprocess.run(
        ["sh", "-c", arming.ready_command()], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    assert done.returncode == arming.NO_SYSTEMD
    assert "systemd: offline" in arming.refusal(done.returncode, done.stderr).message


class Armed(Site):
    """A file whose content an action changes for a while."""

    def __init__(self, place: Path, units: Units) -> None:
        super().__init__(place, common={"ansible_become": False})
        self.prefix = units.prefix
        self.units = units
        self.file = place / "setting"
        self.file.write_text("old\n")
        self.group("hosts", here={})

    def write(self, *arguments: str, text: str = "new", **options: Any) -> dict[str, Any]:
        given = {
            "verb": "write_setting", "target": {"file": str(self.file)}, "reason": "A test.", "module": "ansible.builtin.command",
            "args": {"argv": ["sh", "-c", f"echo {text} >{self.file}"]},
            "temporary": {"way_back": "The old content is written back", "undo": {"verb": "restore"}, "expires": "1h",
                          "command": ["sh", "-c", f"echo old >{self.file}"]},
            "measure": {"module": "ansible.builtin.command", "args": {"argv": ["cat", str(self.file)]}, "until": "measured.stdout == 'new'",
                        "timeout": "0s"},
            **options,
        }
        tasks = [
            {"oncall.incident.act": given, "register": "done", "ignore_errors": True},
            {"ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": str(self.place / "result"), "mode": "0600"},
             "check_mode": False},
        ]
        done = self.play(*arguments, playbook=self.book(tasks), ANSIBLE_CALLBACKS_ENABLED="", **self.units.environ)
        assert done.status == 0, done.output
        return dict(json.loads((self.place / "result").read_text()))


def test_a_change_is_armed_before_it_is_made(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    (planned,) = site.write("--check")["actions"]
    assert (planned["outcome"], planned["temporary"]["ends"], planned["temporary"]["lasts"]) == ("planned", "unit", 3600.0)
    assert planned["identity"]["expires"] == "3600s" and units.names() == []
    (done,) = site.write()["actions"]
    assert (done["outcome"], done["id"], site.file.read_text()) == ("done", planned["id"], "new\n")
    assert done["temporary"]["armed_as"] == units.names()[0].removesuffix(".service") and done["temporary"]["expires"].endswith("Z")
    assert units.fire().returncode == 0
    assert (site.file.read_text(), units.names()) == ("old\n", [])


def test_what_cannot_be_armed_is_not_done(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    (units.state / "broken").touch()
    result = site.write()
    (action,) = result["actions"]
    assert (action["outcome"], action["detail"]["why"], action["touched"]) == ("failed", "not_armed", False)
    assert not result["changed"] and site.file.read_text() == "old\n" and units.names() == []


def test_what_changed_nothing_is_disarmed(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    (action,) = site.write(text="old")["actions"]
    assert (action["outcome"], action["touched"], units.names()) == ("failed", False, [])


def test_the_way_back_by_hand_disarms_it(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    (change,) = site.write()["actions"]
    back = {
        "verb": "restore", "change": change, "temporary": None, "args": {"argv": ["sh", "-c", f"echo old >{site.file}"]},
        "measure": {"module": "ansible.builtin.command", "args": {"argv": ["cat", str(site.file)]}, "until": "measured.stdout == 'old'"},
    }
    (undone,) = site.write(**back)["actions"]
    assert (undone["outcome"], undone["detail"]["undoes"], undone["detail"]["ended"]) == ("done", change["id"], True)
    assert (site.file.read_text(), units.names()) == ("old\n", [])


def test_what_is_approved_is_the_command_too(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    ends = {"way_back": "x", "undo": {"verb": "restore", "before": "old"}, "expires": "1h", "command": ["sh", "-c", "echo old"]}
    (first,) = site.write("--check", temporary=ends)["actions"]
    assert first["temporary"]["command"] == ends["command"]
    for other in ({"command": ["sh", "-c", "rm -rf x"]}, {"undo": {"verb": "restore", "before": "older"}}, {"expires": "2h"}):
        assert site.write("--check", temporary={**ends, **other})["actions"][0]["id"] != first["id"], other


def test_a_change_must_last_longer_than_it_takes_to_make_it(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    result = site.write(temporary={"way_back": "x", "expires": "70s", "command": ["true"]}, timeout="60s")
    assert result["failed"] and "over before the change is made" in result["msg"] and units.names() == []


def test_without_an_expiry_nobody_undoes_it_and_the_id_is_as_before(tmp_path: Path, units: Units) -> None:
    site = Armed(tmp_path, units)
    (lasting,) = site.write("--check", temporary=None)["actions"]
    (planned,) = site.write("--check", temporary={"way_back": "By hand"})["actions"]
    assert planned["id"] == lasting["id"] and "temporary" not in lasting
    assert (planned["temporary"]["ends"], planned["temporary"]["expires"]) == ("nobody", "")
