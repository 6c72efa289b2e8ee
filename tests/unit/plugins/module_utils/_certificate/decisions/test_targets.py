# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is to be looked at, as it is stated."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.targets import (
    as_fingerprint,
    as_serial,
    parse_endpoint,
    parse_proxy,
    targets_from,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

#: On a busy machine an example takes as long as it takes.
BUSY: t.Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def endpoint(item: t.Any, **params: t.Any) -> t.Any:
    return parse_endpoint(item, params, where="endpoints[0]")


@pytest.mark.parametrize(("item", "host", "port", "starttls", "sni"), [
    ("www.example.org", "www.example.org", 443, "", "www.example.org"),
    ("www.example.org:8443", "www.example.org", 8443, "", "www.example.org"),
    ("https://www.example.org/path", "www.example.org", 443, "", "www.example.org"),
    ("smtp://mx.example.org", "mx.example.org", 25, "smtp", "mx.example.org"),
    ("submission://mx.example.org", "mx.example.org", 587, "smtp", "mx.example.org"), ("rediss://192.0.2.1", "192.0.2.1", 6379, "", ""),
    ("postgres://[2001:db8::1]:5433", "2001:db8::1", 5433, "postgres", ""), ("2001:db8::1", "2001:db8::1", 443, "", ""),
    ("[2001:db8::1]:25", "2001:db8::1", 25, "", ""),
    ({"host": "mx.example.org", "starttls": "imap"}, "mx.example.org", 143, "imap", "mx.example.org"),
    ({"host": "192.0.2.1", "server_name": "a.example.org", "port": "99"}, "192.0.2.1", 99, "", "a.example.org"),
    ({"host": "192.0.2.1:98", "sni": "a.example.org"}, "192.0.2.1", 98, "", "a.example.org"),
    ("b\u00fccher.example.org", "xn--bcher-kva.example.org", 443, "", "xn--bcher-kva.example.org"),
])
def test_endpoints(item: t.Any, host: str, port: int, starttls: str, sni: str) -> None:
    found = endpoint(item)
    assert (found.host, found.port, found.starttls, found.server_name) == (host, port, starttls, sni)


def test_which_endpoints_are_asked_for_their_clock() -> None:
    assert endpoint("www.example.org").http and endpoint("https://www.example.org:4430").http and endpoint("www.example.org:8443").http
    assert not endpoint("smtp://www.example.org:443").http and not endpoint("www.example.org:9000").http
    assert not endpoint({"host": "www.example.org", "http": "no"}).http


@pytest.mark.parametrize(("item", "said"), [
    ("", "host is missing"), ({}, "host is missing"), ("a b", "not an endpoint"), ("a:b", "not a port"),
    ("a:0", "not a port"), ("a:65536", "not a port"),
    ("x://a", "x:// is not known"), ("https://ann:Pa55w0rd@a/", "a login has no place"),
    ({"host": "a", "nonsense": 1}, "unknown nonsense"), (7, "not text"),
    ({"host": "a", "starttls": "gopher"}, "not known"), ({"host": "a", "address": "b"}, "not an IP address"),
    ({"host": "a", "sni": "https://b.example.org:8443"}, "a URL is not a host"),
    ({"host": "a", "resolve": "some"}, "not known"),
    ({"host": "a", "renewal": "magic"}, "not known"), ({"host": "a", "http": "perhaps"}, "neither"),
    ({"host": "a", "expect_serial": "xyz"}, "not a serial"),
    ({"host": "a", "expect_fingerprint": "ab"}, "not a SHA-256"), ("1:2:3", "not an endpoint"),
])
def test_endpoints_of_no_use(item: t.Any, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        endpoint(item)
    assert said in raised.value.message and "endpoints[0]" in raised.value.message and "Pa55w0rd" not in str(raised.value)


def test_terms_come_from_the_entry_then_from_all() -> None:
    own = {"host": "a", "renewal": "acme", "warning_days": 5, "critical_days": 1}
    found = endpoint(own, warning_days=60, renewal="manual", ca_path="/all.pem")
    assert found.terms.renewal == "acme" and found.terms.thresholds.warning_days == 5 and found.terms.ca_path == "/all.pem"
    assert endpoint("a", warning_days=60).terms.thresholds.warning_days == 60


@pytest.mark.parametrize(("value", "found"), [
    (None, ""), ("", ""), ("0a:1b", "0A1B"), ("A1B", "0A1B"), ("0x000A1B", "0A1B"), ("00", "00"), (" ab CD ", "ABCD"),
])
def test_serials_are_of_one_form(value: t.Any, found: str) -> None:
    assert as_serial(value) == found


@pytest.mark.parametrize("value", [12, 1.5, "0b2g", "-1", "F" * 65])
def test_serials_of_no_use(value: t.Any) -> None:
    with pytest.raises(BadInput):
        as_serial(value)


def test_fingerprints() -> None:
    assert as_fingerprint(":".join(["AB"] * 32)) == "ab" * 32


def test_proxies() -> None:
    assert parse_proxy("http://proxy.example.org:8080/", where="x") == ("proxy.example.org", 8080)
    assert parse_proxy("[2001:db8::1]:8080", where="x") == ("2001:db8::1", 8080) and parse_proxy(None, where="x") == ("", 0)
    for bad in ("socks5://a:1", "http://u:p@a:1"):
        with pytest.raises(BadInput) as raised:
            parse_proxy(bad, where="x")
        assert "u:p" not in raised.value.message


def test_nothing_to_look_at() -> None:
    with pytest.raises(BadInput):
        targets_from({"endpoints": []})


@pytest.mark.parametrize("pair", [
    {"endpoint": "a"}, {"file": "/a.pem"}, {"endpoint": "a", "file": "/*.pem"}, {"endpoint": "a", "file": "/a.pem", "relod": "x"}, "a",
])
def test_pairs_of_no_use(pair: t.Any) -> None:
    with pytest.raises(BadInput):
        targets_from({"pairs": [pair]})


OPTIONS = st.dictionaries(st.sampled_from(["host", "port", "address", "starttls", "names"]), st.text(max_size=20))


@settings(**BUSY)
@given(st.one_of(st.text(max_size=40), OPTIONS))
def test_whatever_is_stated_is_taken_or_refused(item: t.Any) -> None:
    try:
        found = endpoint(item)
    except BadInput:
        return
    assert found.host and 0 < found.port < 65536


def test_two_protocols_at_one_address_have_two_names() -> None:
    endpoints = ["smtp://mx.example.org:587", {"host": "mx.example.org", "port": 587}, "www.example.org", "https://www.example.org"]
    labels = [one.label for one in targets_from({"endpoints": endpoints}).endpoints]
    assert labels == ["mx.example.org:587 (smtp)", "mx.example.org:587 (TLS)", "www.example.org:443", "www.example.org:443"]


def test_two_names_at_one_address_have_two_names_and_pairs_have_them_too() -> None:
    found = targets_from({
        "endpoints": [{"host": "192.0.2.7", "sni": "a.example.org"}, {"host": "192.0.2.7", "sni": "b.example.org"}, "smtp://mx.example.org"],
        "pairs": [{"endpoint": "mx.example.org:25", "file": "/a.pem"}, {"endpoint": "www.example.org", "file": "/b.pem"}],
    })
    assert [one.label for one in found.endpoints] == [
        "192.0.2.7:443 (a.example.org)", "192.0.2.7:443 (b.example.org)", "mx.example.org:25 (smtp)",
    ]
    assert [one.endpoint.label for one in found.pairs] == ["mx.example.org:25 (TLS)", "www.example.org:443"]


@pytest.mark.parametrize("item", ["www.example.org.:443", "\ufeffwww.example.org", "https://www.example.org./",
                                  "https://www.example.org?x=1", {"host": "www.example.org", "sni": "\ufeffwww.example.org."}])
def test_marks_and_dots_are_no_part_of_a_name(item: t.Any) -> None:
    (endpoint,) = targets_from({"endpoints": [item]}).endpoints
    assert (endpoint.host, endpoint.server_name, endpoint.port) == ("www.example.org", "www.example.org", 443)
