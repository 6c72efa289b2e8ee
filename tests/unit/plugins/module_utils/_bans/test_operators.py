# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host's addresses and gateways, with ip and without it: no answer is not none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.operators import gateways, own_addresses
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import Blind
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran, run

TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
        |-- 192.0.2.7
           /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
"""
ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask
eth0\t00000000\t{gateway}\t0003\t0\t0\t0\t00000000
eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF
"""
SIX = "20010db8000000000000000000000007 02 40 00 80     eth0\n"
ROUTES6 = f"{'0' * 32} 00 {'0' * 32} 00 20010db8000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"


def no_ip(_argv: object) -> Ran:
    return Ran(problem="ip is not installed", missing=True)


def test_without_ip_the_kernel_is_asked(tmp_path: Path) -> None:
    net = tmp_path / "net"
    net.mkdir()
    (net / "fib_trie").write_text(TRIE)
    (net / "route").write_text(ROUTES.format(gateway=f"{int.from_bytes(bytes([192, 0, 2, 1]), sys.byteorder):08X}"))
    assert [str(one) for one in own_addresses(no_ip, str(tmp_path))] == ["192.0.2.7/32"], "a host without IPv6"
    assert [str(one) for one in gateways(no_ip, str(tmp_path))] == ["192.0.2.1/32"]
    (net / "if_inet6").write_text(SIX)
    (net / "ipv6_route").write_text(ROUTES6)
    assert [str(one) for one in own_addresses(no_ip, str(tmp_path))] == ["192.0.2.7/32", "2001:db8::7/128"]
    assert [str(one) for one in gateways(no_ip, str(tmp_path))] == ["192.0.2.1/32", "2001:db8::1/128"]


@pytest.mark.parametrize("said", [Ran(problem="unknown option -j"), Ran(out="1: lo: <LOOPBACK>"), Ran(out="{}")])
def test_no_answer_is_not_none(said: Ran, tmp_path: Path) -> None:
    for look in (own_addresses, gateways):
        with pytest.raises(Blind):
            look(lambda _argv: said, str(tmp_path))


def test_both_ways_say_the_same_of_this_machine() -> None:
    if run(["ip", "-j", "address", "show"]).problem:
        pytest.skip("no ip here")
    assert set(own_addresses(run)) == set(own_addresses(no_ip))
    assert set(gateways(run)) <= set(gateways(no_ip))
