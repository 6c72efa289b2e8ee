# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host is taken as it is usually written; what is more than a host is named with the arguments that take it."""

from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.hosts import read_host


@pytest.mark.parametrize(("given", "host"), [
    ("db1.example.org", "db1.example.org"), ("db1.example.org.", "db1.example.org"), (" 192.0.2.7 ", "192.0.2.7"),
    ("[2001:db8::7]", "2001:db8::7"), ("2001:db8::7", "2001:db8::7"), ("[fe80::7%eth0]", "fe80::7%eth0"), ("\ufeffdb1", "db1"), ("", ""),
])
def test_a_host(given: str, host: str) -> None:
    assert read_host(given, name="login_host") == host
    assert read_host(given, name="login_host", several=True) == host


@pytest.mark.parametrize(("given", "host"), [
    ("/run/postgresql", "/run/postgresql"), ("@abstract", "@abstract"), ("db1.,[2001:db8::7]", "db1,2001:db8::7"),
    ("/run/postgresql,db1", "/run/postgresql,db1"),
])
def test_what_libpq_takes(given: str, host: str) -> None:
    assert read_host(given, name="login_host", several=True) == host
    with pytest.raises(BadInput):
        read_host(given, name="login_host")


@pytest.mark.parametrize(("given", "said"), [
    ("redis://cache1.example.org:6380/0", "Give login_host: cache1.example.org and login_port: 6380."),
    ("rediss://ann:Pa55w0rd@[2001:db8::7]:6380", "Give login_host: 2001:db8::7 and login_port: 6380."),
    ("postgresql://db1.example.org/shop", "Give login_host: db1.example.org."),
    ("db1.example.org:5433", "Give login_host: db1.example.org and login_port: 5433."),
    ("[2001:db8::7]:6379", "Give login_host: 2001:db8::7 and login_port: 6379."),
    ("db1 db2", "is not a host"), ("2001:db8::zz", "is not a host"), ("db1/shop", "is not a host"),
])
def test_what_is_more_than_a_host(given: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_host(given, name="login_host")
    shown = f"{caught.value.message} {caught.value.hint}"
    assert said in shown and "Pa55w0rd" not in shown and caught.value.facts["argument"] == "login_host"
