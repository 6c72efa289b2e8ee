# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ran: hashes and revisions of the playbook, the collection and the inventories. Hashes, since such files may hold secrets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, provenance
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import cleaned, to_bytes

from ..private import write_private
from . import bag
from .incident import Incident

_ROOMS = ("playbooks", "roles", "plugins", "meta")
_MOST_FILES = 5000
_SKIPPED = {"__pycache__", ".git"}


def keep(incident: Incident, *, playbook: str, collection: Path, versions: Mapping[str, str], project: Path) -> dict[str, Any]:
    """Write data/source/<digest>.json, once for the same source, and give what an event says of it."""
    file = Path(playbook)
    described = {
        "playbook": {"name": playbook, "sha256": bag.digest(file) if file.is_file() else None},
        "collection": {"revision": _revision(collection), "files": _digests(collection, _ROOMS)},
        "versions": dict(versions), "project": _revision(project),
        "project_roles": _digests(project, ("roles",)) if project.resolve() != collection.resolve() else {},
    }
    text = json.dumps(cleaned(described), indent=1, sort_keys=True) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    path = incident.data / "source" / f"{digest[:32]}.json"
    if not path.exists():
        layout.make_private(path.parent)
        write_private(path, text)
    return {"path": f"data/source/{path.name}", "sha256": digest}


def inventories(given: Iterable[str], *, cwd: Path) -> list[dict[str, Any]]:
    """Each inventory with the SHA-256 of its file, or of the list of its files' sums."""
    found = []
    for name in given:
        path = cwd / Path(name).expanduser()
        if "," in name:
            found.append({"inventory": name, "sha256": hashlib.sha256(to_bytes(name)).hexdigest()})
        elif path.is_file():
            found.append({"inventory": name, "sha256": _safely(path)})
        elif path.is_dir():
            found.append({"inventory": name, "sha256": hashlib.sha256(to_bytes(bag.manifest(_digests(path, (".",))))).hexdigest()})
    return found


def _revision(directory: Path) -> dict[str, str]:
    return provenance.git_revision(directory.resolve())


def _digests(root: Path, rooms: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for room in rooms:
        for path in sorted((root / room).rglob("*")):
            if len(found) >= _MOST_FILES:
                return found
            if path.is_file() and not path.is_symlink() and not _SKIPPED.intersection(path.parts):
                found[str(path.relative_to(root))] = _safely(path)
    return found


def _safely(path: Path) -> str:
    try:
        return bag.digest(path)
    except OSError:
        return ""
