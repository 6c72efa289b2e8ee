# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons that ban, behind one face: fail2ban and CrowdSec.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import os
import platform
import re
import time
import typing as t

from .._core.addresses import Span, read_network
from .._core.durations import format_duration
from .._core.errors import CannotReach
from .._core.excerpt import read_end
from .._core.log_grammars import GENERIC, GRAMMARS
from .._module.programs import find, run
from .client import Clock, Server
from .database import MAX_LINES, Stored, Unkept, read_bans, tidy
from .decisions.replies import Ban

FAIL2BAN, CROWDSEC = "fail2ban", "crowdsec"
#: Entries in one command: the server runs an action for each before it answers, and the deadline is looked at in between.
GROUP = 50
_LOG_BYTES = 256 * 1024
_ADDRESS_IN_LINE = re.compile(r"[0-9A-Fa-f:.]{3,}")
_GO_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(h|ms|µs|us|ns|m|s)")
_GO_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "us": 1e-6, "ns": 1e-9}


class Backend(t.Protocol):
    """What a daemon can be asked and told."""

    name: str
    resource: str
    clock: Clock
    #: The directory that everybody shares who acts on it; it need not be there.
    shared: str
    #: Seconds within which the packet filter follows the daemon.
    settles_within: float

    def describe(self) -> dict[str, t.Any]:
        """For results."""

    def jails(self) -> list[str]:
        """The names of its jails; CrowdSec's are the scenarios of its decisions."""

    def bans(self, jails: t.Sequence[str]) -> list[Ban]:
        """What these jails ban now."""

    def bans_again(self, jails: t.Sequence[str]) -> list[Ban]:
        """What there is now of bans that concern these jails, read afresh: CrowdSec's new decision may have any scenario."""

    def unban(self, bans: t.Sequence[Ban]) -> set[tuple[str, str, str]]:
        """Tell it to lift bans; the keys of those that it was told of before the time was up."""

    def stored(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], Stored]:
        """What would outlive a restart; raises Unreadable."""

    def lines(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], list[str]]:
        """The last lines of the logs about them."""

    def is_recidive(self, jail: str) -> bool:
        """Whether the jail bans those that other jails banned often."""

    def reopen(self) -> None:
        """Begin a new connection, since the one that there was broke."""

    def close(self) -> None:
        """Let go of it."""


class Fail2ban:
    """A fail2ban server."""

    name = FAIL2BAN
    settles_within = 0.0

    def __init__(self, server: Server) -> None:
        self.server = server
        self.clock = server.clock
        self.resource = f"fail2ban:{platform.node()}:{server.path}"
        self.shared = os.path.dirname(server.path)
        self._logs: dict[str, list[str]] = {}
        self._own_log: str | None = None

    def describe(self) -> dict[str, t.Any]:
        """For results."""
        return {"name": self.name, "version": self.server.version(), "via": self.server.via, "notes": self.server.notes,
                "commands": self.server.commands, "resource": self.resource}

    def jails(self) -> list[str]:
        """Their names."""
        return self.server.jails()

    def bans(self, jails: t.Sequence[str]) -> list[Ban]:
        """What they ban now."""
        return [ban for jail in jails for ban in self.server.bans(jail)]

    def bans_again(self, jails: t.Sequence[str]) -> list[Ban]:
        """The same: it keeps nothing."""
        return self.bans(jails)

    def unban(self, bans: t.Sequence[Ban]) -> set[tuple[str, str, str]]:
        """Lift bans jail by jail, in groups, in the server's own spelling."""
        told: set[tuple[str, str, str]] = set()
        by_jail: dict[str, list[Ban]] = {}
        for ban in bans:
            by_jail.setdefault(ban.jail, []).append(ban)
        for jail, listed in by_jail.items():
            for start in range(0, len(listed), GROUP):
                part = listed[start:start + GROUP]
                if self.clock.passed():
                    return told
                self.server.ask("set", jail, "unbanip", *(ban.entry for ban in part))
                told |= {ban.key for ban in part}
        return told

    def stored(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], Stored]:
        """What its database has."""
        path = self.server.database()
        if path is None:
            raise Unkept("fail2ban keeps no database")
        return read_bans(path, bans)

    def lines(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], list[str]]:
        """The last lines about them in the logs that their jails read."""
        found: dict[tuple[str, str], list[str]] = {}
        for jail in {ban.jail for ban in bans}:
            spans = {ban.span: ban.entry for ban in bans if ban.jail == jail and ban.span is not None}
            for path in self.logs(jail):
                for entry, line in _lines_about(path, spans):
                    found.setdefault((jail, entry), []).append(line)
        return {key: lines[-MAX_LINES:] for key, lines in found.items()}

    def logs(self, jail: str) -> list[str]:
        """The files that a jail reads; none where it reads the journal."""
        if jail not in self._logs:
            self._logs[jail] = self.server.texts(jail, "logpath")
        return self._logs[jail]

    def is_recidive(self, jail: str) -> bool:
        """By its name, or because it reads fail2ban's own log."""
        if "recidive" in jail.lower():
            return True
        if self._own_log is None:
            self._own_log = str(self.server.ask("get", "logtarget") or "")
        return any(path == self._own_log for path in self.logs(jail))

    def reopen(self) -> None:
        """A new connection."""
        self.server.reopen()

    def close(self) -> None:
        """Let go of the connection."""
        self.server.close()


class CrowdSec:
    """CrowdSec's local API, by cscli: the same questions, other words."""

    name = CROWDSEC
    #: Bouncers fetch decisions every ten seconds unless told otherwise.
    settles_within = 15.0

    def __init__(self, command: t.Sequence[str], clock: Clock) -> None:
        self._command = list(command) or ["cscli"]
        self.clock = clock
        self.resource = f"crowdsec:{platform.node()}"
        self.shared = "/etc/crowdsec"
        self._seen: list[Ban] | None = None
        self._reasons: dict[str, str] = {}

    def describe(self) -> dict[str, t.Any]:
        """For results."""
        ran = run([*self._command, "version"], seconds=self.clock.remaining())
        version = re.search(r"v?(\d+\.\d+\.\d+)", ran.out + ran.err)
        return {"name": self.name, "version": version[1] if version else "", "via": self._command[0], "notes": [],
                "resource": self.resource}

    def jails(self) -> list[str]:
        """The scenarios of the decisions there are."""
        return sorted({ban.jail for ban in self._decisions()})

    def bans(self, jails: t.Sequence[str]) -> list[Ban]:
        """The decisions of these scenarios."""
        return [ban for ban in self._decisions() if ban.jail in jails]

    def bans_again(self, jails: t.Sequence[str]) -> list[Ban]:
        """Every decision there is now."""
        self._seen = None
        return list(self._decisions())

    def unban(self, bans: t.Sequence[Ban]) -> set[tuple[str, str, str]]:
        """Delete decisions one by one, by their ids: by address cscli would take covering ones too."""
        told: set[tuple[str, str, str]] = set()
        self._seen = None
        for ban in bans:
            if self.clock.passed():
                break
            self._cscli(["decisions", "delete", "--id", ban.id])
            told.add(ban.key)
        return told

    def ban(self, network: str, *, seconds: float, reason: str) -> None:
        """Add a decision."""
        self._seen = None
        scope = ["--range", network] if "/" in network else ["--ip", network]
        duration = f"{max(int(seconds), 1)}s"
        self._cscli(["decisions", "add", *scope, "--duration", duration, "--reason", reason, "--type", "ban"])

    def stored(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], Stored]:
        """Its decisions are its database: what is listed is what is stored."""
        self._seen = None
        keys = {ban.key for ban in self._decisions()}
        return {(ban.jail, ban.entry): Stored() for ban in bans if ban.key in keys}

    def lines(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], list[str]]:
        """The decision's own reason; the logs are CrowdSec's parsers', not kept."""
        return {(ban.jail, ban.entry): [tidy(self._reasons[ban.id], GENERIC)] for ban in bans if ban.id in self._reasons}

    def is_recidive(self, jail: str) -> bool:
        """It has no such thing."""
        return False

    def reopen(self) -> None:
        """There is no connection."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _decisions(self) -> list[Ban]:
        if self._seen is None:
            self._seen = decisions_of(self._cscli(["decisions", "list", "-a", "--limit", "0", "-o", "json"]), now=time.time())
            self._reasons = {ban.id: f"{ban.jail}, ends in {format_duration((ban.ends_at or 0) - time.time())}" for ban in self._seen}
        return self._seen

    def _cscli(self, words: t.Sequence[str]) -> str:
        ran = run([*self._command, *words], seconds=self.clock.need(doing=" ".join(words[:2])))
        if ran.problem:
            raise CannotReach(f"cscli {' '.join(words[:2])}: {ran.problem}.", hint="See whether crowdsec runs, and use become.",
                              reason="no_client" if ran.missing else "refused")
        return ran.out


def decisions_of(text: str, *, now: float) -> list[Ban]:
    """The bans in the answer to `cscli decisions list -o json`: alerts with their decisions.

    Raises:
        CannotReach: it is not JSON.
    """
    try:
        alerts = json.loads(text.strip() or "null")
    except (ValueError, RecursionError) as exc:
        raise CannotReach(f"cscli's answer cannot be read: {exc}.", reason="protocol") from exc
    found = []
    for alert in alerts if isinstance(alerts, list) else ():
        decisions = alert.get("decisions") if isinstance(alert, dict) else None
        for one in decisions if isinstance(decisions, list) else ():
            if not isinstance(one, dict) or one.get("type") != "ban" or str(one.get("scope", "")).lower() not in ("ip", "range"):
                continue
            entry = str(one.get("value", ""))
            network = read_network(entry)
            left = go_seconds(str(one.get("duration", "")))
            # The list tells how long a decision still lasts, so its end is what stays the same between two looks.
            found.append(Ban(
                jail=str(one.get("scenario", "")), entry=entry, span=Span.of(network) if network is not None else None,
                seconds=None if left is None else int(left), ends_at=None if left is None else round(now + left), id=str(one.get("id", "")),
            ))
    return found


def go_seconds(text: str) -> float | None:
    """Seconds of a duration as Go writes it: 3h59m59.07s."""
    parts = _GO_DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _GO_UNITS[unit] for number, unit in parts)


def _lines_about(path: str, spans: t.Mapping[Span, str]) -> t.Iterator[tuple[str, str]]:
    try:
        text = read_end(path, max_bytes=_LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    for line in text.splitlines():
        for word in _ADDRESS_IN_LINE.findall(line):
            network = read_network(word.strip(".:")) or read_network(word)
            entry = spans.get(Span.of(network)) if network is not None and network.num_addresses == 1 else None
            if entry is not None:
                yield entry, tidy(line, GRAMMARS[FAIL2BAN])
                break


def alone(backend: Backend) -> t.ContextManager[None]:
    """Nobody else of ours acts on a daemon meanwhile. Nothing is written for it.

    Whoever reaches a daemon shares its directory, also from a container that has it mounted and shares no directory for locks.

    Raises:
        Locked: somebody else does.
    """
    # Who only looks need not load it.
    from .._module.lease import acting_alone

    return acting_alone(backend.resource, by=backend.shared if os.path.isdir(backend.shared) else "")


def has_crowdsec(command: t.Sequence[str]) -> bool:
    """Whether cscli is on this host."""
    return find((list(command) or ["cscli"])[0]) is not None
