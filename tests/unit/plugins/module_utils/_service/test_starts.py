# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often instances were started lately, by what their runtimes have kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.instance import Instance
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service
from ansible_collections.oncall.incident.plugins.module_utils._service.starts import starts_lately

NOW = 10_000.0


def instance(name: str, started_at: float | None = None) -> Instance:
    """One that runs."""
    return Instance(id=name, name=name, start="1", state="running", up=True, main_pid=7, started_at=started_at)


@pytest.mark.parametrize(("runtime", "out", "status", "starts"), [
    ("compose", "a\na\nother\na\n", 0, {"a": 3, "b": 1}), ("compose", "", 0, {"a": 0, "b": 1}), ("compose", "a\na", 1, {"a": 0, "b": 1}),
    ("systemd", "Started.\nStarted.\n", 0, {"a": 2, "b": 1}), ("pm2", "never asked", 0, {"a": 0, "b": 1}),
])
def test_the_starts_of_each_instance(runtime: str, out: str, status: int, starts: dict[str, int]) -> None:
    asked: list[Sequence[str]] = []

    def run(argv: Sequence[str]) -> Ran:
        asked.append(argv)
        return Ran(status=status, out=out, problem="no daemon" if status else "")

    service = Service(name="web", runtime=runtime, identity="web", where={"scope": "user"} if runtime == "systemd" else {})
    known = [instance("a", NOW - 7200), instance("b", NOW - 60)]
    assert starts_lately(service, known, since=NOW - 3600, now=NOW, run=run) == starts
    assert starts_lately(service, [], since=0, now=NOW, run=run) == {}
    assert [words[0] for words in asked] == {"compose": ["docker"], "systemd": ["journalctl"], "pm2": []}[runtime]
    assert all("--user" in words and "USER_UNIT=a" in words for words in asked if runtime == "systemd")


def test_a_start_of_this_very_second_is_counted() -> None:
    def run(argv: Sequence[str]) -> Ran:
        assert (argv[argv.index("--since") + 1], argv[argv.index("--until") + 1]) == ("6400.250000", "10000.250000")
        return Ran(status=0, out="a\na\n")

    service = Service(name="web", runtime="compose", identity="web", where={})
    assert starts_lately(service, [instance("a")], since=NOW - 3599.75, now=NOW + 0.25, run=run) == {"a": 2}
