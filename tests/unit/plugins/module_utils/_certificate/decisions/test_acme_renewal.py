# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renewal information."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.acme_renewal import (
    certificate_id,
    known_directory,
    read_renewal,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.plain_certs import cert

#: On a busy machine an example takes as long as it takes.
BUSY: t.Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def test_the_example_of_the_rfc() -> None:
    """RFC 9773 section 4.1."""
    key_id = "69885b6b87464041e1b37b847ba0ae2cde01c8d4"
    assert certificate_id(cert(issuer_key_id=key_id, serial="87654321")) == "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
    assert certificate_id(cert(issuer_key_id=key_id, serial="07")).endswith(".Bw")


def test_without_a_key_identifier_there_is_no_name() -> None:
    assert certificate_id(cert()) == "" and certificate_id(cert(issuer_key_id="ab", serial="-01")) == ""


def test_known_cas() -> None:
    assert "letsencrypt" in known_directory(cert(issuer="CN=R11,O=Let's Encrypt,C=US")) and known_directory(cert()) == ""


def test_windows() -> None:
    window = {"start": "2026-01-02T04:00:00Z", "end": "2026-01-03T04:00:00.123456789+02:00"}
    found = read_renewal({"suggestedWindow": window, "explanationURL": 5})
    assert found.start == datetime.datetime(2026, 1, 2, 4, tzinfo=datetime.timezone.utc) and found.end.hour == 2 and found.explanation == ""  # noqa: UP017


@pytest.mark.parametrize("said", [
    None, [], {}, {"suggestedWindow": []}, {"suggestedWindow": {"start": "x", "end": "y"}},
    {"suggestedWindow": {"start": "2026-01-02T04:00:00Z", "end": "2026-01-01T04:00:00Z"}},
    {"suggestedWindow": {"start": "2026-01-02T04:00:00", "end": "2026-01-03T04:00:00"}},
])
def test_windows_of_no_use(said: t.Any) -> None:
    with pytest.raises(ValueError):
        read_renewal(said)


@settings(**BUSY)
@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_a_ca_answers(start: str, end: str) -> None:
    try:
        read_renewal({"suggestedWindow": {"start": start, "end": end}})
    except ValueError:
        pass
