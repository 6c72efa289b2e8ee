# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep addresses from being banned for a while, and make sure beforehand that the while ends.

This module util is PRIVATE to the collection: it may change at any time.

An entry of a jail's ignore list that nobody takes out is a hole for ever. So the timer that takes it out comes first.
"""

from __future__ import annotations

import contextlib
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
#: States of a timer that is to fire, and of a service that is at work or has failed.
_THERE = ("active", "activating", "failed")
UNIT = "oncall-incident-hold-"
_SAYS = "Lift the hold of oncall.incident at "
#: Taking out again what was put in has a time of its own, seconds.
_END_SECONDS = 10.0
#: How long the unit waits before each further attempt to take out what it could not: seconds. Then it has failed, and stays so.
_PAUSES = (1, 5, 10, 30, 60, 120, 300, 600)


class HoldRefused(IncidentError):
    """Nothing could be made that would lift the hold; nothing was changed."""

    kind = "hold_refused"


class HoldLeft(IncidentError):
    """The hold could not be made as it was wanted, and some of it is there, or may be.

    Args:
        hold: what is, or may be, on the ignore lists, and the unit that takes it out.
    """

    kind = "hold_refused"

    def __init__(self, message: str, *, hint: t.Optional[str] = None, hold: Hold) -> None:
        super().__init__(message, hint=hint)
        self.hold = hold


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


def lifting_command(
    entries: t.Iterable[tuple[str, str]], *, client_command: t.Sequence[str], path: str, pauses: t.Sequence[int] = _PAUSES,
) -> list[str]:
    """What the timer runs: takes each entry out, and fails where one is still there, or where that cannot be seen.

    One that is gone already is fine, and so is a jail that is not there: it ignores nobody.

    Args:
        pauses: before each further attempt, seconds.
    """
    client = shlex.join([*(client_command or ["fail2ban-client"]), "-s", path])
    each = "\n".join(f"  lift {shlex.join(pair)} || left=1" for pair in entries)
    return ["/bin/sh", "-c", _LIFTING.format(client=client, each=each, pauses=" ".join(str(pause) for pause in pauses))]


# Nothing in it that systemd would replace in a command line: no percent sign, no braces after a dollar sign, no two dollar signs.
_LIFTING = r"""lift() {{
  {client} set "$1" delignoreip "$2" >/dev/null 2>&1
  said=$({client} get "$1" ignoreip 2>&1) || case "$said" in
    *"does not exist"*) return 0 ;;
    *) echo "whether $1 still ignores $2 cannot be seen: $said" >&2; return 1 ;;
  esac
  case " $(echo "$said" | tr '\n' ' ') " in *" $2 "*) echo "$1 still ignores $2" >&2; return 1 ;; esac
}}
for pause in {pauses} ''; do
  left=
{each}
  test "$left" || exit 0
  test "$pause" || exit 1
  sleep "$pause"
done"""


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
    make_timer(unit, seconds, lifting_command(entries, client_command=client_command, path=server.path), run=run,
                description=description(server.path, entries))
    made = Hold(seconds, unit, entries, already, time.time() + seconds, ends_with, replaced)
    _take_over(made, timers, run=run)
    try:
        for jail, address in entries:
            server.ask("set", jail, "addignoreip", address)
        missing = [(jail, address) for jail, address in entries if not _is_in(address, _spans(server.texts(jail, "ignoreip")))]
        if missing:
            raise HoldRefused(f"hold: {missing[0][1]} is not on the ignore list of {missing[0][0]} after it was put there.",
                              hint="See fail2ban's log.")
    except IncidentError as exc:
        if still := end(server, entries):
            what = ", ".join(f"{address} in {jail}" for jail, address in still)
            raise HoldLeft(
                f"{exc.message.rstrip('.')}. Still ignored until {unit} takes it out, as far as is known: {what}.",
                hint=exc.hint, hold=dataclasses.replace(made, entries=still, replaced=()),
            ) from exc
        stop(unit, run)
        raise
    return made


def _take_over(made: Hold, timers: t.Mapping[str, set[tuple[str, str]]], *, run: Run) -> None:
    """Stop the units whose entries the new one takes out.

    Raises:
        HoldRefused: the first of them cannot be stopped; nothing was changed.
        HoldLeft: the same, and others are stopped by now, whose entries the new unit takes out.
    """
    for place, old in enumerate(made.replaced):
        if not (problem := stop(old, run)):
            continue
        said = f"hold: the earlier timer {old} cannot be stopped, and would end this hold: {problem}."
        taken = tuple(one for unit in made.replaced[:place] for one in sorted(timers[unit]))
        if taken:
            raise HoldLeft(said, hint="Stop it, or unban without hold.",
                           hold=dataclasses.replace(made, entries=taken, replaced=made.replaced[:place]))
        stop(made.unit, run)
        raise HoldRefused(said, hint="Stop it, or unban without hold.")


def end(server: Server, entries: t.Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Take entries out again, and give those that are not known to be out; the timer takes out the rest."""
    left = []
    server.clock.extend(_END_SECONDS)
    for jail, address in entries:
        with contextlib.suppress(IncidentError):
            server.ask("set", jail, "delignoreip", address)
        with contextlib.suppress(IncidentError):
            if not _is_in(address, _spans(server.texts(jail, "ignoreip"))):
                continue
        left.append((jail, address))
    return tuple(left)


def stop(unit: str, run: Run) -> str:
    """Stop the unit of a hold: its timer, and its service, which may be at work or have failed. Empty, or why it may still be there."""
    ran = run(["systemctl", "stop", f"{unit}.timer", f"{unit}.service"])
    run(["systemctl", "reset-failed", f"{unit}.service"])  # one that failed stays until somebody says that it was seen
    if not ran.problem:
        return ""
    # systemd complains of each of the two that is not there.
    there = _shown(run, f"{unit}.*")
    return ran.problem if there is None or any(facts.get("ActiveState") in _THERE for facts in there) else ""


def description(path: str, entries: t.Iterable[tuple[str, str]]) -> str:
    """What a timer says of itself, so that a later hold knows whose entries it ends. Jails' names have neither spaces nor commas."""
    return f"{_SAYS}{path}: {', '.join(f'{jail} {address}' for jail, address in entries)}"


def earlier(path: str, run: Run) -> dict[str, set[tuple[str, str]]]:
    """The units of earlier holds at this server that are still to take something out, and what each of them takes out.

    That is an active timer, or a service that is at work or has failed.
    """
    found: dict[str, set[tuple[str, str]]] = {}
    for facts in _shown(run, f"{UNIT}*") or ():
        says = facts.get("Description", "")
        if facts.get("ActiveState") in _THERE and says.startswith(f"{_SAYS}{path}: "):
            pairs = (one.split(" ") for one in says[len(f"{_SAYS}{path}: "):].split(", "))
            found[facts.get("Id", "").rpartition(".")[0]] = {(pair[0], pair[1]) for pair in pairs if len(pair) == 2}
    return found


def _shown(run: Run, units: str) -> t.Optional[list[dict[str, str]]]:
    """What systemd says of its units with such names (systemctl(1), show); None where it does not answer."""
    shown = run(["systemctl", "show", units, "--property=Id,Description,ActiveState"])
    if shown.problem:
        return None
    return [dict(line.partition("=")[::2] for line in block.splitlines()) for block in shown.out.split("\n\n")]


def make_timer(unit: str, seconds: float, command: t.Sequence[str], *, run: Run, description: str) -> None:
    """Make the timer, and see that it runs.

    Raises:
        HoldRefused: it could not be made.
    """
    made = run([
        "systemd-run", f"--unit={unit}", f"--on-active={int(seconds)}s", "--timer-property=AccuracySec=1s",
        f"--description={description}", "--", *command,
    ])
    if made.problem:
        raise HoldRefused(f"hold: the timer could not be made: {made.problem}.",
                          hint="Become root on this host (become), which systemd demands for it, or unban without hold.")
    seen = run(["systemctl", "is-active", f"{unit}.timer"])
    if seen.out.strip() not in ("active", "activating"):
        raise HoldRefused(f"hold: the timer {unit} is not active after it was made ({seen.out.strip() or seen.problem}).",
                          hint="Unban without hold.")


def _spans(texts: t.Iterable[str]) -> set[Span]:
    return {Span.of(network) for network in (read_network(text) for text in texts) if network is not None}


def _is_in(address: str, spans: t.Collection[Span]) -> bool:
    network = read_network(address)
    return network is not None and any(span.covers(Span.of(network)) for span in spans)
