# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: writes are accepted, the poisoned keys are gone, and every other key is as it was."""

from __future__ import annotations

import hashlib
import shlex
import time

from tests.support.drilled import Lab
from tests.support.unharmed import check_unharmed

LAB = Lab(__file__)
CLI = "REDISCLI_AUTH=drill-redis redis-cli"


def listed(command: str) -> dict[str, str]:
    """The keys that the drill must leave alone, each with the rest of its line: when it ends, and its hash."""
    done = LAB.host("redis1").run(command)
    assert done.rc == 0, done.stderr
    return dict(line.split(" ", 1) for line in done.stdout.splitlines())


def now() -> dict[str, str]:
    """They as they are."""
    return listed("KEYS_SERVER=redis://:drill-redis@localhost:6379 keys list")


def test_what_the_application_writes_is_there() -> None:
    ask = "curl --silent --max-time 5 --write-out ' %{http_code}'"
    before = int(LAB.host("redis1").run(f"{CLI} GET order:last").stdout.strip() or 0)
    number, status = LAB.host("app1").run(f"{ask} --request POST http://localhost:8080/orders").stdout.split()
    assert (int(number), status) == (before + 1, "201")
    assert LAB.host("redis1").run(f"{CLI} GET order:last").stdout.strip() == number
    # The cache serves again: the second time at the latest.
    LAB.host("app1").run("curl --silent --max-time 5 http://localhost:8080/")
    page = LAB.host("app1").run("curl --silent --include --max-time 5 http://localhost:8080/").stdout
    assert " 200 " in page.splitlines()[0] and "X-Page-From: cache" in page and page.endswith("Welcome")


def test_it_survives_a_start_of_the_server() -> None:
    """What a server in the state of this one would load: its own snapshot, taken now, by a second server that nobody else knows."""
    script = f"""set -e
        exec 3>&1 > /dev/null
        {CLI} SAVE
        rm -rf /tmp/second && mkdir -p /tmp/second && cp /srv/redis/dump.rdb /tmp/second/
        redis-server --port 0 --unixsocket /tmp/second/socket --dir /tmp/second --save '' --daemonize yes --pidfile /tmp/second/pid
        trap 'redis-cli -s /tmp/second/socket SHUTDOWN NOSAVE; rm -rf /tmp/second' EXIT
        until redis-cli -s /tmp/second/socket PING 2> /dev/null | grep -q PONG; do sleep 0.1; done
        KEYS_SERVER=unix:///tmp/second/socket timeout 20 keys list >&3"""
    assert listed(f"timeout 40 sh -c {shlex.quote(script)}") == now()


def test_the_server_says_so_too() -> None:
    said = LAB.host("redis1").run(f"{CLI} PING").stdout
    assert said.strip() == "PONG"
    info = LAB.host("redis1").run(f"{CLI} INFO persistence").stdout
    assert "rdb_last_bgsave_status:ok" in info
    saved = LAB.host("redis1").run(f"{CLI} SAVE")
    assert saved.stdout.strip() == "OK", "the snapshot can be written"


def test_the_poisoned_keys_are_gone() -> None:
    assert LAB.host("redis1").run(f"{CLI} --scan --pattern 'cache:product:*'").stdout == ""


def test_every_other_key_is_as_it_was() -> None:
    """By its value and the moment when it ends, to the millisecond; and there is none but these."""
    before, after = listed("cat /root/keys.before"), now()
    assert len(before) == 400 + 100 + 6 + 4
    assert after == before
    there = set(LAB.host("redis1").run(f"{CLI} KEYS '*'").stdout.split())
    assert there - {"cache:front", "order:last"} == set(before)


def test_the_list_tells_the_truth() -> None:
    # Against values known here, so that a list that reads nothing, or the same everywhere, would be noticed.
    found = now()
    ends, value = found["session:0123"].split()
    assert 6 * 86400 < int(ends) / 1000 - time.time() < 7 * 86400 and value == hashlib.sha256(repr(b"user 123").encode()).hexdigest()
    assert found["cache:productline:1"] == f"-1 {hashlib.sha256(repr(b'stays').encode()).hexdigest()}"
    assert found["jobs"].endswith(hashlib.sha256(repr([str(number).encode() for number in range(50)]).encode()).hexdigest())


def test_the_settings_are_those_of_its_file() -> None:
    shown = LAB.host("redis1").run(f"{CLI} CONFIG GET maxmemory maxmemory-policy dir save stop-writes-on-bgsave-error").stdout.split("\n")
    settings = dict(zip(shown[::2], shown[1::2], strict=False))
    assert settings["maxmemory"] == str(40 * 1024 * 1024)
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["dir"] == "/srv/redis"
    assert settings["save"] == "3600 1 300 100 60 10000"
    assert settings["stop-writes-on-bgsave-error"] == "yes"


def test_there_is_room_and_its_files_are_there() -> None:
    used = LAB.host("redis1").run("df --output=pcent /srv/redis | tail -n 1").stdout
    assert int(used.strip().rstrip("%")) < 80
    files = LAB.host("redis1").run("find /srv/redis -type f -printf '%P\n'").stdout.split()
    assert files == ["dump.rdb"]


def test_the_application_never_stopped() -> None:
    check_unharmed(LAB.host("app1"), ["unit shop"])


def test_nothing_of_a_fault_is_left() -> None:
    LAB.check_nothing_left()
    state = LAB.host("redis1").run("grep State: /proc/$(systemctl show --property=MainPID --value redis-server)/status").stdout
    assert "stopped" not in state
    assert "drill-" not in LAB.host("redis1").run(f"{CLI} CLIENT LIST").stdout
