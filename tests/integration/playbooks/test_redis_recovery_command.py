# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `incident run redis-recovery` says: recovered, nothing to do, not recovered. One call each, that the tests read."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.redis_servers import RedisServer
from tests.support.redis_site import Application, Caches, answering, caches, written
from tests.support.site import Ended

# Whichever test comes first waits for all calls, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2400)
DEAD = "http://127.0.0.1:9/health"
UNPROBED = "silent: probe_write, probe_read, probe_replication, probe_delete are unknown: check_mode: it writes nothing"


@dataclass
class Calls:
    """What was called: with a frozen server, with healthy ones, with sick ones that nothing is configured for.

    Attributes:
        verified: how many writes each server without other clients had executed after the second call.
        written: how many after the third, in which nothing but a look was made.
    """

    hosts: Caches
    application: Application
    recovered: Ended
    healthy: Ended
    sick: Ended
    verified: dict[str, int]
    written: dict[str, int]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calls]:
    """The three calls. Redis, since this version does not tell of a pause."""
    with caches(tmp_path_factory.mktemp("command")) as hosts:
        application = hosts.stack.enter_context(answering())
        hosts.add("frozen", redis_accept_data_loss=True)
        servers: dict[str, RedisServer] = {name: hosts.server(flavor="redis") for name in ("silent", "probed", "paused")}
        for name, server in servers.items():
            hosts.add(name, server)
        hosts["probed"].own["redis_probe_in_investigate"] = True
        hosts.add("asked", redis_app_urls=[application.url])
        hosts.add("dead", redis_app_urls=[DEAD])
        hosts.add("failing", redis_app_urls=[application.at("failing", 503)])
        broken = hosts.add("broken").server
        hosts["broken"].own.update(
            redis_log_path=str(broken.log), redis_restart="never", redis_verify_checks=["availability"], redis_probe=False,
        )

        os.kill(hosts["frozen"].server.pid, signal.SIGSTOP)
        hosts.group("frozen")
        recovered = hosts.incident("--yes")
        hosts.group("frozen", "silent", "probed", "asked")
        healthy = hosts.incident("--yes")
        verified = {name: written(server) for name, server in servers.items()}
        servers["paused"].execute("CLIENT", "PAUSE", "600000", "WRITE")
        broken.kill()
        (broken.data / "dump.rdb").write_bytes(b"REDIS0099\xff" + bytes(8))
        broken.run_until_it_ends()
        hosts.group("paused", "dead", "failing", "broken", "silent", "probed")
        sick = hosts.incident("--check")
        servers["paused"].execute("CLIENT", "UNPAUSE")
        yield Calls(
            hosts=hosts, application=application, recovered=recovered, healthy=healthy, sick=sick,
            verified=verified, written={name: written(server) for name, server in servers.items()},
        )


def test_a_frozen_server_recovers(calls: Calls) -> None:
    done = calls.recovered
    assert (done.status, done.data.get("outcome")) == (0, "recovered"), done.stderr
    assert [(action["verb"], action["outcome"]) for action in done.data["actions"]] == [("restart_cache", "done")]
    assert calls.hosts["frozen"].restarts == 1


def test_then_there_is_nothing_to_do(calls: Calls) -> None:
    done = calls.healthy
    assert (done.status, done.data["outcome"], done.data["actions"]) == (5, "nothing_to_do", []), done.stderr
    assert [said.partition(":")[0] for said in done.data["reasons"]] == ["Beside that"], "what it does not speak of"
    assert calls.verified == {"silent": 2, "probed": 4, "paused": 0}, "verify writes the probe key, of `probed` investigate did before"
    assert calls.hosts["frozen"].restarts == 1


def test_looking_writes_a_probe_key_only_where_it_was_asked_for(calls: Calls) -> None:
    """Also in check mode, which a look is."""
    assert calls.sick.status == 3, calls.sick.stderr
    assert {name: calls.written[name] - calls.verified[name] for name in calls.written} == {"silent": 0, "probed": 2, "paused": 0}
    assert any(reason.startswith(UNPROBED) for reason in calls.sick.data["reasons"]), "verify asks it, and nobody has answered"
    assert not any(reason.startswith("probed: ") for reason in calls.sick.data["reasons"])


def test_writes_that_hang_are_not_healthy(calls: Calls) -> None:
    """Also on a version that does not tell of the pause, also where it only plans, and nothing is written to find it out."""
    done = calls.sick
    assert (done.status, done.data["outcome"], done.data["actions"]) == (3, "not_recovered", []), done.stderr
    assert "UNPAUSE" in done.stderr
    assert any(reason.startswith("paused: writes is critical (paused") for reason in done.data["reasons"])
    assert calls.written["paused"] == 0


def test_why_a_server_is_down_is_read_where_it_is_said_that_it_is(calls: Calls) -> None:
    """On the screen and in the report."""
    words = "Can't handle RDB format version 99"
    assert words in " ".join(calls.sick.stderr.split())
    assert words in (calls.sick.run_dir / "report.md").read_text()
    assert "broken: availability is critical (refused)" in calls.sick.data["reasons"]


def test_a_dead_application_is_never_nothing_to_do(calls: Calls) -> None:
    """Whatever the server itself says: verify would ask its URLs."""
    assert "/health" in calls.application.asked and calls.healthy.data["outcome"] == "nothing_to_do", calls.healthy.stderr
    reasons = {reason.partition(":")[0]: reason for reason in calls.sick.data["reasons"] if ": application " in reason}
    assert f"application {DEAD} is unknown" in reasons["dead"]
    assert f"application {calls.hosts['failing'].own['redis_app_urls'][0]} is critical" in reasons["failing"]
