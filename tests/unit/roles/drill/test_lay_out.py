# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the role puts on a host for a fault: files that only root can change, and nothing where something is missing."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "roles" / "drill" / "files" / "lay_out.py"


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
        "files": {"mine.py": "import sys\nprint(sys.argv[1:])\n", "_common.py": ""}, "modules": [], "programs": [], **more,
    }


def test_the_program_runs_and_nobody_but_root_can_change_it(module: ModuleType, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    assert module.lay_out(asked(tmp_path)) == nobody.pw_gid
    name = "oncall-drill-x-1-mine"
    roots = (0, nobody.pw_gid)
    assert module.given == {
        "drill": (0, 0), name: roots, f"{name}.d": roots, "mine.py": roots, "_common.py": roots,
        f"{name}.kept": (nobody.pw_uid, nobody.pw_gid),
    }
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "drill").rglob("*")}
    assert modes == {name: 0o750, f"{name}.d": 0o750, "mine.py": 0o640, "_common.py": 0o640, f"{name}.kept": 0o700}
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
        f"it needs the Python module redys for {sys.executable} (Debian: python3-redys), and the program no-such-program"
    )
    assert not (tmp_path / "drill").exists()
