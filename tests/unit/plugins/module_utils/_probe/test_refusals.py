# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The journal and the logs of services: what is read of them, and what is said of the rest."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import parse_network
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran
from ansible_collections.oncall.incident.plugins.module_utils._probe.refusals import Wanted, read_refusals

CLIENTS = [parse_network("192.0.2.7")]


def line(message: str) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S+0000', time.gmtime())} gate sshd[7]: {message}\n"


@pytest.mark.parametrize(("ran", "read", "problem", "count"), [
    (Ran(out="-- Journal begins --\n" + line("refused connect from 192.0.2.7")), ("journal",), "", 1),
    (Ran(out="-- No entries --\n"), ("journal",), "", 0),
    (Ran(problem="journalctl is not installed", missing=True), (), "", 0),
    (Ran(err="No journal files were found.\n"), (), "", 0),
    (Ran(err="No journal files were opened due to insufficient permissions.\n"), (), "insufficient permissions", 0),
    (Ran(out="-- No entries --\n", err="Hint: You are currently not seeing messages from other users and the system."), ("journal",),
     "other users", 0),
    (Ran(problem="journalctl did not end within 20 s"), (), "did not end", 0),
])
def test_the_journal(ran: Ran, read: tuple[str, ...], problem: str, count: int, tmp_path: Path) -> None:
    said = read_refusals(Wanted(3600, logs=(str(tmp_path / "gone"),)), CLIENTS, programs=lambda argv: ran)
    assert (said.read, len(said.refusals)) == (read, count)
    assert len(said.problems) == 1 + bool(problem) and problem in said.problems[0]


def test_a_log_that_says_the_same_counts_once(tmp_path: Path) -> None:
    log = tmp_path / "auth.log"
    text = line("refused connect from 192.0.2.7") + line("User ann from 192.0.2.7 not allowed because not listed in AllowUsers")
    log.write_text(text)
    said = read_refusals(Wanted(3600, logs=(str(log),)), CLIENTS, programs=lambda argv: Ran(out=text))
    assert said.read == ("journal", str(log)) and [one.kind for one in said.refusals] == ["hosts_deny", "not_allowed"]
    alone = read_refusals(Wanted(3600, logs=(str(log),), journal=False), CLIENTS, programs=lambda argv: Ran(problem="asked"))
    assert alone.read == (str(log),) and not alone.problems
