# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What servers of 0.11 to 1.1 answer, over the socket and printed by their client.

Those of 1.0.2 (Debian 12) were recorded; those of 0.11 and 1.1 are written by hand after their sources (server.py, banmanager.py,
beautifier.py), where they differ: `status` has its jails as one text in all of them, `banned` is not there before 0.11.2 and is not used.
"""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.pickled import NotData, Stub
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import (
    ServerSaidNo,
    answer_of,
    bans_of,
    from_client,
    jails_of,
    local_epoch,
)

LINES = [
    "192.0.2.7 \t2026-11-24 11:18:12 + 3600 = 2026-11-24 12:18:12", "2001:db8::7 \t2026-11-24 11:18:12 + 3600 = 2026-11-24 12:18:12",
    "198.51.100.0/24 \t2026-11-24 11:18:12 + -1 = 9999-12-31 23:59:59",
]


def test_bans_with_their_times() -> None:
    found = bans_of("sshd", LINES, epoch=lambda text: float(text[11:13]))
    assert [(ban.entry, ban.banned_at, ban.seconds, ban.ends_at, ban.permanent) for ban in found] == [
        ("192.0.2.7", 11.0, 3600, 12.0, False), ("2001:db8::7", 11.0, 3600, 12.0, False), ("198.51.100.0/24", 11.0, -1, None, True),
    ]
    assert [str(ban.span) for ban in found] == ["192.0.2.7", "2001:db8::7", "198.51.100.0/24"]


def test_an_entry_that_is_no_address_is_kept_as_it_is() -> None:
    (ban,) = bans_of("users", ["('192.0.2.7', 'jo hn') \t2026-11-24 11:18:12 + 60 = 2026-11-24 11:19:12"])
    assert (ban.entry, ban.span) == ("('192.0.2.7', 'jo hn')", None)


def test_entries_without_times() -> None:
    assert [(ban.entry, ban.seconds) for ban in bans_of("sshd", ["192.0.2.7", ""])] == [("192.0.2.7", None)]


@pytest.mark.parametrize("text", ["2026-11-24 11:18:12", "9999-12-31 23:59:59", "2026-99-99 11:18:12"])
def test_times_never_break_it(text: str) -> None:
    assert isinstance(local_epoch(text), float)


@pytest.mark.parametrize("status", [
    [["Number of jail", 2], ["Jail list", "sshd, recidive"]], [["Number of jail", 2], ["Jail list", ["sshd", "recidive"]]],
])
def test_jails(status: t.Any) -> None:
    assert jails_of(status) == ["recidive", "sshd"]


def test_no_jails() -> None:
    assert jails_of([["Number of jail", 0], ["Jail list", ""]]) == []


@pytest.mark.parametrize("status", [None, 5, "Status", [], [["Number of jail", 1]]])
def test_what_does_not_tell_the_jails(status: t.Any) -> None:
    with pytest.raises(NotData):
        jails_of(status)


def test_answers() -> None:
    assert answer_of([0, "pong"]) == "pong"
    with pytest.raises(ServerSaidNo, match="UnknownJailException: nix") as caught:
        answer_of([1, Stub("fail2ban.exceptions.UnknownJailException", ["nix"])])
    assert caught.value.kind == "UnknownJailException"
    with pytest.raises(ServerSaidNo, match="ERROR: invalid load key"):
        answer_of("ERROR: invalid load key")
    for odd in (None, [], [0], [2, "x"], {"a": 1}):
        with pytest.raises(NotData):
            answer_of(odd)


CLIENT: list[tuple[list[str], str, t.Any]] = [
    (["status"], "Status\n|- Number of jail:\t2\n`- Jail list:\tbad, sshd\n", [["Number of jail", "2"], ["Jail list", "bad, sshd"]]),
    (["get", "sshd", "banip", "--with-time"], "\n".join(LINES) + "\n", LINES),
    (["get", "sshd", "banip", "--with-time"], "\n", []),
    (["get", "dbfile"], "Current database file is:\n`- /var/lib/fail2ban/fail2ban.sqlite3\n", "/var/lib/fail2ban/fail2ban.sqlite3"),
    (["get", "dbfile"], "Database currently disabled\n", None),
    (["get", "sshd", "ignoreip"], "These IP addresses/networks are ignored:\n|- 127.0.0.0/8\n`- ::1\n", ["127.0.0.0/8", "::1"]),
    (["get", "sshd", "ignoreip"], "No IP address/network is ignored\n", []),
    (["get", "sshd", "logpath"], "Current monitored log file(s):\n`- /var/log/auth.log\n", ["/var/log/auth.log"]),
    (["get", "sshd", "actions"], "The jail sshd has the following actions:\nnftables-multiport, mail\n", ["nftables-multiport", "mail"]),
    (["get", "sshd", "actions"], "No actions for jail sshd\n", []),
    (["set", "sshd", "unbanip", "192.0.2.7"], "1\n", 1),
    (["get", "sshd", "bantime"], "-1\n", -1),
    (["version"], "1.0.2\n", "1.0.2"),
    (["banned"], "[{'sshd': ['192.0.2.7']}]\n", [{"sshd": ["192.0.2.7"]}]),
    (["banned"], "[{'sshd': \n", "[{'sshd': "),
    (["ping"], "²\n", "²"),
]


@pytest.mark.parametrize(("words", "text", "meant"), CLIENT)
def test_what_the_client_prints(words: list[str], text: str, meant: t.Any) -> None:
    assert from_client(words, text) == meant
    assert from_client(tuple(words), text) == meant
