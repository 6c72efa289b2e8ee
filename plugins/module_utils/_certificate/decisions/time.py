# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a certificate counts as about to expire, and how long public ones may live.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import types
import typing as t

from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, OK, WARNING
from .model import Cert

MANUAL, ACME, CERT_MANAGER = "manual", "acme", "cert-manager"
DAY = 86400.0


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """Time left at which a certificate is a finding. Of days and percent the one that comes later in time decides."""

    warning_days: float = 30.0
    warning_percent: float = 33.0
    critical_days: float = 7.0
    critical_percent: float = 10.0

    def seconds(self, lifetime: float) -> tuple[float, float]:
        """Time left at which warning and critical begin for a certificate of this lifetime, all in seconds."""
        warning = min(self.warning_days * DAY, self.warning_percent / 100.0 * lifetime)
        critical = min(self.critical_days * DAY, self.critical_percent / 100.0 * lifetime)
        return warning, critical

    def judge(self, *, left: float, lifetime: float) -> tuple[str, float]:
        """The status, and the time left that decided it (for ok: at which warning begins), seconds."""
        warning, critical = self.seconds(lifetime)
        if left <= critical:
            return CRITICAL, critical
        return (WARNING, warning) if left <= warning else (OK, warning)


#: By who renews. certbot and cert-manager renew when a third of the lifetime is left: a warning before they had a fair number of
#: tries would cry wolf, so that theirs begins later.
BY_RENEWAL: t.Mapping[str, Thresholds] = types.MappingProxyType({
    MANUAL: Thresholds(),
    ACME: Thresholds(warning_days=21.0, warning_percent=25.0),
    CERT_MANAGER: Thresholds(warning_days=21.0, warning_percent=25.0),
})
THRESHOLD_OPTIONS = tuple(field.name for field in dataclasses.fields(Thresholds))


def thresholds_from(stated: t.Mapping[str, t.Any], *, base: Thresholds, where: str = "") -> Thresholds:
    """Thresholds of which some are stated; those that are None or absent are the base's.

    Raises:
        BadInput: names the option: no number, negative, over 100 percent, or critical before warning.
    """
    found = dataclasses.replace(base, **{
        name: _number(stated[name], name=name, where=where) for name in THRESHOLD_OPTIONS if stated.get(name) is not None
    })
    for unit in ("days", "percent"):
        if getattr(found, f"critical_{unit}") > getattr(found, f"warning_{unit}"):
            raise BadInput(
                f"{where}critical_{unit} is above warning_{unit} ({getattr(found, f'warning_{unit}'):g}).",
                hint="Critical is what comes later, with less time left.", argument=f"critical_{unit}",
            )
    return found


def _number(value: t.Any, *, name: str, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number <= (100 if name.endswith("percent") else 36500):
        raise BadInput(f"{where}{name}: {value!r} is not a usable number.", hint="Give days, or percent from 0 to 100.", argument=name)
    return number


def _utc(year: int, month: int, day: int) -> datetime.datetime:
    return datetime.datetime(year, month, day, tzinfo=datetime.timezone.utc)


#: CA/Browser Forum, Baseline Requirements 6.3.2 as changed by ballots 193, SC-031 and SC-081v3: issued from this day on, at most
#: so many days.
LIFETIMES: tuple[tuple[datetime.datetime, int], ...] = (
    (_utc(2029, 3, 15), 47),
    (_utc(2027, 3, 15), 100),
    (_utc(2026, 3, 15), 200),
    (_utc(2020, 9, 1), 398),
    (_utc(2018, 3, 1), 825),
)
#: Policies of the CA/Browser Forum begin so; every public server certificate carries one (Baseline Requirements 7.1.6.1).
_PUBLIC_POLICY = "2.23.140.1."


def allowed_days(not_before: datetime.datetime) -> t.Optional[int]:
    """How long a public certificate issued then may live, days; None before there was such a rule."""
    return next((days for since, days in LIFETIMES if not_before >= since), None)


def is_public(cert: Cert) -> bool:
    """Whether a certificate says itself that a public CA issued it."""
    return cert.has_scts or any(policy.startswith(_PUBLIC_POLICY) for policy in cert.policies)


def too_long(cert: Cert) -> t.Optional[int]:
    """The days that it may live if it is public and lives longer; else None. A second over counts as a further day."""
    days = allowed_days(cert.not_before)
    return days if days is not None and not cert.is_ca and is_public(cert) and cert.lifetime > days * DAY else None
