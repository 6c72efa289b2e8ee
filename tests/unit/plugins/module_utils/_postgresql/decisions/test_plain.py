# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drivers' values become JSON's."""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import json
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.plain import plain

NAIVE = datetime.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - a timestamp without a zone
EAST = datetime.timezone(datetime.timedelta(hours=2))


@pytest.mark.parametrize(("value", "expected"), [
    (None, None), (True, True), (3, 3), (1.5, 1.5), ("x", "x"),
    (decimal.Decimal("3"), 3), (decimal.Decimal("1.25"), 1.25), (decimal.Decimal("NaN"), None), (decimal.Decimal("Infinity"), None),
    (datetime.datetime(2026, 1, 2, 3, 4, 5, 6, EAST), "2026-01-02T01:04:05.000006+00:00"),
    (NAIVE, "2026-01-02T03:04:05.000000"),
    (datetime.timedelta(minutes=1, milliseconds=5), 60.005),
    (b"caf\xe9", "caf\ufffd"), (memoryview(b"ab"), "ab"), (bytearray(b"c"), "c"),
    ((1, decimal.Decimal("2")), [1, 2]), ({2, 1}, [1, 2]), ({1: {b"k": (1,)}}, {"1": {"k": [1]}}),
    (ipaddress.ip_address("192.0.2.1"), "192.0.2.1"),
])
def test_plain(value: Any, expected: Any) -> None:
    assert plain(value) == expected
    json.dumps(plain(value))
