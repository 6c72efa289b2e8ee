# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses in any spelling mean what they mean, and typing errors mean nothing."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.addresses import (
    Span,
    canonical,
    is_host_name,
    parse_network,
    read_network,
    resolve_inputs,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput


@pytest.mark.parametrize(("said", "meant"), [
    ("192.0.2.7", "192.0.2.7"), (" 192.0.2.7\n", "192.0.2.7"), ("192.0.2.7/32", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"),
    ("::FFFF:C000:0207", "192.0.2.7"), ("::ffff:192.0.2.0/120", "192.0.2.0/24"), ("192.0.2.9/24", "192.0.2.0/24"),
    ("192.0.2.0/255.255.255.0", "192.0.2.0/24"), ("2001:DB8:0:0::0007", "2001:db8::7"), ("[2001:db8::7]", "2001:db8::7"),
    ("2001:db8::7/128", "2001:db8::7"), ("2001:db8::/64", "2001:db8::/64"), ("fe80::1%eth0", "fe80::1"), ("::/0", "::/0"),
    ("\ufeff192.0.2.7", "192.0.2.7"), ("[2001:db8::]/64", "2001:db8::/64"), ("[fe80::1%eth0]", "fe80::1"),
])
def test_spellings(said: str, meant: str) -> None:
    assert canonical(parse_network(said)) == meant


@pytest.mark.parametrize("said", [
    "999.1.1.1", "192.0.2", "14.160.0.0 /11", "192.0.2.0/33", "2001:db8::g", "2001:db8::7/129", "", " ", "192.0.2.1-192.0.2.9", "1.2.3.4.5",
    "--all", "192.0.2.7;reboot", "192.0.2.07", "::ffff:999.0.2.7", "[2001:db8::7", "[2001:db8::7]443",
])
def test_a_typing_error_is_an_error(said: str) -> None:
    with pytest.raises(BadInput, match="addresses"):
        parse_network(said)


@pytest.mark.parametrize(("said", "wrong", "hint"), [
    ("[2001:db8::7]:443", "has a port in it", "Give addresses: 2001:db8::7. The port 443 has no place in it."),
    ("192.0.2.7:22", "has a port in it", "Give addresses: 192.0.2.7. The port 22 has no place in it."),
    ("https://ann:Pa55w0rd@192.0.2.7:8443/x", "a URL is not an address", "Give addresses: 192.0.2.7. The port 8443 has no place in it."),
    ("ssh://[2001:db8::7]/", "a URL is not an address", "Give addresses: 2001:db8::7."),
])
def test_what_is_more_than_an_address_is_said_to_be_that(said: str, wrong: str, hint: str) -> None:
    """A port behind brackets once became the last part of another address."""
    assert read_network(said) is None
    with pytest.raises(BadInput) as caught:
        parse_network(said)
    assert wrong in caught.value.message and caught.value.hint == hint and "Pa55w0rd" not in f"{caught.value.message} {caught.value.hint}"


def test_a_host_name_is_said_to_be_one() -> None:
    with pytest.raises(BadInput, match="is a host name"):
        parse_network("www.example.org")
    assert not is_host_name("192.0.2") and not is_host_name("dead:beef")


def test_names_are_looked_up_only_when_asked() -> None:
    asked: list[str] = []

    def lookup(name: str) -> list[str]:
        asked.append(name)
        return ["2001:db8::7", "192.0.2.7"]

    with pytest.raises(BadInput):
        resolve_inputs(["www.example.org"], resolve=False, lookup=lookup)
    assert not asked
    found = resolve_inputs(["www.example.org", "192.0.2.8"], resolve=True, lookup=lookup)
    assert {name: [canonical(one) for one in networks] for name, networks in found.items()} == {
        "www.example.org": ["192.0.2.7", "2001:db8::7"], "192.0.2.8": ["192.0.2.8"],
    }
    assert asked == ["www.example.org"]


@pytest.mark.parametrize("problem", [OSError("no such name"), None])
def test_a_name_without_addresses_is_an_error(problem: OSError | None) -> None:
    def lookup(name: str) -> list[str]:
        if problem:
            raise problem
        return []

    with pytest.raises(BadInput, match=r"www\.example\.org"):
        resolve_inputs(["www.example.org"], resolve=True, lookup=lookup)


def span(text: str) -> Span:
    network = read_network(text)
    assert network is not None
    return Span.of(network)


def test_covering() -> None:
    assert span("192.0.2.0/24").covers(span("192.0.2.7"))
    assert not span("192.0.2.0/25").covers(span("192.0.2.0/24"))
    assert span("192.0.2.0/25").touches(span("192.0.2.0/24"))
    assert not span("::/0").covers(span("192.0.2.7")), "families do not cover one another"


@pytest.mark.parametrize("text", ["192.0.2.7", "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32", "2001:db8::7", "::/0"])
def test_a_span_reads_as_its_network(text: str) -> None:
    assert str(span(text)) == text


def test_a_range_that_is_no_network_reads_as_a_range() -> None:
    assert str(Span(4, span("192.0.2.1").first, span("192.0.2.6").first)) == "192.0.2.1-192.0.2.6"
