# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.moments import moment, since_from


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, None),
        ("", None),
        (12, 12.0),
        ("12.5", 12.5),
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-01", 0.0),
    ],
)
def test_since(value: object, wanted: float | None) -> None:
    assert since_from(value) == wanted


def test_since_must_be_a_time() -> None:
    with pytest.raises(BadInput, match="since"):
        since_from("yesterday")


@pytest.mark.parametrize(("text", "wanted"), [
    ("1970-01-01T00:00:01.123456789Z", 1.123456), ("1970-01-01T00:00:01.123456789+00:00", 1.123456), ("never", None), ("", None),
])
def test_what_docker_writes(text: str, wanted: float | None) -> None:
    assert moment(text) == wanted
