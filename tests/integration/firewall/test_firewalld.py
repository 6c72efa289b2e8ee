# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with firewalld as it comes: what is said of its zones and rich rules, against real connections."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.firewalls import firewalld
from tests.support.netns import Namespace
from tests.support.two_hosts import CLIENT, CLIENT6, DEVICE, NET, TwoHosts

from .judged import CLOSED, OPEN, is_right

ADDRESSES = {4: CLIENT, 6: CLIENT6}


@pytest.fixture(scope="module")
def net(both: TwoHosts) -> Iterator[Namespace]:
    """The default zone lets ssh in, and not much else."""
    with tempfile.TemporaryDirectory(prefix="fw-", dir="/tmp") as place, firewalld(both.host, Path(place)) as inside:
        yield inside


@pytest.mark.parametrize("version", [4, 6])
def test_as_it_comes(both: TwoHosts, net: Namespace, version: int) -> None:
    is_right(both, 22, OPEN, version=version)
    is_right(both, 80, CLOSED, version=version)


@pytest.mark.parametrize("version", [4, 6])
def test_a_port_is_opened_and_closed(both: TwoHosts, net: Namespace, version: int) -> None:
    net.run("firewall-cmd", "--add-port=80/tcp")
    is_right(both, 80, OPEN, version=version)
    net.run("firewall-cmd", "--remove-port=80/tcp")
    is_right(both, 80, CLOSED, version=version)
    net.run("firewall-cmd", "--remove-service=ssh")
    is_right(both, 22, CLOSED, version=version)
    net.run("firewall-cmd", "--add-service=ssh")
    is_right(both, 22, OPEN, version=version)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("verdict", ["drop", 'reject type="%s"'])
def test_a_rich_rule(verdict: str, version: int, both: TwoHosts, net: Namespace) -> None:
    kind = "icmp-port-unreachable" if version == 4 else "icmp6-port-unreachable"
    meant = verdict % kind if "%" in verdict else verdict
    rule = f'rule family="ipv{version}" source address="{ADDRESSES[version]}" {meant}'
    net.run("firewall-cmd", f"--add-rich-rule={rule}")
    closed = is_right(both, 22, CLOSED, version=version)
    assert closed.let_in.detail["blocks"][0]["source"] == ADDRESSES[version]
    net.run("firewall-cmd", f"--remove-rich-rule={rule}")
    is_right(both, 22, OPEN, version=version)


def test_a_rich_rule_of_one_port_and_one_that_accepts(both: TwoHosts, net: Namespace) -> None:
    closing = f'rule family="ipv4" source address="{CLIENT}" port port="80" protocol="tcp" drop'
    opening = f'rule priority="-10" family="ipv4" source address="{NET}" port port="443" protocol="tcp" accept'
    net.run("firewall-cmd", f"--add-rich-rule={closing}", f"--add-rich-rule={opening}")
    for port, real in ((22, OPEN), (80, CLOSED), (443, OPEN)):
        is_right(both, port, real)
    net.run("firewall-cmd", f"--remove-rich-rule={closing}", f"--remove-rich-rule={opening}")


def test_zones_of_sources_and_interfaces(both: TwoHosts, net: Namespace) -> None:
    net.run("firewall-cmd", "--zone=drop", f"--add-source={CLIENT}")
    is_right(both, 22, CLOSED)
    is_right(both, 22, OPEN, version=6)
    net.run("firewall-cmd", "--zone=drop", f"--remove-source={CLIENT}")
    net.run("firewall-cmd", "--zone=trusted", f"--change-interface={DEVICE}")
    is_right(both, 80, OPEN)
    net.run("firewall-cmd", "--zone=trusted", f"--remove-interface={DEVICE}")
    is_right(both, 80, CLOSED)


def test_a_set_of_addresses_and_panic(both: TwoHosts, net: Namespace) -> None:
    net.run("firewall-cmd", "--permanent", "--new-ipset=bad", "--type=hash:net")
    net.run("firewall-cmd", "--reload")
    net.run("firewall-cmd", "--ipset=bad", f"--add-entry={NET}")
    net.run("firewall-cmd", "--add-rich-rule=rule source ipset=bad drop")
    is_right(both, 22, CLOSED)
    net.run("firewall-cmd", "--ipset=bad", f"--remove-entry={NET}")
    is_right(both, 22, OPEN)
    net.run("firewall-cmd", "--panic-on")
    is_right(both, 22, CLOSED)
    net.run("firewall-cmd", "--panic-off")
    is_right(both, 22, OPEN)
