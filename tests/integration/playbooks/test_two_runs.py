# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two responders, or two inventory names for one server: the blast radius is not doubled."""

from __future__ import annotations

import os
import re
import signal
import threading

from demo import faults
from demo.postgres import Server
from tests.support.site import Ended, Site

from .conftest import Sick


def test_the_second_run_is_refused_and_names_the_first(site: Site, sick: Sick, server18: Server) -> None:
    os.kill(sick.root.pid, signal.SIGSTOP)  # keeps the first run at work until the second was refused
    first: list[Ended] = []
    responder = threading.Thread(
        target=lambda: first.append(site.play("--tags", "mitigate", "-e", "postgres_grace=0s", "-e", "postgres_terminate_timeout=60s")),
    )
    responder.start()
    try:
        faults.await_sql(server18, "SELECT count(*) > 0 FROM pg_locks WHERE locktype = 'advisory'", what="the first run to act", timeout=60)
        second = site.play("--tags", "mitigate")
        assert sick.root.alive()
    finally:
        os.kill(sick.root.pid, signal.SIGCONT)
        responder.join()
    assert first[0].status == 0, first[0].output
    assert first[0].outcomes() == ["gone"]
    assert second.status == 2
    assert second.outcomes() == []
    assert re.search(rf"Run {first[0].run_dir.name} of \S+ at .* is acting on postgres host .*, until", second.said), second.said


def test_two_names_for_one_server_end_a_session_once(site: Site, sick: Sick) -> None:
    address = site.hosts["db"]["db1"]
    site.group("db", db1=address, db2=address)
    done = site.play("--tags", "mitigate")
    assert not sick.root.alive()
    assert done.outcomes().count("gone") == 1
    assert all(waiter.alive() for waiter in sick.waiters)
