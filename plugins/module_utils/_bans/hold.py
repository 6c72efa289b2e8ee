# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep addresses from being banned for a while, and make sure beforehand that the while ends.

This module util is PRIVATE to the collection: it may change at any time.

An entry of a jail's ignore list that nobody takes out is a hole for ever. So the timer that takes it out comes first.
"""

from __future__ import annotations

import dataclasses
import shlex
import time
import typing as t
import uuid

from .._core.addresses import Span, read_network
from .._core.errors import BadInput, IncidentError
from .._module.programs import Run, find
from .client import Server

MAX_ENTRIES = 200
MIN_SECONDS, MAX_SECONDS = 10.0, 86400.0
RELOAD_WARNING = (
    "A reload or restart of fail2ban wipes the entries: the ignore list made at run time is not in its configuration. "
    "The timer then finds nothing to take out, which is harmless."
)
#: What systemd says of itself while it can run timers (systemctl(1), is-system-running).
_ALIVE = ("running", "degraded", "starting", "initializing", "maintenance")


UNIT = "oncall-incident-hold-"
_SAYS = "Lift the hold of oncall.incident at "


class HoldRefused(IncidentError):
    """Nothing could be made that would lift the hold; nothing was changed."""

    kind = "hold_refused"


@dataclasses.dataclass(frozen=True)
class Hold:
    """A hold that was made.

    Attributes:
        entries: jail and address, of those that were put in.
        already: those that the jail ignored before; the timer leaves them.
        ends_with: the unit of an earlier hold of ours that takes one of them out, whenever it was to, by jail and address.
        replaced: units of earlier holds whose entries this one has taken over.
    """

    seconds: float
    unit: str
    entries: tuple[tuple[str, str], ...]
    already: tuple[tuple[str, str], ...] = ()
    until: float = 0.0
    ends_with: t.Mapping[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    replaced: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        """The hold as it appears in results."""
        return {
            "seconds": self.seconds, "unit": self.unit, "until": self.until, "warning": RELOAD_WARNING,
            "entries": [{"jail": jail, "address": address} for jail, address in self.entries],
            "already_ignored": [
                {"jail": jail, "address": address,
                 **({"ends_with": self.ends_with[jail, address]} if (jail, address) in self.ends_with else {})}
                for jail, address in self.already
            ],
            "replaced": list(self.replaced),
        }


def check(seconds: float, *, run: Run, client_command: t.Sequence[str]) -> None:
    """Refuse a hold that could not be lifted again. It only reads.

    Raises:
        BadInput: too long or too short.
        HoldRefused: no timer can be made on this host.
    """
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise BadInput(f"hold: {seconds:g} s is not between {MIN_SECONDS:g} s and {MAX_SECONDS / 3600:g} h.",
                       hint="Put what should be let in for longer into ignoreip of the configuration.", argument="hold")
    said = run(["systemctl", "is-system-running"])
    state = (said.out or said.problem).strip().splitlines()[:1]
    if not state or state[0] not in _ALIVE:
        raise HoldRefused(
            f"hold: no timer can be made on this host (systemd: {state[0] if state else 'no answer'}), so nothing would lift it again.",
            hint="Unban without hold, or put the address into ignoreip by hand and take it out yourself.",
        )
    for program in ("systemd-run", client_command[0] if client_command else "fail2ban-client"):
        if find(program) is None:
            raise HoldRefused(f"hold: {program} is not on this host, and the timer needs it.", hint="Install it, or unban without hold.")


def lifting_command(entries: t.Iterable[tuple[str, str]], *, client_command: t.Sequence[str], path: str) -> list[str]:
    """What the timer runs: takes each entry out, and goes on where one is gone already."""
    client = [*(client_command or ["fail2ban-client"]), "-s", path]
    return ["/bin/sh", "-c", "; ".join(shlex.join([*client, "set", jail, "delignoreip", address]) for jail, address in entries) + "; true"]


def begin(
    server: Server, wanted: t.Sequence[tuple[str, str]], seconds: float, *, run: Run, client_command: t.Sequence[str],
) -> Hold:
    """Make the timer, then the entries, and see that they are there.

    Args:
        wanted: jail and address.

    Raises:
        HoldRefused: the timer could not be made, or an entry is not there afterwards; what was put in was taken out again.
    """
    ignored = {jail: _spans(server.texts(jail, "ignoreip")) for jail in {jail for jail, _address in wanted}}
    timers = earlier(server.path, run) if any(_is_in(address, ignored[jail]) for jail, address in wanted) else {}
    # What an earlier hold of ours put in is ours to take over: its timer would take it out before this one's time is over. One that
    # holds others too is left alone, and said to be what ends them.
    replaced = tuple(unit for unit, held in timers.items() if held and held <= set(wanted))
    ours = {one for unit in replaced for one in timers[unit]}
    already = tuple((jail, address) for jail, address in wanted if _is_in(address, ignored[jail]) and (jail, address) not in ours)
    ends_with = {one: unit for unit, held in timers.items() for one in held if one in already}
    entries = tuple(one for one in wanted if one not in already)
    unit = f"{UNIT}{uuid.uuid4().hex[:8]}"
    if not entries:
        return Hold(seconds, "", (), already, ends_with=ends_with)
    _make_timer(unit, seconds, lifting_command(entries, client_command=client_command, path=server.path), run=run,
                description=description(server.path, entries))
    for old in replaced:
        stopped = run(["systemctl", "stop", f"{old}.timer"])
        if stopped.problem:
            raise HoldRefused(f"hold: the earlier timer {old} cannot be stopped, and would end this hold: {stopped.problem}.",
                              hint="Stop it, or unban without hold.")
    until = time.time() + seconds
    try:
        for jail, address in entries:
            server.ask("set", jail, "addignoreip", address)
        missing = [(jail, address) for jail, address in entries if not _is_in(address, _spans(server.texts(jail, "ignoreip")))]
        if missing:
            raise HoldRefused(f"hold: {missing[0][1]} is not on the ignore list of {missing[0][0]} after it was put there.",
                              hint="See fail2ban's log.")
    except IncidentError:
        end(server, entries)
        raise
    return Hold(seconds, unit, entries, already, until, ends_with, replaced)


def end(server: Server, entries: t.Iterable[tuple[str, str]]) -> None:
    """Take entries out again, as far as the server answers; the timer stays and takes out the rest."""
    for jail, address in entries:
        try:
            server.ask("set", jail, "delignoreip", address)
        except IncidentError:
            continue


def description(path: str, entries: t.Iterable[tuple[str, str]]) -> str:
    """What a timer says of itself, so that a later hold knows whose entries it ends. Jails' names have neither spaces nor commas."""
    return f"{_SAYS}{path}: {', '.join(f'{jail} {address}' for jail, address in entries)}"


def earlier(path: str, run: Run) -> dict[str, set[tuple[str, str]]]:
    """The active timers of earlier holds at this server, and what each of them takes out (systemctl(1), show)."""
    found: dict[str, set[tuple[str, str]]] = {}
    shown = run(["systemctl", "show", f"{UNIT}*.timer", "--property=Id,Description,ActiveState"])
    for block in shown.out.split("\n\n"):
        facts = dict(line.partition("=")[::2] for line in block.splitlines())
        says = facts.get("Description", "")
        if facts.get("ActiveState") == "active" and says.startswith(f"{_SAYS}{path}: "):
            pairs = (one.split(" ") for one in says[len(f"{_SAYS}{path}: "):].split(", "))
            found[facts.get("Id", "").rpartition(".timer")[0]] = {(pair[0], pair[1]) for pair in pairs if len(pair) == 2}
    return found


def _make_timer(unit: str, seconds: float, command: t.Sequence[str], *, run: Run, description: str) -> None:
    made = run([
        "systemd-run", f"--unit={unit}", f"--on-active={int(seconds)}s", "--timer-property=AccuracySec=1s",
        f"--description={description}", "--", *command,
    ])
    if made.problem:
        raise HoldRefused(f"hold: the timer could not be made: {made.problem}.", hint="Unban without hold.")
    seen = run(["systemctl", "is-active", f"{unit}.timer"])
    if seen.out.strip() not in ("active", "activating"):
        raise HoldRefused(f"hold: the timer {unit} is not active after it was made ({seen.out.strip() or seen.problem}).",
                          hint="Unban without hold.")


def _spans(texts: t.Iterable[str]) -> set[Span]:
    return {Span.of(network) for network in (read_network(text) for text in texts) if network is not None}


def _is_in(address: str, spans: t.Collection[Span]) -> bool:
    network = read_network(address)
    return network is not None and any(span.covers(Span.of(network)) for span in spans)
