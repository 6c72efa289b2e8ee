# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not on a host, and what could not be read of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network
from ansible_collections.oncall.incident.plugins.module_utils._firewall.filters import AUTO, read_filters
from ansible_collections.oncall.incident.plugins.module_utils._firewall.ways import Ways
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran

CLIENT = Span.of(parse_network("192.0.2.7"))


def nothing(argv: Sequence[str]) -> Ran:
    return Ran()


@pytest.mark.parametrize(("said", "not_read"), [
    ("FirewallD is not running", []),
    ("Error: DBUS_ERROR: Failed to connect to socket /run/dbus/system_bus_socket: No such file or directory", []),
    ("Authorization failed.", ["firewalld"]), ("firewall-cmd did not end within 20 s", ["firewalld"]),
])
def test_a_firewalld_that_is_stopped_has_no_rules(said: str, not_read: list[str]) -> None:
    filters = read_filters([AUTO], run=lambda argv: Ran(problem=said) if argv[0] == "firewall-cmd" else Ran())
    assert [one.check for one in filters.not_read()] == not_read


def test_of_a_recent_list_that_is_too_long_nobody_knows_who_is_in_it(tmp_path: Path) -> None:
    for name, lines in (("short", 1), ("long", 30_000)):
        line = "src=203.0.113.9 ttl: 64 last_seen: 4294967295 oldest_pkt: 1 4294967295\n"
        (tmp_path / name).write_text(line * lines)
    recent = Ways(nothing, recent=str(tmp_path)).host.recent
    assert recent["short"] == {Span.of(parse_network("203.0.113.9")): (4294967295,)} and recent["long"] is None
