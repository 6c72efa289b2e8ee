# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenarios: every playbook of the collection, under its name with dashes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame import needs
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.needs import Need
from ansible_collections.oncall.incident.plugins.plugin_utils._record.phases import MITIGATE, PHASES

from ..errors import Stop

_DESCRIPTION = re.compile(r"(?mi)^#\s*description:\s*(.+?)\s*$")
_ITS_PHASES = re.compile(r"(?m)^#\s*phases:\s*(.+?)\s*$")
_PLAY_NAME = re.compile(r"(?m)^-\s*name:\s*['\"]?(.+?)['\"]?\s*$")


@dataclasses.dataclass(frozen=True)
class Scenario:
    """One playbook.

    Attributes:
        name: with dashes, as it is typed and as the run id has it.
        description: one line.
        playbook: what ansible-playbook is given: the full collection name, or the path of a file of the user's.
        needs: what must be installed, and where.
        phases: those that it has; a `# phases:` line names them where it has not all.
    """

    name: str
    description: str
    playbook: str
    needs: Sequence[Need] = ()
    phases: Sequence[str] = PHASES

    @property
    def only_looks(self) -> bool:
        """It plans and changes nothing."""
        return MITIGATE not in self.phases


def listed(collection: Path) -> list[Scenario]:
    """The collection's scenarios by name; a playbook whose name begins with an underscore is a part, not a scenario."""
    return [
        Scenario(path.stem.replace("_", "-"), describe(path), f"oncall.incident.{path.stem}", needs.read(_text(path)), its_phases(path))
        for path in sorted((collection / "playbooks").glob("*.yml")) if not path.name.startswith("_")
    ]


def describe(path: Path) -> str:
    """The playbook's `# description:` line, else its first play's name."""
    text = _text(path)
    found = _DESCRIPTION.search(text) or _PLAY_NAME.search(text)
    return found.group(1) if found else ""


def its_phases(path: Path) -> tuple[str, ...]:
    """The phases of a playbook: those of its `# phases:` line, else all."""
    found = _ITS_PHASES.search(_text(path))
    named = re.findall(r"\w+", found.group(1)) if found else ()
    return tuple(phase for phase in PHASES if phase in named) or PHASES


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return ""


def choose(name: str, *, collection: Path, cwd: Path) -> Scenario:
    """The scenario of that name, or the playbook file at that path.

    Raises:
        Stop: there is none; the message suggests what was probably meant.
    """
    known = {scenario.name: scenario for scenario in listed(collection)}
    wanted = name.removeprefix("oncall.incident.").replace("_", "-")
    if wanted in known:
        return known[wanted]
    path = cwd / Path(name).expanduser()
    if path.suffix in (".yml", ".yaml") or "/" in name:
        if path.is_file():
            return Scenario(_as_name(path.stem), describe(path), str(path.resolve()), phases=its_phases(path))
        raise Stop(f"{name}: there is no such playbook file.", hint=f"Looked for {path}. The scenarios are: {', '.join(known)}.")
    meant = suggest(wanted, known, likeness=0.5)
    raise Stop(f"{name}: there is no such scenario.", hint=f"{meant}The scenarios are: {', '.join(known) or 'none'}.")


def _as_name(stem: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-") or "playbook"
