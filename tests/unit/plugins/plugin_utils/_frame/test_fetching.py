# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host may say anything about its outputs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import fetching


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        "x",
        3,
        {},
        {"name": None},
        {"status": ["collected"]},
        {"status": "collected"},
        {"status": "collected", "file": "../../etc/passwd"},
        {"status": "collected", "file": "/etc/passwd"},
        {"name": "../x", "folder": "/etc", "argv": "rm", "rc": "0", "bytes": -5, "sha256": "zz"},
        {"argv": [{"a": 1}] * 5000, "stderr": "x" * 10**6, "bytes": True, "started": float("nan"), "ended": 1e300, "offset": "7"},
    ],
)
def test_nothing_it_says_has_a_surprise(given: Any) -> None:
    entry = fetching.with_clocks(fetching.plain(given, number=3), offset=1.0)
    assert entry["status"] in ("failed", "deferred", "not_available") and "/" not in entry["name"] + entry["folder"]
    assert entry["bytes"] == 0 and entry["offset"] == 0 and len(entry["stderr"]) <= 4000 and len(entry["argv"]) <= 100
    assert all(isinstance(word, str) for word in entry["argv"])


def test_a_good_entry_is_taken_as_it_is() -> None:
    given = {"name": "memory", "folder": "30-mem", "status": "collected", "argv": ["cat"], "rc": 0, "bytes": 5, "sha256": "a" * 64,
             "spooled": True, "position": 7, "started": 60.0, "ended": 61.5, "direct": True}
    entry = fetching.with_clocks(fetching.plain(given, number=1), offset=10.0)
    assert entry["started"] == {"host_clock": "1970-01-01T00:01:00.000Z", "our_clock": "1970-01-01T00:00:50.000Z"}
    assert (entry["spooled"], entry["position"], entry["file_item"], entry["host_sha256"]) == (True, 7, False, "a" * 64)


def test_a_log_is_named_by_its_path() -> None:
    entry = fetching.plain({"name": "log01_x", "folder": "50-disk", "status": "collected", "path": "/var/log/x", "bytes": 3}, number=1)
    assert entry["file_item"] and entry["remote"] == "/var/log/x"


def test_state() -> None:
    lines = [
        {"kind": "begin", "part": "first"},
        {"kind": "end", "part": "first", "deferred": ["journal"]},
        {"kind": "end", "part": "postgresql"},
    ]
    assert fetching.state(lines) == ({"first", "postgresql"}, ["journal"])
    assert fetching.state([{"kind": "begin", "part": "first"}]) == (set(), [])


def test_a_limited_stream_ends() -> None:
    stream = fetching.Limited(io.BytesIO(b"x" * 100), 30)
    assert [len(stream.read(20)) for _ in range(3)] == [20, 10, 0]


def test_an_output_that_never_ends_cannot_fill_our_disk(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\n"
        "from ansible_collections.oncall.incident.plugins.plugin_utils._frame.fetching import file_size_limit\n"
        f"with file_size_limit(1 << 20):\n    subprocess.run(['cp', '/dev/zero', {str(tmp_path / 'x')!r}], timeout=60)\n"
        f"open({str(tmp_path / 'y')!r}, 'wb').write(b'x' * (2 << 20))\n"
    )
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                   stderr=subprocess.DEVNULL)
    assert (tmp_path / "x").stat().st_size <= 1 << 20 and (tmp_path / "y").stat().st_size == 2 << 20
