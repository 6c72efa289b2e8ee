# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates as plain data, for tests that need no real ones; runs on Python 3.9."""

from __future__ import annotations

import datetime
import typing as t

from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.model import Cert


def cert(**more: t.Any) -> Cert:
    """A certificate of 90 days from 2026 on, unless `not_before` or `days` say otherwise."""
    start = more.pop("not_before", datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc))  # noqa: UP017
    days = more.pop("days", 90)
    facts: dict[str, t.Any] = {"subject": "CN=a", "issuer": "CN=b", "subject_id": "a", "issuer_id": "b", "serial": "01", "fingerprint": "f"}
    return Cert(**{**facts, "not_before": start, "not_after": start + datetime.timedelta(days=days, seconds=-1), **more})
