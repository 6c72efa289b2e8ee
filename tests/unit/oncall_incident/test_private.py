# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private directory is nobody else's, and is gone afterwards."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from oncall_incident.private import base_dir, private_dir, sweep, write_private


def test_only_the_owner_can_enter_and_it_is_gone_afterwards(tmp_path: Path) -> None:
    with private_dir(tmp_path) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert stat.S_IMODE(write_private(path / "x", "secret").stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("problem", [ValueError, KeyboardInterrupt, SystemExit])
def test_it_is_gone_after_an_exception(problem: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(problem), private_dir(tmp_path) as path:
        (path / "deep").mkdir()
        raise problem
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_swept_and_a_living_ones_is_not(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, signal, sys; from oncall_incident.private import private_dir\n"
        "with private_dir(pathlib.Path(sys.argv[1])) as path:\n"
        "    (path / 'secret').write_text('x'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environ, check=False, timeout=60)
    assert len(list(tmp_path.iterdir())) == 1
    with private_dir(tmp_path) as mine:
        assert list(tmp_path.iterdir()) == [mine]
        sweep(tmp_path)
        assert mine.is_dir()


def test_the_runtime_directory_is_used_only_when_it_is_ours_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    tmp_path.chmod(0o700)
    assert base_dir() == tmp_path
    tmp_path.chmod(0o755)
    assert base_dir() != tmp_path
