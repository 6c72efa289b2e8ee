# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""1,000 addresses unbanned in one call, against what runbooks hold: one fail2ban-client call each, and one task each.

A real fail2ban with nftables rules in a network namespace of its own. Every case has the server run its action for each address, which is
most of the time and the same for all. Ours also reads the bans, the database and the packet filter before and after; the others believe
what they are told. Needs root and Debian's fail2ban.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.bench import harness
from tests.support.fail2ban import Fail2ban, fail2ban

COUNT, CALLS, TASKS = 1000, 50, 20
#: RFC 2544: for benchmarks.
ADDRESSES = [f"198.18.{number // 250}.{number % 250 + 1}" for number in range(COUNT)]


def ban(server: Fail2ban, addresses: t.Sequence[str]) -> None:
    """Have them banned; not measured."""
    for start in range(0, len(addresses), 100):
        server.client("set", "sshd", "banip", *addresses[start:start + 100], seconds=600)
    if len(server.banned("sshd")) != len(addresses):
        raise RuntimeError("not every address was banned")


def case(server: Fail2ban, act: t.Callable[[Fail2ban], int], addresses: t.Sequence[str] = ADDRESSES) -> harness.Sample:
    """Ban, time act, and see that nobody is banned; act gives the number of processes it started."""
    ban(server, addresses)

    def work() -> t.Mapping[str, float]:
        return {"addresses": len(addresses), "processes": act(server)}

    sample = harness.measured(work)
    if server.banned("sshd"):
        raise RuntimeError("somebody is still banned")
    return sample


def ours(server: Fail2ban) -> int:
    """One call of the module, in a process of its own as Ansible runs it. Without the seconds that it watches afterwards."""
    result = server.module("fail2ban_unban", addresses=ADDRESSES, timeout="10m", observe="0s", wait=900)
    if result.get("failed") or len(result["unbanned"]) != COUNT:
        raise RuntimeError(str(result.get("msg")))
    return 1


def client_each(server: Fail2ban) -> int:
    """A shell loop, as runbooks have it."""
    command = " ".join(server.client_command)
    loop = f"for a in {' '.join(ADDRESSES[:CALLS])}; do {command} set sshd unbanip $a > /dev/null || exit 1; done"
    server.net.run("sh", "-c", loop, timeout=1800)
    return CALLS


def client_once(server: Fail2ban) -> int:
    """Some addresses in one call of the client: what nobody writes by hand, and the server's own part of every case."""
    server.client("set", "sshd", "unbanip", *ADDRESSES[:CALLS], seconds=600)
    return 1


def task_each(server: Fail2ban, count: int) -> int:
    """A playbook with one ansible.builtin.command task for each of some addresses."""
    tasks = [{"name": f"Unban {one}", "ansible.builtin.command": {"argv": [*server.client_command, "set", "sshd", "unbanip", one]}}
             for one in ADDRESSES[:count]]
    with tempfile.TemporaryDirectory(prefix="f2bb", dir="/tmp") as directory:
        book = Path(directory) / "play.json"
        book.write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
        done = server.net.playbook(["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}", str(book)],
                                   timeout=900)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return count


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with fail2ban({"sshd": {}}) as server:
        samples = harness.alternate({
            "oncall.incident.fail2ban_unban": lambda: case(server, ours),
            f"{CALLS} in one fail2ban-client call": lambda: case(server, client_once, ADDRESSES[:CALLS]),
            f"one fail2ban-client call each, {CALLS} of them": lambda: case(server, client_each, ADDRESSES[:CALLS]),
            f"one command task each, {TASKS} of them": lambda: case(server, lambda s: task_each(s, TASKS), ADDRESSES[:TASKS]),
            "one command task, 1 of them": lambda: case(server, lambda s: task_each(s, 1), ADDRESSES[:1]),
        }, rounds=options.rounds)
        version = server.client("version").strip()
    wall = {name: sorted(sample.wall for sample in found)[len(found) // 2] for name, found in samples.items()}
    calls, many, one = (wall[name] for name in list(samples)[2:])
    each, call = (many - one) / (TASKS - 1), calls / CALLS
    mine = wall["oncall.incident.fail2ban_unban"]
    harness.publish("fail2ban_unban", f"""{COUNT:,} addresses, fail2ban {version}, banaction nftables-multiport.

{harness.table(samples, against="oncall.incident.fail2ban_unban")}

One call of the client each was measured on {CALLS}: {call:.2f} s for each, so {call * COUNT:,.0f} s for {COUNT:,}, which is
{call * COUNT / mine:,.1f} times ours. One `ansible.builtin.command` task each was measured on {TASKS} addresses and on 1: {each:.2f} s for
each task, so {each * COUNT:,.0f} s for {COUNT:,}, {each * COUNT / mine:,.0f} times ours. The server's own work for each address (a shell
and `nft`) is in every case. Ours reads bans, database and packet filter before and after as well; the others measure nothing. CPU seconds
are without the server's.""")


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as exc:
        sys.exit(str(exc))
