# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prometheus' text format: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from __future__ import annotations


def labels(**given: str) -> str:
    """The labels of a sample, escaped; an empty one is as if it were not there."""
    escaped = (
        (name, str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for name, value in given.items() if value != ""
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped) + "}"
