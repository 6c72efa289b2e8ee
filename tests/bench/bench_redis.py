# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred Redis servers in one task.

One sentinel that watches 100 servers. `redis_health` gets the sentinel's address and judges all 101 nodes, with two samples
of each; `community.general.redis_info` is told every address and fetches INFO once each, in a loop of one task. Both are whole
`ansible-playbook` runs on one host; an empty play is the floor of any.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import typing as t
from pathlib import Path

from tests.bench import harness, neighbours
from tests.support.redis_servers import RedisServer, any_binary, start_sentinel
from tests.support.run_module import start_module

ROOT = Path(__file__).resolve().parents[2]
COST = """What a look costs a Redis server.

First the server's own CPU time, as it tells it, for ten looks at 100,000 keys and nothing else to do. Then `redis-benchmark` with a fixed
number of requests: alone, with one `redis_health` look at the server after the other, and with one INFO through redis-py after the other,
which is what `redis_info` does. Each look is a process of its own, as on a host, and shares the machine's cores with the server and the
benchmark, so that the second ratio is mostly that of starting Python.
"""
LOOKS = 10
NODES = 100
REQUESTS = 400_000
EMPTY = "- hosts: localhost\n  gather_facts: false\n  tasks: []\n"
OURS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Judge all
      oncall.incident.redis_health:
        login_port: {port}
      register: found
    - name: All of them
      ansible.builtin.assert:
        that: found.nodes | length == {nodes} + 1 and found.nodes | selectattr('alive') | length == {nodes} + 1
        quiet: true
"""
THEIRS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Fetch INFO of all
      community.general.redis_info:
        login_port: "{{{{ item }}}}"
        tls: false
      loop: {ports}
      register: found
    - name: All of them
      ansible.builtin.assert:
        that: found.results | length == {nodes}
        quiet: true
"""
INFO_ONCE = "import sys, redis; redis.Redis(port=int(sys.argv[1])).info()"


def play(text: str, *, collections: Path, work: Path) -> t.Callable[[], harness.Sample]:
    """A whole ansible-playbook run of a play."""
    path = Path(tempfile.mkstemp(suffix=".yml", dir=work)[1])
    path.write_text(text, encoding="utf-8")
    config = work / "ansible.cfg"
    config.touch()
    environment = {
        **os.environ, "ANSIBLE_COLLECTIONS_PATH": f"{ROOT / '.collections'}:{collections}", "ANSIBLE_HOME": str(work / "ansible"),
        "ANSIBLE_CONFIG": str(config), "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", str(path)]

    def run() -> t.Mapping[str, float]:
        done = subprocess.run(
            argv, env=environment, cwd=work, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stdout[-2000:] + done.stderr[-2000:])
        return {}

    return lambda: harness.measured(run)


def walk(rounds: int, work: Path) -> str:
    """The table of the walk over all nodes."""
    collections = neighbours.community_general()
    servers: list[RedisServer] = []
    try:
        for _ in range(NODES):
            servers.append(RedisServer.start(settings={"unixsocket": ""}))
        with start_sentinel(servers[0], quorum=1, name="m0") as sentinel:
            for number, server in enumerate(servers[1:], start=1):
                sentinel.execute("SENTINEL", "MONITOR", f"m{number}", "127.0.0.1", server.port, 1)
            ours = OURS.format(port=sentinel.port, nodes=NODES)
            theirs = THEIRS.format(ports=[server.port for server in servers], nodes=NODES)
            samples = harness.alternate({
                "redis_info in a loop": play(theirs, collections=collections, work=work),
                "redis_health, one walk": play(ours, collections=collections, work=work),
                "an empty play": play(EMPTY, collections=collections, work=work),
            }, rounds=rounds)
    finally:
        for server in servers:
            server.stop()
    return harness.table(samples, against="redis_info in a loop")


def look_ours(server: RedisServer) -> None:
    """One look in a process of its own."""
    found = start_module("redis_health", login_port=server.port).result(timeout=60)
    if not found["reachable"]:
        raise RuntimeError(str(found))


def look_theirs(server: RedisServer) -> None:
    """One INFO in a process of its own."""
    subprocess.run([sys.executable, "-c", INFO_ONCE, str(server.port)], timeout=60, check=True)


def price(server: RedisServer) -> str:
    """The table of the server's own CPU time."""

    def spent() -> float:
        told = server.execute("INFO", "cpu")
        return float(told["used_cpu_sys"]) + float(told["used_cpu_user"])

    def idle(seconds: float) -> float:
        before = spent()
        time.sleep(seconds)
        return (spent() - before) / seconds

    a_second = idle(5.0)
    rows = []
    for name, look in (("redis_health", look_ours), ("INFO by redis-py", look_theirs)):
        before, began = spent(), time.monotonic()
        for _ in range(LOOKS):
            look(server)
        # What it spends on nothing is not the look's.
        own = spent() - before - a_second * (time.monotonic() - began)
        rows.append(f"| {name} | {LOOKS} | {1000 * max(own, 0.0) / LOOKS:.2f} |")
    return "\n".join(["| case | looks | server CPU ms per look |", "| --- | --- | --- |", *rows])


def beside(server: RedisServer, rounds: int) -> str:
    """The table of redis-benchmark beside looks."""
    tool = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if tool is None:
        return "Not measured: no redis-benchmark on this machine."

    def load(look: t.Callable[[RedisServer], None] | None) -> harness.Sample:
        over, looks = threading.Event(), [0]

        def keep_looking() -> None:
            while look is not None and not over.is_set():
                look(server)
                looks[0] += 1

        def run() -> t.Mapping[str, float]:
            argv = [str(tool), "-p", str(server.port), "-q", "-t", "get", "-c", "20", "-n", str(REQUESTS), "-r", "100000"]
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=600, check=True)
            return {"looks": looks[0]}

        thread = threading.Thread(target=keep_looking, daemon=True)
        thread.start()
        try:
            return harness.measured(run)
        finally:
            over.set()
            thread.join(60)

    samples = harness.alternate({
        "alone": lambda: load(None),
        "one redis_health after the other": lambda: load(look_ours),
        "one INFO by redis-py after the other": lambda: load(look_theirs),
    }, rounds=rounds)
    return harness.table(samples, against="alone")


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    if any_binary() is None:
        sys.exit("no Redis or Valkey binary")
    with RedisServer.start() as server:
        server.execute("DEBUG", "POPULATE", "100000", "key", "100")
        costs = f"### CPU time of the server\n\n{price(server)}\n\n### {REQUESTS:,} GETs beside it\n\n{beside(server, rounds)}"
    harness.publish("What a look costs a Redis server", f"{COST}\n{costs}")
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="rb") as work:
        harness.publish("A hundred Redis servers in one task", f"{__doc__}\n" + walk(rounds, Path(work)))


if __name__ == "__main__":
    sys.exit(main())
