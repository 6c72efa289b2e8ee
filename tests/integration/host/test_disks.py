# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""disk_clean and disk_survey on real files, and on a real file system that is full."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.lock import acting_alone
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.conformance.kit import recorded
from tests.support.ext4 import ext4
from tests.support.need import need
from tests.support.run_module import run_module, start_module
from tests.support.tmpfs import mounted

OLD = 7200


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    """A directory of logs, none of which anybody has open."""
    need(os.geteuid() == 0, "root, to see the open files of all processes")
    place = tmp_path / "logs"
    place.mkdir()
    for name in ("shop.log.1", "shop.log.2", "shop.log.3", "notes.txt"):
        old(place / name)
    return place


def old(path: Path, *, size: int = 8192, age: float = OLD) -> Path:
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def clean(place: Path, *, check: bool = False, rules: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    given = rules or [{"directory": str(place), "pattern": "*.log.*", "min_age": "1h"}]
    return run_module("disk_clean", check=check, rules=given, **more)


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.iterdir())


def outcomes(result: dict[str, Any]) -> dict[str, str]:
    return {os.path.basename(action["target"]["path"]): action["outcome"] for action in result["actions"]}


def test_check_mode_touches_nothing_and_says_the_same_as_the_run(logs: Path) -> None:
    before = names(logs)
    planned = clean(logs, check=True)
    assert names(logs) == before
    assert planned["changed"] and set(outcomes(planned).values()) == {"planned"} and planned["freed"] >= 3 * 8192
    done = clean(logs, approved=[action["id"] for action in planned["actions"]])
    assert [action["id"] for action in done["actions"]] == [action["id"] for action in planned["actions"]]
    assert done["changed"] and set(outcomes(done).values()) == {"done"} and names(logs) == ["notes.txt"]
    again = clean(logs)
    assert not again["changed"] and again["actions"] == []


def test_only_what_was_approved(logs: Path) -> None:
    planned = clean(logs, check=True)
    allowed = [action["id"] for action in planned["actions"] if action["target"]["path"].endswith(".2")]
    done = clean(logs, approved=allowed)
    assert outcomes(done) == {"shop.log.1": "refused", "shop.log.2": "done", "shop.log.3": "refused"}
    assert names(logs) == ["notes.txt", "shop.log.1", "shop.log.3"]
    assert not clean(logs, approved=[])["changed"]


def test_every_approved_file_is_answered_also_one_that_is_gone_or_is_another_by_now(logs: Path) -> None:
    planned = clean(logs, check=True)["actions"]
    (logs / "shop.log.1").unlink()
    old(logs / "other")
    (logs / "other").rename(logs / "shop.log.2")
    with (logs / "shop.log.3").open("ab"):
        os.utime(logs / "shop.log.3", (time.time() - OLD, time.time() - OLD))
        done = clean(logs, approved=planned)
    said = {action["name"].rpartition("/")[2]: (action["outcome"], action["detail"]["why"]) for action in done["actions"]
            if action["id"] in {one["id"] for one in planned}}
    assert said == {
        "shop.log.1": ("not_needed", "gone_already"), "shop.log.2": ("moved_on", "identity_changed"),
        "shop.log.3": ("moved_on", "no_longer_matches"),
    }
    assert not done["changed"] and names(logs) == ["notes.txt", "shop.log.2", "shop.log.3"]


def test_two_runs_never_clean_at_once(logs: Path) -> None:
    planned = clean(logs, check=True)["actions"]
    with acting_alone("the files of this host"):
        result = clean(logs, approved=planned)
        assert clean(logs, check=True)["changed"], "check mode needs no lock"
    assert (result["failed"], result["error"]) == (True, "locked") and len(names(logs)) == 4
    assert {action["detail"]["why"] for action in result["actions"]} == {"locked"} and len(result["actions"]) == 3


def test_more_than_the_limit_and_nothing_is_touched(logs: Path) -> None:
    for limit in ({"max_files": 2}, {"max_bytes": 10000}):
        result = clean(logs, **limit)
        assert (result["failed"], result["error"]) == (True, "limit_exceeded")
        assert len(names(logs)) == 4


def test_open_files_are_spared_and_a_written_log_is_emptied_where_a_rule_says_so(logs: Path) -> None:
    with (logs / "shop.log.1").open("ab") as writer, (logs / "shop.log.2").open("rb"):
        os.utime(logs / "shop.log.1", (time.time() - OLD, time.time() - OLD))
        result = clean(logs)
        assert outcomes(result) == {"shop.log.3": "done"}
        assert {reason for item in result["protected"] for reason in item["reasons"]} == {
            "open for writing", "open: removing it frees nothing until it is closed",
        }
        emptied = clean(logs, rules=[{"directory": str(logs), "pattern": "shop.log.1", "min_age": "0s", "operation": "truncate"}])
        assert outcomes(emptied) == {"shop.log.1": "done"} and (logs / "shop.log.1").stat().st_size == 0
        writer.write(b"goes on")
        writer.flush()
        assert (logs / "shop.log.1").read_bytes() == b"goes on"


def test_links_lead_nowhere(logs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    precious = old(outside / "precious.log.9")
    (logs / "link.log.1").symlink_to(precious)
    (logs / "further").symlink_to(outside)
    result = clean(logs, rules=[{"directory": str(logs), "pattern": "*.log.*", "min_age": "0s", "recursive": True}])
    assert precious.exists() and (logs / "link.log.1").is_symlink()
    assert "link.log.1" not in outcomes(result)
    through = clean(logs, rules=[{"directory": str(logs / "further"), "pattern": "*.log.*", "min_age": "0s"}])
    assert through["failed"] and "symbolic link" in through["msg"] and precious.exists()


def test_a_hard_link_frees_nothing_and_stays(logs: Path) -> None:
    (logs / "twin").hardlink_to(logs / "shop.log.1")
    assert "shop.log.1" not in outcomes(clean(logs))
    assert (logs / "shop.log.1").exists()


@pytest.mark.parametrize("mark", ["PG_VERSION", "pg_wal/", "dump.rdb", "ibdata1"])
def test_a_servers_data_is_never_touched(logs: Path, mark: str) -> None:
    data = logs / "data"
    data.mkdir()
    (data / mark).mkdir() if mark.endswith("/") else (data / mark).touch()
    inside = old(data / "segment.log.1")
    rules = [{"directory": str(logs), "pattern": "*.log.*", "min_age": "1h", "recursive": True}]
    result = clean(logs, rules=rules)
    assert inside.exists() and any("data" in text for text in result["avoided"])
    direct = clean(logs, rules=[{"directory": str(data), "pattern": "*.log.*", "min_age": "1h"}])
    assert direct["failed"] and direct["error"] == "bad_input" and inside.exists()
    below = data / "base"
    below.mkdir()
    deep = old(below / "x.log.1")
    nested = clean(logs, rules=[{"directory": str(below), "pattern": "*.log.*", "min_age": "1h"}])
    assert nested["failed"] and deep.exists()


@pytest.mark.parametrize(("rule", "said"), [
    ({"directory": "/etc", "pattern": "*.log"}, "/etc"), ({"directory": "/var/log", "pattern": "*"}, "pattern"),
    ({"directory": "/var/log/x", "pattern": "*.log", "min_age": "soon"}, "min_age"),
])
def test_bad_rules_are_refused_before_anything_is_looked_at(logs: Path, rule: dict[str, Any], said: str) -> None:
    result = clean(logs, rules=[{"directory": str(logs), "pattern": "*.log.*", "min_age": "1h"}, rule])
    assert (result["failed"], result["error"]) == (True, "bad_input") and said in result["msg"]
    assert len(names(logs)) == 4


def test_a_directory_that_is_not_there_is_said(logs: Path) -> None:
    result = clean(logs, rules=[{"directory": str(logs / "nowhere"), "pattern": "*.log", "min_age": "1h"}])
    assert not result["changed"] and "is not there" in result["avoided"][0]


def test_without_sight_of_open_files_nothing_is_judged(logs: Path) -> None:
    """An ordinary user cannot know what others have open."""
    code = (
        "import os\n"
        "from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind\n"
        "from ansible_collections.oncall.incident.plugins.module_utils._host.files import open_files\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try:\n    open_files()\nexcept Blind as exc:\n    print(exc.kind)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3] / ".collections")}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "blind", done.stderr


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB."""
    with mounted(tmp_path / "small", size="16m") as place:
        yield place


def test_a_full_file_system_is_critical_until_it_is_cleaned(small: Path) -> None:
    old(small / "app.log.1", size=15 << 20)
    seen = run_module("disk_survey", file_systems=[str(small)], sample="0s", look_below=[str(small)])
    assert seen["checks"]["disk_space"] == "critical"
    assert seen["biggest"][str(small)]["files"][0]["path"].endswith("app.log.1")
    never = run_module("disk_survey", file_systems=[str(small)], sample="0s", wait_for={"hold": "0s", "timeout": "1s"})
    assert never["held"] is False and never["status"] == "critical"
    done = clean(small)
    assert outcomes(done) == {"app.log.1": "done"} and done["freed"] == 15 << 20
    after = run_module("disk_survey", file_systems=[str(small)], sample="0s", wait_for={"hold": "0s", "timeout": "10s"})
    assert after["held"] is True and after["checks"]["disk_space"] == "ok"


def test_a_file_system_that_became_read_only_is_critical_whatever_room_it_has(small: Path) -> None:
    """What the kernel does with errors=remount-ro. Named, since nobody's fstab has it."""
    assert run_module("disk_survey", file_systems=[str(small)], sample="0s")["healthy"] is True
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    seen = run_module("disk_survey", file_systems=[str(small)], sample="0s")
    assert seen["checks"]["disk_writable"] == "critical" and seen["checks"]["disk_space"] == "ok" and seen["healthy"] is False
    health = run_module("disk_health", path=str(small), fail_on="critical")
    assert (health["failed"], health["error"], health["status"]) == (True, "unhealthy", "critical") and "disk_writable" in health["msg"]
    waited = run_module("disk_health", path=str(small), wait_for={"hold": "0s", "timeout": "0s"})
    assert waited["held"] is False and waited["not_recovered"].startswith("Not recovered within 0 s: disk_writable critical.")


def test_what_cannot_be_looked_at_is_never_ok(tmp_path: Path) -> None:
    seen = run_module("disk_survey", file_systems=[str(tmp_path / "nowhere")], sample="0s", fail_on="critical")
    assert seen["failed"] and seen["status"] == "unknown" and seen["healthy"] is None
    assert {finding["check"]: finding["status"] for finding in seen["findings"] if finding["asked"]} == {
        "disk_space": "unknown", "disk_inodes": "unknown", "disk_writable": "unknown",
    }


@pytest.mark.parametrize("module", ["disk_health", "disk_survey"])
def test_the_directory_above_says_nothing_of_a_disk_that_may_not_be_entered(module: str) -> None:
    """A data directory is closed to others, and it may be a file system of its own."""
    with tempfile.TemporaryDirectory() as closed, mounted(Path(closed) / "data", size="1m") as data:
        (data / "full").write_bytes(b"x" * (1 << 20))
        args = {"path": str(data)} if module == "disk_health" else {"file_systems": [str(data)], "sample": "0s"}
        assert run_module(module, **args)["checks"]["disk_space"] == "critical"
        said = start_module(module, user=65534, **args).result()
    assert said["healthy"] is None
    unknown = [one for one in said["findings"] if one["asked"]]
    assert {one["check"]: one["status"] for one in unknown} == dict.fromkeys(("disk_space", "disk_inodes", "disk_writable"), "unknown")
    assert all(f"search of the directory {closed}" in one["hint"] for one in unknown)


def test_a_path_that_is_not_there_is_not_judged_by_the_root() -> None:
    said = run_module("disk_health", path="/no/such/place")
    assert (said["healthy"], said["path"], said["checks"]["disk_space"]) == (None, "/no/such/place", "unknown")
    assert "Name a path that is there" in said["findings"][0]["hint"]


def test_deleted_open_files_are_told_with_who_holds_them(small: Path) -> None:
    with (small / "gone.log").open("wb") as held:
        held.write(b"x" * (2 << 20))
        held.flush()
        (small / "gone.log").unlink()
        seen = run_module("disk_survey", file_systems=[str(small)], sample="0s", deleted_warning_bytes=1 << 20, most=500)
        (found,) = [one for one in seen["findings"] if one["check"] == "deleted_open"]
        assert found["status"] == "warning" and f"(pid {os.getpid()})" in found["hint"]
        mine = [entry for entry in seen["deleted"] if entry["path"] == str(small / "gone.log")]
        assert mine and mine[0]["pid"] == os.getpid() and mine[0]["bytes"] == 2 << 20


@pytest.fixture
def sessions(tmp_path: Path) -> Iterator[Path]:
    """A directory of 564 old and empty files, on a file system that has no inode left. The lowest number is the oldest."""
    with ext4(tmp_path / "disk", size="16M", inodes=1024) as disk:
        place = disk / "sessions"
        place.mkdir()
        for number in range(564):
            path = place / f"sess_{number:03}"
            path.touch()
            os.utime(path, (time.time() - 99 * OLD + number, time.time() - 99 * OLD + number))
        for number in range(os.statvfs(disk).f_favail):
            (disk / f"other{number}").touch()
        yield place


RULE = {"pattern": "sess_*", "min_age": "1h"}


def test_out_of_inodes_more_files_than_else_may_go(sessions: Path) -> None:
    rules = [{"directory": str(sessions), **RULE}]
    before = run_module("disk_survey", file_systems=[str(sessions)], sample="0s", look_for="0s")
    assert before["checks"]["disk_inodes"] == "critical"
    planned = clean(sessions, check=True, rules=rules)
    assert len(planned["actions"]) == 564 and planned["limits"]["max_files_for_inodes"] == 2000 and len(names(sessions)) == 564
    assert planned["reading"]["complete"] or "files" in planned["reading"]["left_out"]
    done = clean(sessions, rules=rules, approved=planned["actions"])
    assert set(outcomes(done).values()) == {"done"} and names(sessions) == []
    after = run_module("disk_survey", file_systems=[str(sessions)], sample="0s", look_for="0s")
    assert after["healthy"] is True


def test_of_more_the_oldest_go_and_the_others_wait_for_the_next_run(sessions: Path) -> None:
    rules = [{"directory": str(sessions), **RULE}]
    planned = clean(sessions, check=True, rules=rules, max_files_for_inodes=60)
    assert sorted(outcomes(planned)) == [f"sess_{number:03}" for number in range(60)]
    assert {reason for one in planned["protected"] for reason in one["reasons"]} == {"over max_files_for_inodes: older ones go first"}
    few = clean(sessions, check=True, rules=[{**rules[0], "pattern": "sess_00?"}], max_files_for_inodes=6)
    assert len(few["actions"]) == 6 and of_event(recorded(few)).actions == {one["id"]: "planned" for one in few["actions"]}
    done = clean(sessions, rules=rules, max_files_for_inodes=60, approved=planned["actions"])
    assert names(sessions)[0] == "sess_060" and set(outcomes(done).values()) == {"done"}
    spent = clean(sessions, check=True, rules=rules, max_files_for_inodes=60, spent=60, inodes_percent=50)
    assert spent["actions"] == [], "one budget for a run"


def test_with_inodes_left_the_ordinary_limit_holds(sessions: Path) -> None:
    for path in sessions.parent.glob("other*"):
        path.unlink()
    refused = clean(sessions, rules=[{"directory": str(sessions), **RULE}])
    assert (refused["failed"], refused["error"]) == (True, "limit_exceeded") and len(names(sessions)) == 564
