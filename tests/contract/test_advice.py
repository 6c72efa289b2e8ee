# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command that a message tells somebody to run has a test that makes the fault, runs it and measures: tests/advice.yml names it.

Commands of `incident` itself are given to its parser here.
"""

from __future__ import annotations

import ast
import contextlib
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from oncall_incident.cli import app
from tests.support.advice import OWN, Advice, advice, commands

ROOT = Path(__file__).resolve().parents[2]
REGISTRY: dict[str, dict[str, str]] = yaml.safe_load((ROOT / "tests" / "advice.yml").read_text(encoding="utf-8"))
PROVEN, ELSEWHERE, NAMED = (REGISTRY[part] for part in ("proven", "not_run", "only_named"))
#: How many commands no test runs, each with its reason. Lower it when one gets a test; nothing raises it.
MOST_NOT_RUN = 8
#: What stands for a value in a command of `incident`.
_FILLED = {"{}": "latest", "...": "latest", "INVENTORY": "hosts", "INCIDENT": "latest", "TIME": "2026-01-01T00:00:00Z"}
#: What stands for a value in other commands.
_PLACES = {"INVENTORY", "ROLE", "PID", "KEY"}


def told(kind: str | None = None) -> dict[str, Advice]:
    """The commands that messages name, each with one message that does."""
    return {one.command: one for one in advice() if (one.kind == kind if kind else one.kind != OWN)}


def test_every_command_in_a_message_has_its_test() -> None:
    missing = [f"{one.command!r} ({one.where}): {one.text[:160]}" for command, one in told().items()
               if command not in {*PROVEN, *ELSEWHERE, *NAMED}]
    assert not missing, "Name the test that runs it in tests/advice.yml:\n" + "\n".join(missing)


def test_the_registry_names_nothing_that_no_message_says() -> None:
    names = [name for part in (PROVEN, ELSEWHERE, NAMED) for name in part]
    assert sorted(names) == sorted(set(names)), "a command stands twice"
    assert sorted(set(names) - set(told())) == []


def test_what_no_test_runs_is_counted() -> None:
    assert len(ELSEWHERE) <= MOST_NOT_RUN
    assert [command for command, reason in {**ELSEWHERE, **NAMED}.items() if len(reason.split()) < 4] == [], "say why"


@cache
def source(test: str) -> str:
    """A test's own text; empty where there is no such test."""
    path, _, name = test.partition("::")
    text = (ROOT / path).read_text(encoding="utf-8") if (ROOT / path).is_file() else ""
    found = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name]
    return "".join(ast.get_source_segment(text, node) or "" for node in found)


@pytest.mark.parametrize(("command", "test"), PROVEN.items())
def test_the_named_test_runs_the_command(command: str, test: str) -> None:
    text = source(test)
    assert text, f"{test}: there is no such test"
    words = set(re.findall(r"[A-Za-z][\w-]{2,}", re.sub(r"\{\}|'[^']*'|<[^>]+>", "", command))) - _PLACES
    assert "advised(" in text or '["hint"]' in text or all(word in text for word in words), "it takes the command from the hint, or runs it"


def parse(words: list[str]) -> None:
    """Have the command line parsed, without running it."""
    group: Any = typer.main.get_command(app)
    context = group.context_class(group, info_name="incident")
    name, command, rest = group.resolve_command(context, words)
    with contextlib.suppress(typer.Exit):  # --help
        command.make_context(name, rest, parent=context)


@pytest.mark.parametrize("command", told(OWN))
def test_commands_of_incident_are_understood(command: str) -> None:
    words = [_FILLED.get(word, word.replace("{}", "latest")) for word in shlex.split(command, comments=True)[1:]]
    if words[1:]:  # a name alone is that of a command there is
        parse(words)


def test_a_command_that_incident_does_not_have_is_found() -> None:
    for words in (["close", "latest", "--since", "now"], ["finish", "latest"]):
        with pytest.raises(Exception, match=r"(?i)no such (option|command)|there is no command"):
            parse(words)


@pytest.mark.parametrize(("text", "found"), [
    ("Run as a superuser: GRANT pg_read_all_stats TO {}; (pg_monitor includes it).", ["GRANT pg_read_all_stats TO {}"]),
    ("A script runs: SCRIPT KILL (FUNCTION KILL) ends one that wrote nothing.", ["SCRIPT KILL", "FUNCTION KILL"]),
    ("Allow +cluster|info and +cluster|nodes to this user.", ["+cluster|info", "+cluster|nodes"]),
    ("fail2ban-client reload --restart {} writes them again", ["fail2ban-client reload --restart {}"]),
    ("fail2ban-client set {} delignoreip {} takes it out", ["fail2ban-client set {} delignoreip {}"]),
    ("ufw delete removes it; ufw status numbered shows it.", ["ufw delete", "ufw status numbered"]),
    ("openssl is not on this host, and docker said nothing.", []),
    ("incident verify {} says more; a new seal must not hide it.", ["incident verify {}"]),
    ("goes on (kill -CONT PID), one in state D waits", ["kill -CONT PID"]),
    ("ends: ALTER ROLE <application> SET statement_timeout = '60s' bounds it.", ["ALTER ROLE <application> SET statement_timeout = '60s'"]),
    ("Replay is paused: SELECT pg_wal_replay_resume() goes on.", ["SELECT pg_wal_replay_resume()"]),
    ("or drop it: SELECT pg_drop_replication_slot('{}').", ["SELECT pg_drop_replication_slot('{}')"]),
    ("echo madvise > /sys/kernel/mm/transparent_hugepage/enabled.", ["echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"]),
])
def test_commands_are_found_in_messages(text: str, found: list[str]) -> None:
    assert [command for command, _ in commands(text)] == found
