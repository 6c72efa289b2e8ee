# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The incidents of a home: making one, finding one, going through all of them."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.errors import cannot_record

from ..errors import Stop
from . import bag, model, names, places, times
from .incident import Incident
from .policy import Policy

LATEST = "latest"
#: More incidents a day than this are somebody's loop.
_MOST_A_DAY = 9999


class Store:
    """The incidents under a home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = places.incidents_dir(home)

    def incidents(self) -> Iterator[Incident]:
        """All of them, the oldest first by name."""
        for name in self.names():
            yield Incident(self.directory / name)

    def has(self, folder: Path) -> bool:
        """Whether an incident's folder is one of this store, not a copy elsewhere."""
        return folder.resolve().parent == self.directory.resolve()

    def notes_looks(self, folder: Path) -> bool:
        """Whether looking at an incident is written into its custody: not of a copy elsewhere, nor where a pipe or a link was planted."""
        return self.has(folder) and not bag.walk(folder, places.CUSTODY).strange

    def find(self, given: str) -> Incident:
        """The incident of that id, of which that is the beginning, that is there, or `latest`.

        Raises:
            Stop: there is none, or several begin so.
        """
        folder = places.folder_of(Path(given).expanduser().absolute())
        if folder is not None:
            return Incident(folder)
        known = self.names()
        if given == LATEST and known:
            return Incident(max((self.directory / name for name in known), key=_opened))
        if given in known:
            return Incident(self.directory / given)
        beginning = [name for name in known if name.startswith(given)]
        if len(beginning) == 1:
            return Incident(self.directory / beginning[0])
        if beginning:
            raise Stop(f"{given}: {len(beginning)} incidents begin with that.", hint="They are: " + ", ".join(beginning[-5:]))
        meant = suggest(given, known)
        last = f"the last one is {known[-1]}." if known else "there are none yet; incident open makes one."
        raise Stop(f"{given}: there is no such incident.", hint=f"{meant}Incidents are kept in {self.directory}; {last}")

    def open(
        self, *, title: str, severity: str, policy: Policy, services: Sequence[str] = (), incident_id: str | None = None,
        at: datetime | None = None, began: datetime | None = None, alert: Mapping[str, Any] | None = None, how: str = "command",
    ) -> Incident:
        """Make an incident.

        Args:
            at: when it is opened: now, unless it is told later.
            began: when the alert fired.
            alert: what is kept of the alert.
            how: command, run, import.

        Raises:
            Stop: the id is taken or not usable.
            CannotRecord: it cannot be written.
        """
        level = policy.require(severity)
        moment = at or times.now()
        incident = Incident(self._make(incident_id, moment))
        channel = policy.channel_name(incident=incident.id, severity=level.name, title=title, at=moment)
        events: list[tuple[str, Mapping[str, Any]]] = [(model.OPENED, {
            "title": title, "severity": level.name, "services": list(services), "channel": channel, "at": times.text(moment), "how": how,
            "alert": alert, "policy": dict(policy.data),
        })]
        if began is not None:
            said = {"at": times.text(began), "source": "alert", "by": "alert"}
            events += [(model.MILESTONE, {"name": name, **said}) for name in ("alerted", "detected")]
        with incident.locked():
            layout.make_private(incident.data)
            incident.custody("opened", {"title": title, "how": how})
            incident.append_all(events)
            incident.write_json(json.dumps(incident.state().as_dict(), indent=1, sort_keys=True) + "\n")
        return incident

    def _make(self, incident_id: str | None, moment: datetime) -> Path:
        """A folder of its own: two operators at once get two."""
        layout.make_private(self.directory)
        if incident_id is not None:
            folder = self.directory / names.check_id(incident_id)
            if not _made(folder):
                raise Stop(f"--id {incident_id}: there is such an incident already.", hint="Leave --id out, or choose another.")
            return folder
        day = moment.strftime("%Y%m%d")
        taken = [int(name.rpartition("-")[2]) for name in self._folders(f"INC-{day}-") if name.rpartition("-")[2].isdigit()]
        for number in range(max(taken, default=0) + 1, _MOST_A_DAY + 1):
            if _made(folder := self.directory / f"INC-{day}-{number:04d}"):
                return folder
        raise Stop(f"There are {_MOST_A_DAY} incidents of {day} already.", hint="Something opens incidents in a loop: stop it.")

    def _folders(self, prefix: str = "") -> list[str]:
        try:
            found = [entry.name for entry in self.directory.iterdir()]
        except FileNotFoundError:
            return []
        return sorted(name for name in found if name.startswith(prefix) and not name.startswith("."))

    def names(self) -> list[str]:
        """The ids of all of them, sorted."""
        return [name for name in self._folders() if places.is_bundle(places.bundle(self.directory / name))]




def _opened(folder: Path) -> str:
    """When it was opened, without reading all of it."""
    for event in Incident(folder).events():
        if event.get("type") == model.OPENED:
            return str(event.get("at") or event.get("ts"))
    return ""


def _made(folder: Path) -> bool:
    try:
        folder.mkdir(mode=0o700)
    except OSError as exc:
        if exc.errno == errno.EEXIST:
            return False
        raise cannot_record(folder, exc, doing="make the directory of") from exc
    return True
