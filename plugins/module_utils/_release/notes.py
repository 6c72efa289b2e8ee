# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our runs note of releases, in a file on the host: which was measured good, and when.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t

from .._core.errors import Blind
from .._module.kept import MOST_BYTES, read, replace
from .decisions.releases import Note

#: So many subjects, and so many releases of each, are kept: the newest.
_MOST_SUBJECTS, _MOST_RELEASES = 200, 100

Notes = t.Mapping[str, Note]


def notes_of(path: str, subject: str) -> Notes:
    """What is noted of the releases of a subject, by their ids; nothing where there is no file, or no path.

    Raises:
        Blind: there is a file, and it cannot be read.
    """
    return _read(path).get(subject, {}) if path else {}


def add(path: str, subject: str, release: str, note: Note) -> None:
    """Note that a release was measured good. Whoever calls holds the lock on the file.

    Raises:
        Blind: what is there cannot be read: it is not overwritten.
        OSError: it cannot be written.
    """
    found = _read(path)
    found[subject] = {**found.get(subject, {}), release: note}
    subjects = sorted(found, key=lambda one: -max((note.good_at for note in found[one].values()), default=0.0))[:_MOST_SUBJECTS]
    most = _MOST_RELEASES
    text = ""
    while not text or len(text) > MOST_BYTES:
        text = json.dumps({one: _kept(found[one], most) for one in subjects})
        most = most * 3 // 4
    replace(path, text, prefix=".releases-")


def _kept(notes: Notes, most: int) -> dict[str, dict[str, t.Any]]:
    latest = sorted(notes, key=lambda one: -notes[one].good_at)[:most]
    return {one: dataclasses.asdict(notes[one]) for one in latest}


def _read(path: str) -> dict[str, dict[str, Note]]:
    try:
        return {
            subject: {release: Note(float(said["good_at"]), str(said["run"])) for release, said in releases.items()}
            for subject, releases in read(path, of="notes").items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise Blind(
            f"{path}: {getattr(exc, 'strerror', None) or exc}",
            hint="Run as the user who wrote it. Where it is broken, move it away: which releases were measured good is then not known.",
        ) from exc
