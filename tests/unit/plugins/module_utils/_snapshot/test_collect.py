# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's side: bounded in time, in bytes, and in what a command can do to us."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._snapshot import collect
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.catalogue import Item

from tests.support.until import until


def bounds(**given: Any) -> collect.Bounds:
    return collect.Bounds(**{
        "seconds": 60.0, "command_seconds": 30.0, "command_bytes": 1 << 20, "file_bytes": 1 << 20, "total_bytes": 8 << 20, **given,
    })


def command(*argv: str) -> Item:
    return Item("it", "10-net", (argv,))


def take(item: Item, spool: Path, **given: Any) -> dict[str, Any]:
    (entry,) = collect.take([item], spool=str(spool), bounds=bounds(**given))
    return entry


def test_a_command_with_everything_about_it(tmp_path: Path) -> None:
    before = time.time()
    entry = take(command("sh", "-c", "echo out; echo err >&2; exit 3"), tmp_path)
    assert (entry["status"], entry["rc"], entry["stderr"], entry["bytes"]) == ("collected", 3, "err\n", 4)
    assert entry["sha256"] == hashlib.sha256(b"out\n").hexdigest() and (tmp_path / collect.OUTPUTS).read_bytes() == b"out\n"
    assert entry["argv"] == ["sh", "-c", "echo out; echo err >&2; exit 3"] and before <= entry["started"] <= entry["ended"] <= time.time()
    assert (tmp_path / collect.OUTPUTS).stat().st_mode & 0o777 == 0o600


def test_what_is_known_already_is_put_with_the_outputs(tmp_path: Path) -> None:
    take(command("echo", "out"), tmp_path)
    entry = take(Item("it", "10-net", text="known\n"), tmp_path)
    assert (entry["status"], entry["bytes"], entry["position"], entry["spooled"]) == ("collected", 6, 4, True)
    assert (tmp_path / collect.OUTPUTS).read_bytes() == b"out\nknown\n"
    assert entry["sha256"] == hashlib.sha256(b"known\n").hexdigest() and entry["truncated"] is False
    cut = take(Item("it", "10-net", text="known"), tmp_path, command_bytes=2)
    assert (cut["bytes"], cut["truncated"]) == (2, True)
    assert take(Item("it", "10-net", text="known"), tmp_path, seconds=0.0)["status"] == "deferred"


def test_the_first_program_that_is_there_is_taken(tmp_path: Path) -> None:
    entry = take(Item("it", "10-net", (("no-such-program", "-x"), ("echo", "here"))), tmp_path)
    assert entry["argv"] == ["echo", "here"] and entry["bytes"] == 5
    assert take(command("no-such-program"), tmp_path)["status"] == "not_available"
    assert take(command("cat", "/no/such/file"), tmp_path)["status"] == "not_available"


def test_endless_output_is_cut_and_the_command_ended(tmp_path: Path) -> None:
    entry = take(command("yes"), tmp_path, command_bytes=100_000)
    assert (entry["status"], entry["bytes"], entry["truncated"]) == ("collected", 100_000, True)
    assert (tmp_path / collect.OUTPUTS).stat().st_size == 100_000


def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    marker = f"8{os.getpid()}.75"
    entry = take(command("sh", "-c", f"trap '' TERM; echo begun; sleep {marker} & sleep {marker}"), tmp_path, command_seconds=1.0)
    assert entry["status"] == "timed_out" and entry["bytes"] == 6
    # Killed is not gone yet on a busy machine.
    until(lambda: not [path for path in Path("/proc").glob("[0-9]*/cmdline") if _reads(path, marker)], what="the end of its children")


def _reads(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == f"sleep\0{text}\0".encode()
    except OSError:
        return False


def test_much_on_stderr_neither_blocks_nor_is_kept(tmp_path: Path) -> None:
    entry = take(command("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x >&2; echo done"), tmp_path)
    assert entry["status"] == "collected" and entry["bytes"] == 5 and len(entry["stderr"]) == collect.MOST_STDERR


def test_what_no_time_is_left_for_is_named(tmp_path: Path) -> None:
    items = [Item("slow", "10-net", (("sleep", "30"),)), Item("later", "20-proc", (("echo", "x"),))]
    slow, later = collect.take(items, spool=str(tmp_path), bounds=bounds(seconds=0.5))
    assert slow["status"] == "timed_out" and (later["status"], later["reason"]) == ("deferred", "no time was left")


def test_what_no_space_is_left_for_is_named(tmp_path: Path) -> None:
    items = [Item("big", "10-net", (("yes",),)), Item("later", "20-proc", (("echo", "x"),))]
    big, later = collect.take(items, spool=str(tmp_path), bounds=bounds(total_bytes=1000))
    assert big["bytes"] == 1000 and (later["status"], later["reason"]) == ("deferred", "no space was left")


def test_the_end_of_a_log_where_it_is(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"old\n" * 1000 + b"new\n" * 10)
    entry = take(Item("log", "50-disk", file=str(log)), tmp_path, file_bytes=40)
    assert (entry["offset"], entry["bytes"], entry["size"], entry["truncated"]) == (4000, 40, 4040, True)
    assert entry["sha256"] == hashlib.sha256(b"new\n" * 10).hexdigest() and "spooled" not in entry
    assert list(tmp_path.iterdir()) == [log]


def test_of_a_directory_the_file_written_last(tmp_path: Path) -> None:
    for name, age in (("old", 1000), ("new", 10)):
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    assert take(Item("log", "50-disk", file=str(tmp_path)), tmp_path)["path"] == str(tmp_path / "new")


@pytest.mark.parametrize("kind", ["fifo", "device", "missing"])
def test_what_is_no_log_is_refused_and_does_not_block(tmp_path: Path, kind: str) -> None:
    path = {"fifo": str(tmp_path / "pipe"), "device": "/dev/zero", "missing": str(tmp_path / "no")}[kind]
    if kind == "fifo":
        os.mkfifo(path)
    assert take(Item("log", "50-disk", file=path), tmp_path)["status"] == "failed"


def test_the_environment_has_no_secrets_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "abc")
    take(Item("it", "10-net", (("env",),), environment=(("REDISCLI_AUTH", "pw"),)), tmp_path)
    text = (tmp_path / collect.OUTPUTS).read_text()
    assert "SOME_TOKEN" not in text and "REDISCLI_AUTH=pw" in text and "LC_ALL=C" in text
