# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is written into the custody chain fits into one line, whatever its texts are."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record.blobs import SPILL_BYTES
from ansible_collections.oncall.incident.plugins.plugin_utils._record.line import encode

from oncall_incident.evidence.incident import bounded

#: The shortest secret that is taken out makes way for a token of 23 characters.
LONGER = 5


@pytest.mark.parametrize("payload", [
    {"title": "x" * 100_000}, {"title": "\ud800" * 100_000}, {"why": "\udce9\x07" * 50_000},
    {"files": [f"runs/{n:0100d}" for n in range(5000)]}, {"notes": ["x" * 9000] * 50, "by": "y" * 90_000},
], ids=["title", "surrogates", "bytes", "files", "notes"])
def test_it_never_spills(payload: dict[str, Any]) -> None:
    assert len(encode(bounded(payload))) * LONGER < SPILL_BYTES


def test_what_fits_stays_as_it_is() -> None:
    payload = {"number": 1, "tagmanifest_sha256": "a" * 64, "signed": ["ann@ctl1"] * 15, "time": [], "notes": ["x" * 3000]}
    assert bounded(payload) == payload


def test_signers_and_sums_are_never_shortened() -> None:
    payload = {"tagmanifest_sha256": "a" * 64, "signed": [f"{n:0120d}" for n in range(20)], "notes": ["x" * 30_000] * 20}
    found = bounded(payload)
    assert (found["tagmanifest_sha256"], found["signed"]) == (payload["tagmanifest_sha256"], payload["signed"])
