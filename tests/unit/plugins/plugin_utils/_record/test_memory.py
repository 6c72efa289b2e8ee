# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred thousand events: memory does not grow with them, neither in writing nor in checking nor in folding."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[5]
EVENTS = 100_000
#: Python's allocator and the page cache of the interpreter itself wander by a few MiB.
MAY_GROW_KIB = 8 * 1024

CODE = """
import json, resource, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from ansible_collections.oncall.incident.plugins.plugin_utils._record import reader, summary, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

run_dir, events = Path(sys.argv[2]), int(sys.argv[3])

def rss():
    # Resident now, where the kernel tells; ru_maxrss never falls, which is as good for a bound.
    try:
        return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

def fields(number):
    return {"host": f"db{number % 50}", "play": "p", "phase": "investigate", "task": f"task {number % 20}", "task_id": f"{number}"}

def write(segment, first, last):
    for number in range(first, last, 2):
        segment.append("intent", {**fields(number), "args": {"_raw_params": f"echo {number}"}}, sync=False)
        result = {"stdout": f"line {number} " * 20, "rc": 0, "number": number}
        segment.append("result", {**fields(number), "status": "ok", "result": result}, sync=False)

redactor = Redactor(key=b"k" * 32)
redactor.learn(["one-Secret-1", "another-Secret-2"])
numbers = {}
with Segment.open(run_dir, run="r", redactor=redactor) as segment:
    write(segment, 0, events // 10)
    numbers["written a tenth"] = rss()
    write(segment, events // 10, events)
    numbers["written all"] = rss()
report = verify.check(run_dir)
numbers["checked"] = rss()
folded = summary.summarise(run_dir)
numbers["folded"] = rss()
print(json.dumps({"status": report.status, "events": report.events, "counts": folded.counts, "segments": report.segments, "kib": numbers}))
"""


@pytest.mark.slow
def test_memory_stays_bounded(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    arguments = [str(ROOT / ".collections"), str(tmp_path / "run"), str(EVENTS)]
    done = subprocess.run([sys.executable, "-c", CODE, *arguments], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["status"] == "ok" and found["events"] == EVENTS + 2 * found["segments"] and found["counts"]["result"] == EVENTS // 2
    kib = found["kib"]
    record_property("kib", kib)
    assert max(kib.values()) - kib["written a tenth"] < MAY_GROW_KIB, kib
