# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with ufw as it comes: what is said of its rules, against real connections."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.fail2ban.playsite import PlaySite
from tests.support.fail2ban import fail2ban
from tests.support.firewalls import ufw
from tests.support.netns import Namespace
from tests.support.two_hosts import CLIENT, CLIENT6, TwoHosts

from .judged import CLOSED, OPEN, is_right, judged

ADDRESSES = {4: CLIENT, 6: CLIENT6}


@pytest.fixture(scope="module")
def net(both: TwoHosts, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Namespace]:
    """`ufw allow 22; ufw enable`, and nothing else."""
    with ufw(both.host, tmp_path_factory.mktemp("ufw")) as inside:
        inside.run("ufw", "allow", "22")
        inside.run("ufw", "--force", "enable")
        yield inside


@pytest.mark.parametrize("version", [4, 6])
def test_as_it_comes(both: TwoHosts, net: Namespace, version: int) -> None:
    is_right(both, 22, OPEN, version=version)
    closed = is_right(both, 80, CLOSED, version=version)
    assert "INPUT: policy drop; no rule accepts tcp port 80" in closed.let_in.observed


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("words", ["deny from %s", "reject from %s to any port 22 proto tcp", "deny in on srv0 to any port 22"])
def test_a_rule_of_the_administrator(words: str, version: int, both: TwoHosts, net: Namespace) -> None:
    rule = (words % ADDRESSES[version] if "%" in words else words).split()
    net.run("ufw", *(["prepend"] if "%" in words else ["insert", "1"]), *rule)
    other = is_right(both, 22, CLOSED, version=version)
    assert "user-input rule 1" in other.let_in.observed
    shown = [line for line in net.run("ufw", "status", "numbered").splitlines() if "DENY" in line or "REJECT" in line]
    assert any(("Anywhere" if "%" not in words else ADDRESSES[version]) in line for line in shown), shown
    net.run("ufw", "delete", *rule)
    is_right(both, 22, OPEN, version=version)


def test_a_limit_counts_what_the_kernel_has_seen(both: TwoHosts, net: Namespace) -> None:
    net.run("ufw", "limit", "443/tcp")
    seen = [judged(both, 443)]
    for _number in range(7):
        both.connects(443, expected=False)
    seen.append(judged(both, 443, expected=CLOSED))
    net.run("ufw", "delete", "limit", "443/tcp")
    assert [one.real for one in seen] == [OPEN, CLOSED]
    for one in seen:
        assert one.said == ("unknown", "unknown") or one.check(one.real)


def test_what_is_routed_is_no_question_of_a_local_service(both: TwoHosts, net: Namespace) -> None:
    net.run("ufw", "route", "deny", "from", CLIENT)
    is_right(both, 22, OPEN)
    net.run("ufw", "route", "delete", "deny", "from", CLIENT)


@pytest.mark.timeout(600)
def test_the_scenario_recovers(both: TwoHosts, net: Namespace, tmp_path: Path) -> None:
    port = 2222
    net.run("ufw", "allow", f"{port}/tcp")
    with fail2ban({"sshd": {"banaction": "ufw"}}, net=net) as server:
        site = PlaySite(server, tmp_path, playbook="firewall-unblock", fail2ban_ports=[port])
        site.group("firewall", gate={"fail2ban_addresses": [CLIENT, CLIENT6]})
        service = site.serve(port)
        try:
            for version, address in ADDRESSES.items():
                server.ban("sshd", address)
                is_right(both, port, CLOSED, version=version)
            ended = site.play("--tags", "mitigate,verify")
            assert ended.status == 0, ended.output
            assert ended.outcomes("gate") == ["done", "done"] and ended.findings("verify", "gate")["let_in"] == "ok"
            for version in ADDRESSES:
                is_right(both, port, OPEN, version=version)
        finally:
            service.kill()
            service.communicate()
