# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate is about to expire, and how long public ones may live."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.time import (
    BY_RENEWAL,
    DAY,
    Thresholds,
    allowed_days,
    thresholds_from,
    too_long,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput

from tests.support.plain_certs import cert

UTC = datetime.timezone.utc  # noqa: UP017


@pytest.mark.parametrize(("renewal", "lifetime", "left", "status"), [
    ("manual", 6, 4, "ok"), ("manual", 6, 1.9, "warning"), ("manual", 6, 0.5, "critical"),
    ("manual", 90, 31, "ok"), ("manual", 90, 29, "warning"), ("manual", 90, 6.9, "critical"),
    ("manual", 200, 31, "ok"), ("manual", 200, 20, "warning"), ("manual", 200, 7, "critical"),
    ("manual", 3650, 31, "ok"), ("manual", 3650, 29, "warning"),
    ("acme", 90, 29, "ok"), ("acme", 90, 20, "warning"), ("acme", 90, 6, "critical"),
    ("acme", 6, 4, "ok"), ("acme", 6, 1.6, "ok"), ("acme", 6, 1.4, "warning"), ("acme", 6, 0.5, "critical"),
    ("acme", 200, 20, "warning"), ("cert-manager", 90, 25, "ok"), ("cert-manager", 90, 20, "warning"),
    ("cert-manager", 1, 0.3, "ok"), ("cert-manager", 1, 0.2, "warning"), ("cert-manager", 1, 0.1, "critical"),
])
def test_the_later_of_days_and_percent_decides(renewal: str, lifetime: float, left: float, status: str) -> None:
    assert BY_RENEWAL[renewal].judge(left=left * DAY, lifetime=lifetime * DAY)[0] == status


def test_stated_thresholds_replace_what_they_name() -> None:
    found = thresholds_from({"warning_days": 45, "critical_percent": None}, base=Thresholds())
    assert (found.warning_days, found.warning_percent, found.critical_percent) == (45, 33, 10)


@pytest.mark.parametrize("stated", [
    {"warning_days": -1}, {"warning_percent": 101}, {"critical_days": 40}, {"critical_percent": 50}, {"warning_days": "soon"},
    {"warning_days": True}, {"warning_days": float("nan")},
])
def test_thresholds_of_no_use(stated: dict[str, t.Any]) -> None:
    with pytest.raises(BadInput) as raised:
        thresholds_from(stated, base=Thresholds(), where="endpoints[0].")
    assert "endpoints[0]." in raised.value.message


@pytest.mark.parametrize(("issued", "days"), [
    ((2017, 1, 1), None), ((2018, 3, 1), 825), ((2020, 8, 31), 825), ((2020, 9, 1), 398), ((2026, 3, 14), 398), ((2026, 3, 15), 200),
    ((2027, 3, 14), 200), ((2027, 3, 15), 100), ((2029, 3, 14), 100), ((2029, 3, 15), 47), ((2040, 1, 1), 47),
])
def test_lifetimes_by_date_of_issue(issued: tuple[int, int, int], days: int | None) -> None:
    start = datetime.datetime(*issued, tzinfo=UTC)
    assert allowed_days(start) == days
    public = ("2.23.140.1.2.1",)
    if days is not None:
        assert too_long(cert(not_before=start, days=days, policies=public)) is None
        assert too_long(cert(not_before=start, days=days + 1 / 86400, policies=public)) == days


def test_only_public_leaves_are_held_to_it() -> None:
    assert too_long(cert(days=5000)) is None
    assert too_long(cert(days=5000, has_scts=True)) == 398
    assert too_long(cert(days=5000, policies=("2.23.140.1.2.2",))) == 398
    assert too_long(cert(days=5000, policies=("2.23.140.1.2.2",), is_ca=True)) is None
