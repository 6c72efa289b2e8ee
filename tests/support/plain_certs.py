# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as plain data, for tests that need no real ones; runs on Python 3.9."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.model import Cert

#: A certificate for localhost, made once with openssl req -x509 -newkey ed25519.
DER = bytes.fromhex(
    "3082015330820105a0030201020214565274edd06001ac023fe4feb3513c8c666e9475300506032b657030143112301006035504030c096c6f63616c"
    "686f7374301e170d3236313132343131343933355a170d3336313132313131343933355a30143112301006035504030c096c6f63616c686f7374302a"
    "300506032b6570032100b13a151b7dd57183dea7c8a8b389e8c4c72b357da8ccf0e94e89133b9128fe8ea3693067301d0603551d0e04160414123eae"
    "73c64f5c15f7d4eafe9cb49a6660d58861301f0603551d23041830168014123eae73c64f5c15f7d4eafe9cb49a6660d58861300f0603551d130101ff"
    "040530030101ff30140603551d11040d300b82096c6f63616c686f7374300506032b6570034100a28306bcb6aa526ab0751fea875448051bff4f8f17"
    "ace2b2819f0906799351055182954578303d9fe1d0d1a6af55ededb9575a8c1404c70b852b1d2e3d432209"
)


def cert(**more: t.Any) -> Cert:
    """A certificate of 90 days from 2026 on, unless `not_before` or `days` say otherwise."""
    start = more.pop("not_before", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))  # noqa: UP017
    days = more.pop("days", 90)
    facts: dict[str, t.Any] = {"subject": "CN=a", "issuer": "CN=b", "subject_id": "a", "issuer_id": "b", "serial": "01", "fingerprint": "f"}
    return Cert(**{**facts, "not_before": start, "not_after": start + datetime.timedelta(days=days, seconds=-1), **more})
