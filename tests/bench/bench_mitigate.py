# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time to mitigate: from the start of the command to the last guilty session gone.

Ours (`incident/db-recovery.yml --tags mitigate`) also protects, limits, locks and measures; the same selection with
community.postgresql.postgresql_query, and with bare psql, only signals. An empty play is the floor of any playbook. By default
the evidence of the host and of the database is taken before anything is changed, and that counts here too; without it
(`evidence_snapshot` and `postgres_snapshot` off) is what compares with the others, which keep nothing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import typing as t
from pathlib import Path

from demo import faults
from demo.postgres import Server
from tests.bench import harness, neighbours

ROOT = Path(__file__).resolve().parents[2]
AGE = 2
SELECTION = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' AND backend_type = 'client backend'
AND (state = 'idle in transaction' AND state_change < now() - interval '{AGE} s' AND wait_event_type IS DISTINCT FROM 'Lock'
OR state = 'active' AND query_start < now() - interval '{AGE} s' AND wait_event_type IS DISTINCT FROM 'Lock')
"""
EMPTY = "- hosts: db\n  gather_facts: false\n  tasks: []\n"
NEIGHBOUR = f"""
- hosts: db
  gather_facts: false
  tasks:
    - name: End the sessions
      community.postgresql.postgresql_query:
        login_unix_socket: "{{{{ lookup('env', 'PGHOST') }}}}"
        port: "{{{{ lookup('env', 'PGPORT') }}}}"
        login_user: postgres
        db: postgres
        query: "{' '.join(SELECTION.split())}"
"""
INVENTORY = """
db:
  hosts:
    bench:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
  vars:
    evidence_local: true  # what this machine says is kept, as a host's would be
    postgres_via: host
    postgres_login_unix_socket: "{{ lookup('env', 'PGHOST') }}"
    postgres_login_port: "{{ lookup('env', 'PGPORT') }}"
    postgres_login_user: postgres
    postgres_strategy: terminate  # as the other two do
    postgres_max_victims: 50
    postgres_max_percent: 100
    postgres_min_query_age: 2s
    postgres_min_idle_in_transaction_age: 2s
    postgres_min_transaction_age: 1h
"""


def timed(server: Server, argv: list[str], *, collections: Path, work: Path) -> harness.Sample:
    """Make the incident, run argv, and wait for the guilty to be gone; only that time is the sample."""
    guilty = [faults.idle_in_transaction(server, row=row) for row in range(1, 5)] + [faults.runaway_query(server)]
    faults.await_sql(
        server,
        "SELECT count(*) = 5 FROM pg_stat_activity WHERE usename = 'app' AND clock_timestamp() - state_change > %s * interval '1 s'",
        (AGE,), what="the sessions to be old enough",
    )
    environment = server.environment(
        ANSIBLE_COLLECTIONS_PATH=str(collections), ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_HOME=str(work / "ansible"),
        INCIDENT_HOME=str(work),
    )
    gone: list[float] = []

    def work_to_measure() -> t.Mapping[str, float]:
        started = time.monotonic()
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(argv, env=environment, cwd=ROOT, **quiet)
        while any(held.alive() for held in guilty) and (process.poll() is None or time.monotonic() - started < 10):
            time.sleep(0.005)
        gone.append(time.monotonic() - started)
        process.wait(timeout=180)
        return {}

    try:
        whole = harness.measured(work_to_measure)
        if any(held.alive() for held in guilty):
            raise RuntimeError(f"{argv} left guilty sessions alive")
    finally:
        faults.close_all(guilty)
    return harness.Sample(wall=gone[0], cpu=whole.cpu)


def floor(argv: list[str], *, work: Path) -> harness.Sample:
    """An empty play, whole."""
    environment = {**os.environ, "ANSIBLE_HOME": str(work / "ansible")}

    def play() -> None:
        subprocess.run(argv, env=environment, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, timeout=180, check=True)

    return harness.measured(play)


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    theirs = neighbours.community_postgresql()
    playbook = str(Path(sys.executable).with_name("ansible-playbook"))
    with tempfile.TemporaryDirectory() as scratch, Server.start() as server:
        work = Path(scratch)
        for name, text in (("empty.yml", EMPTY), ("neighbour.yml", NEIGHBOUR), ("inventory.yml", INVENTORY)):
            (work / name).write_text(text, encoding="utf-8")
        inventory = ["-i", str(work / "inventory.yml")]
        ours = [playbook, *inventory, "incident/db-recovery.yml", "--tags", "mitigate"]
        neighbour = [playbook, *inventory, str(work / "neighbour.yml")]
        samples = harness.alternate(
            {
                "empty play": lambda: floor([playbook, *inventory, str(work / "empty.yml")], work=work),
                "community.postgresql": lambda: timed(server, neighbour, collections=theirs, work=work),
                "db-recovery --tags mitigate, no snapshots": lambda: timed(
                    server, [*ours, "-e", "evidence_snapshot=false", "-e", "postgres_snapshot=false"], collections=ROOT / ".collections",
                    work=work,
                ),
                "db-recovery --tags mitigate": lambda: timed(server, ours, collections=ROOT / ".collections", work=work),
                "psql": lambda: timed(server, [str(server.bin_dir / "psql"), "-qc", SELECTION], collections=theirs, work=work),
            },
            rounds=rounds,
        )
    note = "Wall is the time until the last of five guilty sessions is gone; for the empty play, until it ended."
    harness.publish("Time to mitigate", f"{__doc__}\n{note}\n\n" + harness.table(samples, against="community.postgresql"))


if __name__ == "__main__":
    main()
