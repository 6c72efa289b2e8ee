# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role puts on a host for a fault: files that only root can change, a timer, and nothing where something is missing. And how it
takes that back."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[4] / "roles" / "drill" / "files"
SCRIPT, TAKE_BACK = FILES / "lay_out.py", FILES / "take_back.sh"


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script; owners are noted in it and not given."""
    spec = importlib.util.spec_from_file_location("lay_out", SCRIPT)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    found.given = {}  # type: ignore[attr-defined]
    monkeypatch.setattr(os, "chown", lambda path, owner, group: found.given.update({Path(path).name: (owner, group)}))
    return found


def asked(place: Path, **more: Any) -> dict[str, Any]:
    return {
        "directory": str(place / "drill"), "name": "oncall-drill-x-1-mine", "user": "nobody", "python": sys.executable,
        "program": "mine.py",
        "files": {"mine.py": "import sys\nprint(sys.argv[1:])\n", "_common.py": ""}, "modules": [], "programs": [],
        "asked": {"params": {"password": "s3cret"}}, "after": "30m 10s", **more,
    }


def test_the_program_runs_and_nobody_but_root_can_change_it(module: ModuleType, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    module.lay_out(asked(tmp_path))
    name = "oncall-drill-x-1-mine"
    roots = (0, nobody.pw_gid)
    assert module.given == {
        "drill": (0, 0), name: roots, f"{name}.d": roots, "mine.py": roots, "_common.py": roots, "fault.json": roots,
        f"{name}.kept": (nobody.pw_uid, nobody.pw_gid),
    }
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "drill").rglob("*")}
    assert modes == {
        name: 0o750, f"{name}.d": 0o750, "mine.py": 0o640, "_common.py": 0o640, "fault.json": 0o640, f"{name}.kept": 0o700,
    }
    assert json.loads((tmp_path / "drill" / f"{name}.d" / "fault.json").read_text()) == {"params": {"password": "s3cret"}}
    done = subprocess.run([str(tmp_path / "drill" / name), "remove"], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "['remove']\n"


def test_what_cannot_be_written_leaves_nothing_behind(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any, **_more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(OSError, match="No space left"):
        module.lay_out(asked(tmp_path))
    assert list((tmp_path / "drill").iterdir()) == []


def test_what_is_missing_is_named_before_anything_is_written(module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = asked(tmp_path, modules=["json", "redys"], programs=["sh", "no-such-program"])
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(wanted)))
    with pytest.raises(SystemExit) as raised:
        module.main()
    assert raised.value.code == (
        f"it needs the Python module redys for {sys.executable} (Debian: python3-redys), and the program no-such-program. "
        "Install what is missing on that host"
    )
    assert not (tmp_path / "drill").exists()


def test_what_root_runs_is_read_by_root_alone(module: ModuleType, tmp_path: Path) -> None:
    module.lay_out(asked(tmp_path, user="root"))
    assert (tmp_path / "drill" / "oncall-drill-x-1-mine.d" / "fault.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("program", "status"), [("systemd-run", 1), ("systemctl", 3)])
def test_a_timer_that_is_not_armed_is_an_error(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, status: int,
) -> None:
    told: list[list[str]] = []

    def said(argv: list[str], **_more: Any) -> SimpleNamespace:
        told.append(list(argv))
        return SimpleNamespace(returncode=status if argv[0] == program else 0, stderr="no such unit\n")

    monkeypatch.setattr(module, "subprocess", SimpleNamespace(run=said))
    with pytest.raises(SystemExit) as raised:
        module.arm(asked(tmp_path))
    assert raised.value.code == f"the timer that takes it back is not armed: {program} ended with {status}: no such unit"
    assert "--on-active=30m 10s" in told[0] and told[0][-2:] == [str(tmp_path / "drill" / "oncall-drill-x-1-mine"), "remove"]


class TakenBack:
    """A fault's files, and what the host's systemctl is told."""

    def __init__(self, place: Path) -> None:
        self.place = place / "drill"
        self.told = place / "told"
        for path in (self.place / "f.d", self.place / "f.kept", place / "bin"):
            path.mkdir(parents=True)
        self._programs = place / "bin"
        self.program("systemctl", f'echo "$*" >> {self.told}')
        self.fault("exit 0")

    def program(self, name: str, text: str) -> None:
        """A program that the script finds."""
        path = self._programs / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def fault(self, text: str) -> None:
        """What the fault does with its verb."""
        path = self.place / "f"
        path.write_text(f"#!/bin/sh\necho \"$1\" >> {self.place.parent}/verbs\n{text}\n")
        path.chmod(0o755)

    def verbs(self) -> list[str]:
        path = self.place.parent / "verbs"
        return path.read_text().split() if path.exists() else []

    def call(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", TAKE_BACK.read_text(), "take_back", str(self.place), "f"], capture_output=True, text=True, check=False, timeout=30,
            env={"PATH": f"{self._programs}:{os.environ['PATH']}"},
        )


@pytest.fixture
def fault(tmp_path: Path) -> TakenBack:
    return TakenBack(tmp_path)


def test_a_fault_is_taken_back_with_its_timer_and_its_files(fault: TakenBack) -> None:
    done = fault.call()
    assert (done.returncode, done.stdout, done.stderr) == (0, "f\n", "")
    assert fault.verbs() == ["remove", "left"] and list(fault.place.iterdir()) == []
    assert fault.told.read_text().splitlines() == ["stop f-remove.timer f-remove.service f.service", "reset-failed f.service"]
    # And where there is none, nothing is done.
    done = fault.call()
    assert (done.returncode, done.stdout, fault.verbs()) == (0, "", ["remove", "left"])


@pytest.mark.parametrize(("text", "status", "said"), [
    ('[ "$1" = left ] || { echo it is in use >&2; exit 4; }', 4, "it is in use\n"),
    ('[ "$1" = remove ] || echo goes on trying', 3, "left: goes on trying\n"),
    ('[ "$1" = remove ] || { echo cannot look >&2; exit 5; }', 5, "cannot look\n"),
])
def test_what_is_not_taken_back_keeps_its_timer_and_its_files(fault: TakenBack, text: str, status: int, said: str) -> None:
    fault.fault(text)
    done = fault.call()
    assert (done.returncode, done.stderr) == (status, said)
    assert not fault.told.exists() and len(list(fault.place.iterdir())) == 3


def test_a_removal_that_was_cut_off_after_its_work_goes_on(fault: TakenBack) -> None:
    for name in ("f.kept", "f.d"):
        (fault.place / name).rmdir()
    assert fault.call().returncode == 0
    assert fault.verbs() == [] and fault.told.exists() and list(fault.place.iterdir()) == []
