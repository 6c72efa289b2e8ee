# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A scenario keeps what a host knows before it changes it: disk-full on a file system that is really full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader

from tests.integration.host.test_disks import old
from tests.support.site import Ended, Site
from tests.support.tmpfs import mounted

pytestmark = pytest.mark.timeout(900)
#: Hosts, and what is in the way of their snapshot.
TROUBLE: dict[str, dict[str, Any]] = {
    "kept": {"evidence_files": ["{{ inventory_dir }}/service.log"]},
    "wrong": {"evidence_units": ["--vacuum-size=1"]},
    "hurried": {"evidence_budget": "0s", "evidence_skip": []},
}
#: A container engine that says nothing and remembers that it was asked: a later rung of the host `kept`.
ENGINE = "#!/bin/sh\necho \"$@\" >> {asked}\n"


@dataclass
class Cleaned:
    """Hosts whose only file system that matters is a full one of 16 MiB: a check, then the scenario.

    Attributes:
        full: what fills each of them.
        spared: whether the check left it.
        asked: what the engine of `kept` was asked in the scenario.
    """

    checked: Ended
    done: Ended
    full: dict[str, Path]
    spared: dict[str, bool]
    asked: str


def variables(full: Path, **more: Any) -> dict[str, Any]:
    """A host's."""
    return {
        "host_become": False, "host_file_systems": [str(full)], "host_look_below": [str(full)], "host_disk_samples": "",
        "host_verify_hold": "0s", "host_verify_timeout": "20s",
        "host_clean": [{"directory": str(full), "pattern": "*.log.*", "min_age": "1h"}],
        "evidence_snapshot": True, "evidence_local": True, "evidence_budget": "120s", "evidence_command_timeout": "60s",
        "evidence_skip": ["open_files"], **more,
    }


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cleaned]:
    """The runs. The files of a host are one subject, so its names follow one another."""
    place = tmp_path_factory.mktemp("full")
    (place / "service.log").write_text("No space left on device\n")
    site = Site(place, playbook="disk-full")
    with ExitStack() as stack:
        small = {name: stack.enter_context(mounted(place / name, size="16m")) for name in TROUBLE}
        full = {name: old(path / "app.log.1", size=15 << 20) for name, path in small.items()}
        engine = place / "engine"
        engine.write_text(ENGINE.format(asked=place / "asked"))
        engine.chmod(0o755)
        further = {"kept": {"host_image_command": [str(engine)], "incident_rung_wait": "0s"}}
        site.group("servers", **{name: variables(small[name], **more, **further.get(name, {})) for name, more in TROUBLE.items()})
        checked = site.play("--check", ANSIBLE_FORKS="1")
        spared = {name: path.exists() for name, path in full.items()}
        (place / "asked").write_text("")
        done = site.play(ANSIBLE_FORKS="1")
        yield Cleaned(checked=checked, done=done, full=full, spared=spared, asked=(place / "asked").read_text())


def test_a_full_disk_is_kept_as_it_was_before_it_is_cleaned(cleaned: Cleaned) -> None:
    checked, done = cleaned.checked, cleaned.done
    assert checked.status == 0, checked.output
    assert all(cleaned.spared.values()) and [line["part"] for line in checked.index("kept", "begin")] == ["first"]
    assert done.status == 0, done.output
    assert not cleaned.full["kept"].exists() and done.outcomes("kept") == ["done"]
    assert [line["part"] for line in done.index("kept", "begin")] == ["first", "rest"]
    kept = {item["name"]: item for item in done.index("kept", "item") if item["status"] == "collected"}
    space = (done.run_dir / kept["disk_space"]["path"]).read_text().splitlines()
    (line,) = [line for line in space if str(cleaned.full["kept"].parent) in line]
    assert " 94% " in line, "as it was before"
    assert any(name.startswith("log01_") for name in kept)
    events = [event for event in reader.read(done.run_dir) if event.get("host") == "kept"]
    (action,) = [event["seq"] for event in events if event["type"] == "action"]
    first, rest = [event["seq"] for event in events if event["type"] == "result" and "snapshot" in event["action"]]
    assert first < action < rest
    done.assert_record_verifies()


def test_a_further_remedy_is_planned_and_left_out_where_the_first_one_has_made_room(cleaned: Cleaned) -> None:
    """The disk is measured between them: images that nothing uses are pruned only where cleaning was not enough."""
    plan = cleaned.checked.plan()
    assert [rung["name"] for rung in plan["rungs"]["kept"]] == ["clean", "images"] and "wrong" not in plan["rungs"], cleaned.checked.output
    assert "prune_images" in {action["verb"] for action in plan["actions"]["kept"]}
    assert "Rung images is not needed: the checks are ok." in cleaned.done.said
    assert cleaned.asked == "", "for real the engine was not even asked what there is"


def test_a_snapshot_that_cannot_be_taken_stops_nothing(cleaned: Cleaned) -> None:
    done = cleaned.done
    assert done.status == 0, done.output
    assert "is not the name of a systemd unit" in done.failures("wrong")
    assert not cleaned.full["wrong"].exists() and done.outcomes("wrong") == ["done"]


def test_a_snapshot_without_time_stops_nothing(cleaned: Cleaned) -> None:
    done = cleaned.done
    assert not cleaned.full["hurried"].exists() and done.outcomes("hurried") == ["done"]
    assert {item["status"] for item in done.index("hurried", "item") if item["part"] == "first"} == {"deferred"}
