# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that a certificate is for."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.names import matches, missing

from tests.support.plain_certs import cert


@pytest.mark.parametrize(("name", "dns", "yes"), [
    ("www.example.org", ["www.example.org"], True), ("WWW.Example.ORG.", ["www.example.org"], True),
    ("www.example.org", ["*.example.org"], True), ("a.b.example.org", ["*.example.org"], False), ("example.org", ["*.example.org"], False),
    ("www.example.org", ["w*.example.org"], False), ("www.example.org", ["*"], False), ("org", ["*.org"], False),
    ("x.org", ["*.org"], False), ("", ["*.example.org"], False), (".example.org", ["*.example.org"], False),
    ("b\u00fccher.example.org", ["xn--bcher-kva.example.org"], True), ("*.example.org", ["*.example.org"], True),
    ("192.0.2.1", ["192.0.2.1"], False),
])
def test_host_names(name: str, dns: list[str], yes: bool) -> None:
    assert matches(name, cert(dns_names=tuple(dns))) is yes


def test_the_common_name_does_not_count() -> None:
    assert not matches("www.example.org", cert(common_name="www.example.org"))


@pytest.mark.parametrize(("name", "yes"), [
    ("192.0.2.1", True), ("192.0.2.2", False), ("2001:db8::1", True), ("[2001:DB8:0::1]", True), ("2001:db8::1%eth0", True),
])
def test_addresses(name: str, yes: bool) -> None:
    assert matches(name, cert(ip_addresses=("192.0.2.1", "2001:db8::1"))) is yes


def test_missing() -> None:
    assert missing(["a.example.org", "b.example.org"], cert(dns_names=("a.example.org",))) == ["b.example.org"]
