# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paired, alternating measurements, reported as ratios of medians.

A shared machine is noisy: two cases are only comparable when they alternate in one run. Nothing here asserts on time.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
import typing as t
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")


@dataclasses.dataclass(frozen=True)
class Sample:
    """One measurement: wall and CPU seconds (children included) and whatever else the case counts."""

    wall: float
    cpu: float
    counts: t.Mapping[str, float] = dataclasses.field(default_factory=dict)


def measured(work: t.Callable[[], t.Mapping[str, float] | None]) -> Sample:
    """Run work once. Returns wall seconds, CPU seconds of this process and its finished children, and work's own counts."""
    cpu_before, wall_before = _cpu(), time.monotonic()
    counts = work()
    return Sample(wall=time.monotonic() - wall_before, cpu=_cpu() - cpu_before, counts=dict(counts or {}))


def alternate(cases: t.Mapping[str, t.Callable[[], Sample]], *, rounds: int) -> dict[str, list[Sample]]:
    """Run every case once a round, in turn, so that the machine's mood hits all alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in cases}
    for number in range(1, rounds + 1):
        for name, case in cases.items():
            sample = case()
            samples[name].append(sample)
            said = f"  round {number}/{rounds} {name}: {sample.wall:.2f} s wall, {sample.cpu:.2f} s CPU"
            print(said, file=sys.stderr, flush=True)
    return samples


def table(samples: t.Mapping[str, t.Sequence[Sample]], *, against: str) -> str:
    """A Markdown table of medians, with ratios to the case `against`."""
    extra = sorted({key for found in samples.values() for sample in found for key in sample.counts})
    head = ["case", "n", "wall s", "ratio", "CPU s", "ratio", *extra]
    base = samples[against]
    rows = []
    for name, found in samples.items():
        wall, cpu = _median(found, "wall"), _median(found, "cpu")
        counts = [f"{statistics.median(s.counts.get(key, 0) for s in found):,.0f}" for key in extra]
        rows.append([
            name, str(len(found)), f"{wall:.2f}", f"{wall / _median(base, 'wall'):.2f}",
            f"{cpu:.2f}", f"{cpu / max(_median(base, 'cpu'), 1e-9):.2f}", *counts,
        ])
    return "\n".join("| " + " | ".join(row) + " |" for row in [head, ["---"] * len(head), *rows])


def publish(name: str, text: str) -> None:
    """Print a benchmark's section and put it in RESULTS.md in place of its older self."""
    when = time.strftime("%Y-%m-%d", time.gmtime())
    section = f"<!-- {name} -->\n## {name}\n\n{text.strip()}\n\nMeasured {when} on {machine()}\n<!-- /{name} -->\n"
    old = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else (
        "# Benchmarks\n\nMedians of paired, alternating runs, as `make bench` printed them. Ratios are the numbers to read.\n\n"
    )
    pattern = re.compile(rf"<!-- {re.escape(name)} -->.*?<!-- /{re.escape(name)} -->\n", re.DOTALL)
    new = pattern.sub(lambda _: section, old) if pattern.search(old) else f"{old.rstrip()}\n\n{section}"
    RESULTS.write_text(new, encoding="utf-8")
    print(section)


def machine() -> str:
    """What the numbers were measured on, without naming it."""
    model = platform.processor() or platform.machine()
    try:
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
        model = found.group(1) if found else model
    except OSError:
        pass
    core = subprocess.run(
        [sys.executable, "-c", "import ansible.release as r; print(r.__version__)"],
        capture_output=True, text=True, timeout=60, check=False,
    ).stdout.strip()
    return (
        f"{os.cpu_count()} x {model}, {platform.system()} {platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"ansible-core {core or 'absent'}, load {os.getloadavg()[0]:.1f}"
    )


def _median(samples: t.Sequence[Sample], name: str) -> float:
    return statistics.median(getattr(sample, name) for sample in samples)


def _cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
