# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two responders, or two inventory names for one server: the blast radius is not doubled."""

from __future__ import annotations

import http.server
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module import lease

from demo import faults
from demo.postgres import Server
from tests.support.redis_site import RedisSite, count, fill, one_cache, verbs
from tests.support.site import Ended, Site
from tests.support.until import until

from .conftest import Sick

pytestmark = pytest.mark.timeout(900)
#: The restart is a rung of its own, which asks the application whether it is still needed: meanwhile the run is between two tasks.
CLEARING: dict[str, Any] = {"redis_clear": "always", "redis_restart": "always", "redis_accept_data_loss": True}


def test_the_second_run_is_refused_and_names_the_first(site: Site, sick: Sick, server18: Server) -> None:
    os.kill(sick.root.pid, signal.SIGSTOP)  # keeps the first run at work until the second was refused
    first: list[Ended] = []
    responder = threading.Thread(
        target=lambda: first.append(site.play("--tags", "mitigate", "-e", "postgres_grace=0s", "-e", "postgres_terminate_timeout=60s")),
    )
    responder.start()
    try:
        faults.await_sql(server18, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory'", what="the first run", timeout=300)
        second = site.play("--tags", "mitigate")
        assert sick.root.alive()
    finally:
        os.kill(sick.root.pid, signal.SIGCONT)
        responder.join()
    assert first[0].status == 0, first[0].output
    assert first[0].outcomes() == ["gone"]
    assert second.status == 2
    assert second.outcomes() == []
    assert re.search(rf"Run {first[0].run_dir.name} of .* is acting on postgres host .*, until", second.said), second.said


def test_two_names_for_one_server_end_a_session_once(site: Site, sick: Sick) -> None:
    address = site.hosts["db"]["db1"]
    site.group("db", db1=address, db2=address)
    done = site.play("--tags", "mitigate", ANSIBLE_FORKS="1")
    assert not sick.root.alive()
    assert done.outcomes().count("gone") == 1
    assert done.failed == set(), done.output  # neither name is locked by the other one
    assert all(waiter.alive() for waiter in sick.waiters)


@pytest.fixture
def cache_site(tmp_path: Path) -> Iterator[RedisSite]:
    """A site whose cache is a real server with some keys."""
    with one_cache(tmp_path) as made:
        yield made


class Gate:
    """An application that answers its health URL when it is let."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()


@contextmanager
def gate() -> Iterator[tuple[Gate, str]]:
    """A gate and its URL."""
    made = Gate()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.set()
            made.let.wait(300)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield made, f"http://127.0.0.1:{server.server_port}/health"
        finally:
            made.let.set()
            server.shutdown()
            thread.join()


@contextmanager
def between_two_tasks(site: RedisSite) -> Iterator[tuple[Gate, list[Ended]]]:
    """A run that has cleared and has not restarted: its modules lock nothing at this moment."""
    first: list[Ended] = []
    with gate() as (made, url):
        variables = {**CLEARING, "redis_clear_pattern": "good:*", "redis_app_urls": [url], "redis_app_url_timeout": 300}
        responder = threading.Thread(target=lambda: first.append(site.recover("--tags", "mitigate", **variables)))
        responder.start()
        try:
            until(made.asked.is_set, what="the first run to be between two tasks", seconds=600)
            yield made, first
        finally:
            made.let.set()
            responder.join()


def lease_of(site: RedisSite) -> Path:
    """The file of the lease on the server as the modules lock it."""
    return Path(lease.lease_path(f"redis:{site.cache.execute('INFO', 'server')['run_id']}"))


def second_plan(site: RedisSite) -> dict[str, Any]:
    """What the other responder was shown and approves."""
    fill(site.cache, "bad:", 5)
    return site.recover("--check", "--tags", "mitigate", **CLEARING, redis_clear_pattern="bad:*").plan()


def test_a_second_run_is_locked_while_the_first_is_between_two_of_its_tasks(cache_site: RedisSite) -> None:
    site = cache_site
    plan = second_plan(site)
    assert [action["verb"] for action in plan["actions"]["cache1"]] == ["clear_pattern", "restart_cache"]
    approved = {**CLEARING, "redis_clear_pattern": "bad:*", "incident_approved_plan": plan}
    with between_two_tasks(site) as (_made, first):
        assert count(site.cache, "good:*") == 0, "it has cleared"
        # The same server by another name of its configuration is the same server.
        for login in ({}, {"redis_login_host": "localhost"}):
            second = site.recover("--tags", "mitigate", **approved, **login)
            assert second.status == 2, second.output
            assert {action["id"]: (action["outcome"], action["detail"]["why"]) for action in second.actions()} == {
                action["id"]: ("refused", "locked") for action in plan["actions"]["cache1"]
            }
            assert "Clear the named keys" not in second.tasks()
            assert re.search(r"Run \S+-redis-recovery-\S+ of .* is acting on redis", second.said), second.said
            second.assert_record_verifies()
        assert (count(site.cache, "bad:*"), site.restarts) == (5, 0), "nothing was touched"
        assert site.recover("--check", "--tags", "mitigate", **CLEARING, redis_clear_pattern="bad:*").status == 0, "a plan takes none"
    assert first[0].status == 0, first[0].output
    assert verbs(first[0]) == [("clear_pattern", "done")]
    assert not lease_of(site).exists()
    done = site.recover("--tags", "mitigate", **approved)
    assert (done.status, count(site.cache, "bad:*")) == (0, 0), done.output


def test_the_lease_of_a_run_that_was_killed_counts_for_nothing_where_that_can_be_seen(cache_site: RedisSite) -> None:
    site = cache_site
    approved = {**CLEARING, "redis_clear_pattern": "bad:*", "incident_approved_plan": second_plan(site)}
    with between_two_tasks(site):
        file = lease_of(site)
        found = json.loads(file.read_text())
        assert 0 < found["until"] - lease.since_boot()[1] <= lease.KEPT
        os.kill(int(found["execution"].partition(":")[0]), signal.SIGKILL)
    # On each of the server's names, as a run of another machine has it.
    ours = {one: json.loads(one.read_text() or "{}") for one in file.parent.glob("*.lease")}
    ours = {one: said for one, said in ours.items() if said.get("execution") == found["execution"]}
    for one, said in ours.items():
        one.write_text(json.dumps({**said, "execution": f"{said['execution']} too"}) + "\n")
    assert site.recover("--tags", "mitigate", **approved).status == 2
    assert count(site.cache, "bad:*") == 5
    for one, said in ours.items():
        one.write_text(json.dumps(said) + "\n")
    done = site.recover("--tags", "mitigate", **approved)
    assert (done.status, count(site.cache, "bad:*")) == (0, 0), done.output
    assert not file.exists()
