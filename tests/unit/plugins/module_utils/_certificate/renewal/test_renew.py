# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may renew at a time."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewal import renewals
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.journal import Journal
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.renew import Bounds, renew
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Locked

BOUNDS = Bounds(budget=renewals(3, spent=0), timeout=1.0, validate_timeout=1.0, max_failures=3, failure_window=60.0)


class Clock:
    """Only the time."""

    def now(self) -> Any:
        return datetime.now(tz=timezone.utc)  # noqa: UP017 # make unit39 runs this too


def run(config: Path, backups: Path, effects: Any) -> None:
    """Renew nothing: what is tried is who may."""
    renew([], host="h", config_dir=str(config), journal=Journal(str(backups)), effects=effects, bounds=BOUNDS, approved=None,
          check_mode=False)


def test_runs_with_different_backups_exclude_each_other(tmp_path: Path) -> None:
    """Also one that names what is renewed by a link. One that renews elsewhere does not wait."""
    (tmp_path / "config").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "config")

    class Second:
        """A run that comes while another one looks at the time, so at work."""

        def now(self) -> Any:
            with pytest.raises(Locked, match="certificates of"):
                run(tmp_path / "link", tmp_path / "other backups", None)
            run(tmp_path / "elsewhere", tmp_path / "third backups", Clock())
            return Clock().now()

    run(tmp_path / "config", tmp_path / "backups", Second())


def test_runs_with_the_same_backups_do_too(tmp_path: Path) -> None:
    with Journal(str(tmp_path)).lock(), pytest.raises(Locked, match="backed up"):
        run(tmp_path / "config", tmp_path, Clock())
