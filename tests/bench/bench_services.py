# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""50 services of Docker Compose looked at in one call, against what a person types for each: `compose ps -q`, then `docker inspect`.

A real engine with one container for each service. Ours runs in a process of its own, as Ansible runs it, once with one look and once with
its two looks; the pause between these is taken out. Needs root, Docker and Compose.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import typing as t
from pathlib import Path

from tests.bench import harness
from tests.support.docker_engine import IMAGE, Engine, engine
from tests.support.run_module import start_module

COUNT, WINDOW = 50, 1.0
NAMES = [f"service{number}" for number in range(COUNT)]


def ours(running: Engine, place: Path, *, window: float) -> harness.Sample:
    """One call of the module."""
    where = {"directory": str(place), "command": running.compose}
    services = [{"name": name, "runtime": "compose", "where": where} for name in NAMES]

    def work() -> t.Mapping[str, float]:
        said = start_module("service_health", env=running.environ, services=services, window=f"{window}s").result(timeout=600)
        if said.get("failed") or said["checks"]["running"] != "ok" or len(said["instances"]) != COUNT:
            raise RuntimeError(str(said.get("msg") or said["checks"]))
        return {"services": COUNT}

    sample = harness.measured(work)
    return harness.Sample(wall=sample.wall - window, cpu=sample.cpu, counts=sample.counts)


def by_hand(running: Engine, place: Path) -> harness.Sample:
    """Two commands for each service, as a person has them."""
    def work() -> t.Mapping[str, float]:
        for name in NAMES:
            identity = running.project(place, "ps", "--quiet", name).strip()
            running.docker("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", identity)
        return {"services": COUNT}

    return harness.measured(work)


def inspect_each(running: Engine, ids: t.Sequence[str]) -> harness.Sample:
    """`docker inspect` of each container, for who knows their ids already."""
    def work() -> t.Mapping[str, float]:
        for identity in ids:
            running.docker("inspect", "--format", "{{.State.Status}} {{.RestartCount}}", identity)
        return {"services": COUNT}

    return harness.measured(work)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with engine() as running, tempfile.TemporaryDirectory(prefix="incident-bench-") as made:
        place = Path(made)
        one = {"image": IMAGE, "network_mode": "none", "stop_signal": "SIGKILL", "command": ["sleep", "36000"]}
        (place / "compose.yml").write_text(json.dumps({"version": "2.4", "services": dict.fromkeys(NAMES, one)}))
        running.project(place, "up", "--detach", timeout=900)
        ids = running.docker("ps", "--quiet").split()
        samples = harness.alternate({
            "oncall.incident.service_health, one look": lambda: ours(running, place, window=0.0),
            "oncall.incident.service_health, two looks without the pause": lambda: ours(running, place, window=WINDOW),
            "docker inspect for each container": lambda: inspect_each(running, ids),
            "compose ps and docker inspect for each service": lambda: by_hand(running, place),
        }, rounds=options.rounds)
        version = running.docker("version", "--format", "{{.Server.Version}}").strip()
        compose = running.project(place, "version", "--short").strip()
    harness.publish("service_health", f"""{COUNT} services of one container each, Docker {version}, Compose {compose}.

{harness.table(samples, against="oncall.incident.service_health, one look")}

Ours lists the containers of the engine once and describes all of them in one command, whatever their number, and judges nine checks; a
person reads {COUNT} lines. CPU seconds are without the engine's. `make bench ARGS=services` measures it.""")


if __name__ == "__main__":
    main()
