# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are in an incident's folder.

    <home>/incidents/<ID>/lock              held by who writes
    <home>/incidents/<ID>/custody/*.jsonl   who opened, collected, sealed, looked, copied: beside the bag
    <home>/incidents/<ID>/bundle/           the bag
    <home>/incidents/<ID>/report/           what is rendered later: outside the bag
"""

from __future__ import annotations

from pathlib import Path

EVENTS = "events"
CUSTODY = "custody"


def incidents_dir(home: Path) -> Path:
    """The directory that holds all incidents of a home."""
    return home / "incidents"


def bundle(folder: Path) -> Path:
    """The bag of an incident's folder."""
    return folder / "bundle"


def data(folder: Path) -> Path:
    """The bag's payload."""
    return bundle(folder) / "data"


def folder_of(path: Path) -> Path | None:
    """The incident's folder that a path is, or is the bag of; None for another path."""
    for candidate in (path, path.parent):
        if (candidate / "bundle" / "data" / "incident.json").is_file():
            return candidate
    return None


def is_bundle(path: Path) -> bool:
    """Whether a directory is the bag of an incident, sealed or not."""
    return (path / "data" / "incident.json").is_file()
