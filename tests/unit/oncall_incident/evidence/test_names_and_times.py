# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""File names that are safe anywhere, and times as people type them."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.safe import safe_name

from oncall_incident.errors import Stop
from oncall_incident.evidence import names, times

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize("given", [
    "", ".", "..", "../x", "/etc/passwd", "-rf", "web 1", "a\nb", "a\0b", "größe",
    "x" * 500, "=41", "A", "%2e%2e", "~root", "a\\b", "\udcff",
    "CON", ".hidden", "+x", "@x",
])
def test_any_name_becomes_safe(given: str) -> None:
    made = safe_name(given)
    assert names.is_safe(made) and len(made) <= 120 and made not in (".", "..")


def test_different_names_stay_different() -> None:
    given = ["a b", "a=20b", "a_b", "A B", "a  b", "x" * 200, "x" * 201, "", "=00", ".", "=2E", "_=2E", "_", "=", "_=3D"]
    assert len({safe_name(name) for name in given}) == len(given)


def test_a_safe_name_stays_as_it_is() -> None:
    assert safe_name("db1.example.org") == "db1.example.org"


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/../b", "a b", "", "a/", "a/.b"])
def test_paths_that_leave_or_hide_are_not_safe(path: str) -> None:
    assert not names.is_safe_path(path)


@pytest.mark.parametrize(("given", "expected"), [
    ("now", NOW), ("10m ago", NOW - datetime.timedelta(minutes=10)), ("2026-11-24T10:15:00Z", NOW.replace(hour=10, minute=15)),
    ("2026-11-24 10:15:00+02:00", NOW.replace(hour=8, minute=15)),
])
def test_times_as_typed(given: str, expected: datetime.datetime) -> None:
    assert times.typed(given, at=NOW) == expected


def test_a_clock_time_is_the_last_one_that_was() -> None:
    local = NOW.astimezone()
    earlier, later = local - datetime.timedelta(hours=1), local + datetime.timedelta(hours=1)
    assert times.typed(earlier.strftime("%H:%M"), at=NOW) == earlier.replace(second=0, microsecond=0)
    assert times.typed(later.strftime("%H:%M"), at=NOW) == later.replace(second=0, microsecond=0) - datetime.timedelta(days=1)


@pytest.mark.parametrize("given", ["", "soon", "25:99", "2026-13-01", "10 parsecs ago", "2199-01-01T00:00:00Z", "2026"])
def test_what_is_no_time_is_refused(given: str) -> None:
    with pytest.raises(Stop):
        times.typed(given, at=NOW)


def test_nanoseconds_of_alertmanager_are_read() -> None:
    assert times.text(times.parse("2026-01-05T11:00:00.123456789Z")) == "2026-01-05T11:00:00.123Z"
