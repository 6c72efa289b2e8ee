# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario keeps what a host knows before it changes it: disk-full on a file system that is really full."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader

from tests.integration.host.test_disks import old, small
from tests.support.site import Site

# Two plays each, on a machine that may be busy.
pytestmark = pytest.mark.timeout(600)
__all__ = ["small"]  # a fixture


def full_site(place: Path, full: Path, **more: Any) -> Site:
    """A host whose only file system that matters is a full one of 16 MiB."""
    site = Site(place, playbook="disk-full")
    site.group("servers", web1={
        "host_become": False, "host_file_systems": [str(full)], "host_look_below": [str(full)], "host_disk_samples": "",
        "host_verify_hold": "0s", "host_verify_timeout": "20s",
        "host_clean": [{"directory": str(full), "pattern": "*.log.*", "min_age": "1h"}],
        "evidence_snapshot": True, "evidence_local": True, "evidence_budget": "120s", "evidence_command_timeout": "60s",
        "evidence_skip": ["open_files"], **more,
    })
    return site


def test_a_full_disk_is_kept_as_it_was_before_it_is_cleaned(tmp_path: Path, small: Path) -> None:
    full = old(small / "app.log.1", size=15 << 20)
    site = full_site(tmp_path, small, evidence_files=[str(tmp_path / "service.log")])
    (tmp_path / "service.log").write_text("No space left on device\n")
    checked = site.play("--check")
    assert checked.status == 0, checked.output
    assert full.exists() and [line["part"] for line in checked.index("web1", "begin")] == ["first"]

    done = site.play()
    assert done.status == 0, done.output
    assert not full.exists() and done.outcomes() == ["done"]
    assert [line["part"] for line in done.index("web1", "begin")] == ["first", "rest"]
    kept = {item["name"]: item for item in done.index("web1", "item") if item["status"] == "collected"}
    (space,) = [line for line in (done.run_dir / kept["disk_space"]["path"]).read_text().splitlines() if str(small) in line]
    assert " 94% " in space, "as it was before"
    assert any(name.startswith("log01_") for name in kept)
    events = list(reader.read(done.run_dir))
    (cleaned,) = [event["seq"] for event in events if event["type"] == "action"]
    first, rest = [event["seq"] for event in events if event["type"] == "result" and "snapshot" in event["action"]]
    assert first < cleaned < rest
    done.assert_record_verifies()


def test_a_snapshot_that_cannot_be_taken_and_one_without_time_stop_nothing(tmp_path: Path, small: Path) -> None:
    full = old(small / "app.log.1", size=15 << 20)
    site = full_site(tmp_path, small, evidence_units=["--vacuum-size=1"])
    done = site.play("--tags", "mitigate")
    assert done.status == 0, done.output
    assert not full.exists() and done.outcomes() == ["done"]

    old(full, size=15 << 20)
    site.hosts["servers"]["web1"].update(evidence_units=[], evidence_budget="0s", evidence_skip=[])
    done = site.play("--tags", "mitigate")
    assert done.status == 0, done.output
    assert not full.exists() and {item["status"] for item in done.index("web1", "item")} == {"deferred"}
