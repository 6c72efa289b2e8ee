# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module at scale: 400 sessions, 300 of them victims.

Against a loop of one psql call for each victim, which is what runbooks hold. Ours reads, judges, re-tests each session in
the statement that signals it, and measures that all are gone; the loop only signals.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import typing as t

from demo import faults
from demo.postgres import Server
from tests.bench import harness
from tests.support.run_module import start_module

VICTIMS, OTHERS = 300, 100


def incident(server: Server) -> tuple[list[faults.Held], list[faults.Held]]:
    """The victims, idle in transaction, and the others, idle."""
    victims = [faults.idle_in_transaction(server, lock=False) for _ in range(VICTIMS)]
    return victims, [faults.session(server) for _ in range(OTHERS)]


def await_gone(victims: t.Sequence[faults.Held]) -> None:
    """Wait until every victim has ended, bounded."""
    deadline = time.monotonic() + 60
    while any(held.alive() for held in victims):
        if time.monotonic() > deadline:
            raise RuntimeError("victims survived")
        time.sleep(0.005)


def case(server: Server, act: t.Callable[[t.Sequence[faults.Held]], float]) -> harness.Sample:
    """Make the sessions, time act until the last victim is gone; act gives the number of statements."""
    victims, others = incident(server)
    try:
        def work() -> t.Mapping[str, float]:
            statements = act(victims)
            await_gone(victims)
            return {"statements": statements}

        sample = harness.measured(work)
        if not all(held.alive() for held in others):
            raise RuntimeError("a session that was no victim is gone")
        return sample
    finally:
        faults.close_all([*victims, *others])


def ours(server: Server) -> t.Callable[[t.Sequence[faults.Held]], float]:
    """The module in a process of its own, as Ansible runs it on its host."""

    def act(victims: t.Sequence[faults.Held]) -> float:
        module = start_module(
            "pg_terminate_long_queries", login_unix_socket=str(server.socket_dir), login_port=server.port, login_user="postgres",
            rules=[{"name": "idle in transaction", "min_idle_in_transaction_age": 0}], max_victims=1000, max_percent=100,
        )
        result = module.result(timeout=120)
        gone = sum(1 for action in result["actions"] if action["outcome"] == "gone")
        if gone != len(victims):
            raise RuntimeError(f"{gone} of {len(victims)} gone: {result.get('msg')}")
        return float(result["statements"])

    return act


def loop(server: Server) -> t.Callable[[t.Sequence[faults.Held]], float]:
    """One psql call for each victim."""
    psql = str(server.bin_dir / "psql")

    def act(victims: t.Sequence[faults.Held]) -> float:
        for held in victims:
            argv = [psql, "-qAtc", f"SELECT pg_terminate_backend({held.pid})"]
            subprocess.run(argv, env=server.environment(), stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
        return float(len(victims))

    return act


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with Server.start(settings={"max_connections": "450"}) as server:
        samples = harness.alternate(
            {"psql loop": lambda: case(server, loop(server)), "pg_terminate_long_queries": lambda: case(server, ours(server))},
            rounds=rounds,
        )
    harness.publish("The module at scale", f"{__doc__}\n" + harness.table(samples, against="psql loop"))


if __name__ == "__main__":
    sys.exit(main())
