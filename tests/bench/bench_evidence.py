# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sealing and checking a bundle cost: one of 1 GiB in one file, and one of 100,000 small events, against sha256sum.

Each case is a process of its own, from its start to its end: `incident seal`, `incident verify`, and `sha256sum` of the same payload.
A check hashes every file, and reads every line of a chain again: it parses it and hashes it. A seal makes the report (whose list has every
file's hash where no seal has them yet), reads the events twice, for report and timeline, and hashes every file. The floor: `incident
--version` is the start of Python and of the command line; "bare Python" does to every line of the events what no check can leave out,
one SHA-256 and one parsing of JSON, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import typing as t
from pathlib import Path

from oncall_incident.evidence import attaching, places, policy
from oncall_incident.evidence.incident import Incident
from oncall_incident.evidence.store import Store
from tests.bench import harness
from tests.support.incidents import unsynced

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".cache" / "bench-evidence"
GIB = 1 << 30
EVENTS = 100_000
BARE = """
import hashlib, json, sys
parse = json.JSONDecoder().raw_decode
for name in sys.argv[1:]:
    with open(name, "rb") as stream:
        for line in stream:
            parse(line[:-1].decode())
            hashlib.sha256(line[:-1]).hexdigest()
"""


def main() -> None:
    """Make both bundles, measure, publish, and remove them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bytes", type=int, default=GIB)
    parser.add_argument("--events", type=int, default=EVENTS)
    asked = parser.parse_args()
    shutil.rmtree(PLACE, ignore_errors=True)
    PLACE.mkdir(parents=True)
    try:
        text = f"{(__doc__ or '').strip()}\n\n"
        for title, incident in (
            (f"A file of {asked.bytes / GIB:.3g} GiB", _large(PLACE / "large", asked.bytes)),
            (f"{asked.events:,} events", _many(PLACE / "many", asked.events)),
        ):
            samples = harness.alternate(_cases(incident), rounds=asked.rounds)
            text += f"{title}:\n\n{harness.table(samples, against='sha256sum')}\n\n"
        harness.publish("What sealing and checking cost", text)
    finally:
        shutil.rmtree(PLACE, ignore_errors=True)


def _cases(incident: Incident) -> dict[str, t.Callable[[], harness.Sample]]:
    return {
        "sha256sum": lambda: harness.measured(lambda: _sha256sum(incident)),
        "incident --version": lambda: harness.measured(lambda: _command(incident, "--version")),
        "bare Python, lines of events": lambda: harness.measured(lambda: _bare(incident)),
        "incident seal": lambda: harness.measured(lambda: _command(incident, "seal")),
        "incident verify": lambda: harness.measured(lambda: _command(incident, "verify")),
    }


def _open(home: Path) -> Incident:
    return Store(home).open(title="bench", severity="SEV1", policy=policy.load("default"))


def _large(home: Path, size: int) -> Incident:
    incident, path = _open(home), PLACE / "random"
    with path.open("wb") as stream:
        for _ in range(size >> 20):
            stream.write(os.urandom(1 << 20))
    attaching.attach(incident, path)
    path.unlink()
    return incident


def _many(home: Path, events: int) -> Incident:
    incident = _open(home)
    with unsynced(), incident.locked(), incident._segment(places.EVENTS, incident.data) as segment:
        for number in range(events):
            segment.append("note", {"by": "ann", "text": f"note {number} of somebody who writes a lot"}, sync=False)
    return incident


def _sha256sum(incident: Incident) -> t.Mapping[str, float]:
    files = sorted(str(path) for path in incident.data.rglob("*") if path.is_file())
    subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)
    return {"bytes": sum(Path(path).stat().st_size for path in files)}


def _bare(incident: Incident) -> t.Mapping[str, float]:
    subprocess.run([sys.executable, "-c", BARE, *map(str, sorted((incident.data / "events").iterdir()))], check=True)
    return {}


def _command(incident: Incident, name: str) -> t.Mapping[str, float]:
    environ = {**os.environ, "INCIDENT_HOME": str(incident.home), "PYTHONPATH": str(ROOT / "src")}
    argv = [sys.executable, "-m", "oncall_incident", name, *([] if name.startswith("-") else [incident.id])]
    subprocess.run(argv, env=environ, check=True, stdout=subprocess.DEVNULL)
    return {}


if __name__ == "__main__":
    main()
