# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bans an unban is about, within which limits, and what the measurement means."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions import unbanning
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.banning import Protected, reasons
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.replies import Ban
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.unbanning import Chosen, Wish, select
from ansible_collections.oncall.incident.plugins.module_utils._core import actions
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import ActionsFailed
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import Span, parse_network, read_network
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, Blind
from ansible_collections.oncall.incident.plugins.module_utils._firewall.decisions.packet_filter import Block


def ban(jail: str, entry: str, at: float = 1.0) -> Ban:
    network = read_network(entry)
    return Ban(jail, entry, Span.of(network) if network else None, banned_at=at, seconds=600)


BANS = [ban("sshd", "192.0.2.7"), ban("recidive", "192.0.2.7"), ban("sshd", "192.0.2.9"), ban("web", "192.0.2.0/24"),
        ban("sshd", "2001:db8::7"), ban("users", "somebody")]


def wish(*targets: str, members: t.Sequence[str] = (), **more: t.Any) -> Wish:
    return Wish({text: [parse_network(text)] for text in targets}, members_of=[parse_network(text) for text in members], **more)


def chosen(selection: unbanning.Selection) -> list[tuple[str, str, str]]:
    return [(one.ban.jail, one.ban.entry, one.matched_by) for one in selection.chosen]


def test_every_jail_and_any_spelling() -> None:
    found = select(wish("::ffff:192.0.2.7", "2001:0DB8::0007"), BANS)
    assert chosen(found) == [("sshd", "192.0.2.7", "exact"), ("recidive", "192.0.2.7", "exact"), ("sshd", "2001:db8::7", "exact")]
    assert [one.ban.entry for one in found.covered] == ["192.0.2.0/24"]


def test_covering() -> None:
    assert [one.ban.jail for one in select(wish("192.0.2.50"), BANS).covered] == ["web"]
    assert chosen(select(wish("192.0.2.50", covering="remove"), BANS)) == [("web", "192.0.2.0/24", "covering")]
    with pytest.raises(ActionsFailed, match=r"192\.0\.2\.0/24"):
        select(wish("192.0.2.50", covering="fail"), BANS)


def test_a_network_is_itself_and_not_its_members() -> None:
    found = select(wish("192.0.2.0/24"), BANS)
    assert chosen(found) == [("web", "192.0.2.0/24", "exact")]
    (absent,) = select(wish("192.0.0.0/16"), BANS).absent
    assert absent.members == 4


def test_one_that_is_named_twice_is_one() -> None:
    found = select(wish("203.0.113.9", "::ffff:203.0.113.9", "192.0.2.9", "::ffff:192.0.2.9"), BANS)
    assert [one.asked for one in found.absent] == ["203.0.113.9"] and len(found.chosen) == 1


def test_members_within_their_limit() -> None:
    found = select(wish(members=["192.0.2.0/25"]), BANS)
    assert chosen(found) == [("sshd", "192.0.2.7", "member"), ("recidive", "192.0.2.7", "member"), ("sshd", "192.0.2.9", "member")]
    both = select(wish("192.0.2.9", members=["192.0.2.0/25"]), BANS)
    assert [one.member for one in both.chosen] == [True] * 3, "also the one that was named"
    assert [one.member for one in select(wish("192.0.2.9"), BANS).chosen] == [False]


def test_everything_only_by_its_number() -> None:
    assert len(select(wish(confirm_all=6), BANS).chosen) == 6
    with pytest.raises(BadInput, match="which is 6"):
        select(wish(confirm_all=5), BANS)


def test_the_run_has_one_limit() -> None:
    def most(**more: t.Any) -> list[tuple[str, int]]:
        return [(limit.name, limit.most) for limit in wish(max_entries=5, **more).now()]

    assert most(max_victims=3, spent=1) == [("max_victims", 2), ("max_entries", 5)]
    assert most(max_victims=3, spent=4) == [("max_victims", 0), ("max_entries", 5)]
    assert most(confirm_all=6, max_victims=1) == [("confirm_all", 6), ("max_entries", 5)]
    with pytest.raises(BadInput, match="spent"):
        wish(max_victims=3, spent=-1)


def test_an_unknown_jail_lists_those_there_are() -> None:
    with pytest.raises(BadInput, match="no nix") as caught:
        unbanning.known_jails(["nix"], ["recidive", "sshd"])
    assert caught.value.hint == "There are: recidive, sshd."
    assert caught.value.facts["jails"] == ["recidive", "sshd"]
    assert unbanning.known_jails([], ["a", "b"]) == ["a", "b"]


def state(**more: t.Any) -> tuple[str, str]:
    one = Chosen(BANS[0], "192.0.2.7", BANS[0].span, "exact")
    known: dict[str, t.Any] = {"ban_now": None, "gone_once": True, "stored": False, "left": [], "also": [], "other_jails": []}
    action = unbanning.measured(unbanning.action_for(one, resource="r"), one, **{**known, **more})
    return action.outcome, action.detail["state"]


def test_outcomes() -> None:
    rule = Block("nftables", "drop", source="192.0.2.7", owner="fail2ban", jail="sshd")
    assert state() == (actions.DONE, "unbanned")
    assert state(left=[rule]) == (actions.FAILED, "still_filtered")
    assert state(ban_now=ban("sshd", "192.0.2.7", 2.0), gone_once=False) == (actions.FAILED, "banned_again")
    assert state(ban_now=BANS[0], gone_once=True) == (actions.FAILED, "banned_again")
    assert state(ban_now=BANS[0], gone_once=False) == (actions.FAILED, "still_banned")
    assert state(stored=True) == (actions.FAILED, "still_in_database")
    assert state(also=[rule]) == (actions.DONE, "unbanned")


def test_what_the_daemon_let_go_was_touched_whatever_else_keeps_it_out() -> None:
    rule = Block("nftables", "drop", source="192.0.2.7", owner="fail2ban", jail="sshd")
    one = Chosen(BANS[0], "192.0.2.7", BANS[0].span, "exact")
    known: dict[str, t.Any] = {"ban_now": None, "gone_once": True, "stored": False, "left": [], "also": [], "other_jails": []}

    def touched(**more: t.Any) -> t.Any:
        return unbanning.measured(unbanning.action_for(one, resource="r"), one, **{**known, **more}).as_dict()["touched"]

    assert [touched(), touched(left=[rule]), touched(stored=True), touched(ban_now=BANS[0])] == [True] * 4
    assert touched(ban_now=BANS[0], gone_once=False) is None, "it was told, and still bans it"


def test_what_is_left_over() -> None:
    span = BANS[0].span
    assert span is not None
    own = Block("nftables", "r", source="192.0.2.7", owner="fail2ban", jail="sshd")
    other, unnamed = dataclasses.replace(own, jail="recidive"), dataclasses.replace(own, owner="", jail="")
    wide = dataclasses.replace(own, matched="covering", source="192.0.2.0/24")
    assert unbanning.leftovers(span, [own, other, unnamed, wide], jail="sshd", banned_in=()) == [own, other, unnamed]
    assert unbanning.leftovers(span, [own, other, unnamed], jail="sshd", banned_in={"recidive"}) == [own], "theirs to have"
    assert unbanning.leftovers(span, [own, unnamed], jail="", banned_in=()) == [own], "what nobody banned is no unban's business"


def test_ids_name_the_jail_and_the_stored_spelling() -> None:
    one = Chosen(BANS[4], "2001:0DB8::7", BANS[4].span, "exact")
    assert unbanning.action_for(one, resource="fail2ban:h:/s").id == "unban|fail2ban:h:/s|entry=2001:db8::7,jail=sshd"


PROTECTED = Protected(
    operators=(parse_network("203.0.113.7"),), never_ban=(parse_network("198.51.100.0/28"),), own=(parse_network("192.0.2.1"),),
    gateways=(parse_network("192.0.2.254"),), resolvers=(parse_network("192.0.2.53"),), ignored=(parse_network("192.0.2.128/25"),),
)


@pytest.mark.parametrize(("address", "why"), [
    ("203.0.113.7", ["operator"]), ("203.0.113.0/24", ["operator"]), ("198.51.100.9", ["never_ban"]), ("198.51.100.0/24", ["never_ban"]),
    ("192.0.2.1", ["own_address"]), ("192.0.2.53", ["resolver"]), ("192.0.2.254", ["gateway", "ignored_by_jail"]),
    ("127.0.0.9", ["loopback"]), ("::1", ["loopback"]), ("10.1.2.3", ["private"]), ("172.31.0.1", ["private"]),
    ("192.168.1.1", ["private"]),
    ("100.64.0.1", ["private"]), ("169.254.1.1", ["private"]), ("fe80::1", ["private"]), ("fd00::1", ["private"]),
    ("224.0.0.1", ["special"]),
    ("203.0.113.99", []), ("2001:db8::9", []), ("198.0.0.0/8", ["never_ban", "too_wide"]), ("2001::/16", ["too_wide"]),
    ("::ffff:10.0.0.1", ["private"]),
])
def test_who_is_never_banned(address: str, why: list[str]) -> None:
    assert list(reasons(parse_network(address), PROTECTED, allow_private=False)) == why


def test_private_networks_on_purpose() -> None:
    assert reasons(parse_network("10.1.2.3"), PROTECTED, allow_private=True) == ()
    assert reasons(parse_network("0.0.0.0/0"), PROTECTED, allow_private=True)[:2] == ("operator", "never_ban")


def test_without_an_operator_nobody_is_banned() -> None:
    with pytest.raises(Blind, match="Nobody can tell"):
        Protected(own=(parse_network("192.0.2.1"),)).require_operator()
    Protected(never_ban=(parse_network("192.0.2.1"),)).require_operator()
    Protected(operators=(parse_network("192.0.2.1"),)).require_operator()
