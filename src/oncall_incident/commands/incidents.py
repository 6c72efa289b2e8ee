# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident open`, `note`, `attach`, `milestone`, `update`, `escalate`, `severity`, `status`, `list`, `close`, `reopen`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import texts

if TYPE_CHECKING:
    from ..evidence.incident import Incident

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output, nothing else there.")]
Id = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, or how it begins, its folder, or latest.")]
At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="When: 2026-11-24T10:15:00Z, 10:15, 10m ago. Now otherwise.")]
Many = list[str] | None
Leave = Annotated[Many, typer.Option("--leave", metavar="ID", help="Leave this temporary change as it is; several times, each with --why.")]
Why = Annotated[Many, typer.Option("--why", metavar="TEXT", help="Why it is left; one for each --leave.")]


def register(app: typer.Typer, bind: Callable[[], Any]) -> None:
    """Add the commands.

    Args:
        bind: makes the collection importable.
    """

    @app.command("open", help=texts.OPEN, short_help="Open an incident.")
    def open_(
        title: Annotated[str | None, typer.Argument(metavar="TITLE", help="What is wrong; the alert's summary otherwise.")] = None,
        severity: Annotated[str | None, typer.Option("-s", "--severity", metavar="LEVEL", help="A level of the policy.")] = None,
        service: Annotated[Many, typer.Option("--service", metavar="NAME", help="A service concerned; may be given several times.")] = None,
        alert: Annotated[str | None, typer.Option("--alert", metavar="FILE", help="An Alertmanager alert's JSON; - reads it.")] = None,
        policy: Annotated[str | None, typer.Option("--policy", metavar="NAME|FILE", help="The severity policy.")] = None,
        incident_id: Annotated[str | None, typer.Option("--id", metavar="ID", help="An id of your own, a ticket's for example.")] = None,
        at: At = None,
        as_json: Json = False,
    ) -> None:
        """See texts.OPEN."""
        bind()
        from ..errors import Stop
        from ..evidence import alerts, settings, times
        from ..evidence import policy as policies
        from ..evidence.store import Store
        from . import show

        configured = settings.load()
        rules = policies.load(policy or configured.policy)
        found = alerts.read(_read(alert, "--alert"), policy=rules, source=alert) if alert else None
        if not title and found is None:
            raise Stop("An incident needs a title.", hint='incident open "Logins hang" --severity SEV1, or --alert FILE.')
        level = rules.require(severity or (found.severity if found else "") or rules.default)
        incident = Store(configured.home).open(
            title=title or (found.title if found else ""), severity=level.name, policy=rules,
            services=service or (found.services if found else ()), incident_id=incident_id,
            at=times.typed(at, at=times.now()) if at else None, began=found.began if found else None, alert=found.data if found else None,
        )
        if as_json:
            typer.echo(json.dumps({**incident.state().as_dict(), "policy": rules.name, "bundle": str(incident.bundle)}))
        else:
            show.show_status(incident, as_json=False)

    @app.command(short_help="Write a note into an incident.")
    def note(
        incident: Id, text: Annotated[str, typer.Argument(metavar="TEXT", help="The note; - reads it from standard input.")],
        at: At = None, as_json: Json = False,
    ) -> None:
        """Write a note: what somebody saw, thought or did."""
        _event(bind, incident, "note", {"text": _said(text, "note")}, at=at, as_json=as_json, said="noted")

    @app.command(help=texts.ATTACH, short_help="Take a file, or the record of a run, into an incident.")
    def attach(
        incident: Id,
        files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="A file; it is copied.")] = None,
        run: Annotated[str | None, typer.Option("--run", metavar="RECORD", help="A run that was started without the incident.")] = None,
        name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="What the file is called in the incident.")] = None,
        redact: Annotated[bool, typer.Option("--redact", help="It is text: take secrets out of it.")] = False,
        note: Annotated[str, typer.Option("--note", metavar="TEXT", help="Where it comes from.")] = "",
        as_json: Json = False,
    ) -> None:
        """See texts.ATTACH."""
        found = _find(bind, incident)
        from ..errors import Stop
        from ..evidence import attaching

        if not files and not run:
            raise Stop("Nothing to attach was named.", hint="Name files, or a run with --run.")
        if name and len(files or []) != 1:
            raise Stop("--name names one file.", hint="Attach files with names of their own one by one.")
        digests = {str(path): attaching.attach(found, path, name=name, redact=redact, note=note) for path in files or []}
        if run:
            from ..record.choose import run_directory

            directory = run_directory(run, environ={"INCIDENT_HOME": str(found.home)}, cwd=Path.cwd())
            run = attaching.attach_run(found, directory)
        if as_json:
            typer.echo(json.dumps({"incident": found.id, "files": digests, "run": run}))
            return
        for path, digest in digests.items():
            typer.echo(f"{found.id}: attached {path}, sha256 {digest}")
        if run:
            typer.echo(f"{found.id}: took in the run {run}")

    @app.command(help=texts.MILESTONE, short_help="Say when something was reached.")
    def milestone(
        incident: Id, name: Annotated[str, typer.Argument(metavar="NAME", help="acknowledged, mitigated, resolved, and others.")],
        at: At = None,
        withdraw: Annotated[bool, typer.Option("--withdraw", help="It was not reached after all.")] = False,
        leave: Leave = None, why: Why = None,
        as_json: Json = False,
    ) -> None:
        """See texts.MILESTONE."""
        leaving = _leaving(leave or [], why or [])
        _milestone_name(name)
        # All that can be wrong comes before anything is written.
        if at is not None:
            _find(bind, incident)
            from ..evidence import times

            times.typed(at, at=times.now())
        if at is not None and not withdraw:
            _not_before_it_began(_find(bind, incident), name, at)
        if name == "resolved" and not withdraw:
            _resolve(_find(bind, incident), leaving)
        more = {"withdrawn": True} if withdraw else {}
        _event(
            bind, incident, "milestone", {"name": name, "source": "manual", **more}, at=at, as_json=as_json,
            said=f"{name}{' withdrawn' if withdraw else ''}",
        )

    @app.command(short_help="Say that those affected were told.")
    def update(
        incident: Id, text: Annotated[str, typer.Argument(metavar="TEXT", help="What they were told; - reads it.")],
        to: Annotated[str, typer.Option("--to", metavar="WHERE", help="Where it was said: status page, channel, mail.")] = "",
        at: At = None, as_json: Json = False,
    ) -> None:
        """Write down an update that was sent: the next one is due from then on. Nothing is sent."""
        _event(bind, incident, "update.sent", {"text": _said(text, "update"), "to": to}, at=at, as_json=as_json, said="update written down")

    @app.command(short_help="Say that somebody else was called in.")
    def escalate(
        incident: Id, to: Annotated[str, typer.Argument(metavar="WHOM", help="As the policy's step names them.")],
        how: Annotated[str, typer.Option("--how", metavar="MEANS", help="Phone, chat, mail.")] = "",
        at: At = None, as_json: Json = False,
    ) -> None:
        """Write down an escalation. Nobody is called."""
        _event(bind, incident, "escalated", {"to": to, "how": how}, at=at, as_json=as_json, said=f"escalated to {to}")

    @app.command(short_help="Change an incident's severity.")
    def severity(
        incident: Id, level: Annotated[str, typer.Argument(metavar="LEVEL", help="A level of the incident's policy.")],
        why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason.")] = "", as_json: Json = False,
    ) -> None:
        """Change the severity: targets count from the same beginning."""
        found = _find(bind, incident)
        state = found.state()
        name = state.policy.require(level).name if state.policy else level
        _event(bind, incident, "severity", {"severity": name, "before": state.severity, "why": why}, at=None, as_json=as_json, said=name)

    @app.command(short_help="An incident, and what is due.")
    def status(incident: Annotated[str, typer.Argument(metavar="INCIDENT")] = "latest", as_json: Json = False) -> None:
        """Show an incident: milestones, targets missed and to come, the next update, the next escalation, its runs."""
        found = _find(bind, incident)
        from .show import show_status

        show_status(found, as_json=as_json)

    @app.command("list", short_help="List the incidents.")
    def list_(
        everything: Annotated[bool, typer.Option("-a", "--all", help="The closed ones as well.")] = False, as_json: Json = False,
    ) -> None:
        """List the incidents that are not closed."""
        bind()
        from ..evidence import settings
        from ..evidence.store import Store
        from .show import show_list

        found = list(Store(settings.load().home).incidents())
        shown = [incident for incident in found if everything or not incident.state().closed]
        show_list(shown, closed=len(found) - len(shown), as_json=as_json)

    @app.command(help=texts.CLOSE, short_help="Close an incident and seal it.")
    def close(
        incident: Id,
        resolution: Annotated[str, typer.Option("-m", "--resolution", metavar="TEXT", help="What it was, and what ended it.")] = "",
        sign_key: Annotated[Many, typer.Option("--sign-key", metavar="KEY", help="A key file, agent, or none; several sign all.")] = None,
        at: At = None,
        seal_broken: Annotated[bool, typer.Option("--seal-broken", help=texts.SEAL_BROKEN)] = False,
        leave: Leave = None, why: Why = None,
        as_json: Json = False,
    ) -> None:
        """See texts.CLOSE."""
        leaving = _leaving(leave or [], why or [])
        found = _find(bind, incident)
        from ..evidence import closing, settings, times
        from ..exits import Exit
        from ..reporting import document
        from . import show

        closed = closing.close(
            found, configured=settings.load(found.home), resolution=resolution, make_key=True, sign_keys=sign_key or [],
            report=document.for_the_bag, broken=seal_broken, leave=leaving,
            at=times.text(times.typed(at, at=times.now())) if at else "",
        )
        show.show_closed(found, closed, as_json=as_json)
        if closed.failed:
            raise typer.Exit(int(Exit.FAILED))

    @app.command(short_help="Open a closed incident again.")
    def reopen(
        incident: Id, why: Annotated[str, typer.Option("--why", metavar="TEXT", help="The reason.")] = "", as_json: Json = False,
    ) -> None:
        """Open a closed incident again. Its seals stay; what is added needs a new one."""
        _event(bind, incident, "reopened", {"why": why}, at=None, as_json=as_json, said="open again")


def _leaving(leave: list[str], why: list[str]) -> dict[str, str]:
    """Which temporary changes are left, with the reason of each."""
    from ..errors import Stop

    if len(leave) != len(why) or not all(text.strip() for text in why):
        raise Stop("--leave and --why go together.", hint="Give each --leave ID its own --why TEXT.")
    return dict(zip(leave, why, strict=True))


def _resolve(incident: Incident, leave: dict[str, str]) -> None:
    """Refuse to call it resolved over a temporary change that is not known to be gone; write down those that are left."""
    from ..evidence import closing, times

    with incident.locked():
        events, _none = closing.leaving(incident, leave, doing="resolved", at=times.text(times.now()))
        if events:
            incident.append_all(events)


def _find(bind: Callable[[], Any], given: str) -> Incident:
    bind()
    from ..evidence import settings
    from ..evidence.store import Store

    return Store(settings.load().home).find(given)


def _event(bind: Callable[[], Any], given: str, kind: str, payload: dict[str, Any], *, at: str | None, as_json: bool, said: str) -> None:
    found = _find(bind, given)
    from ..evidence import checkpoints, settings, times

    now = times.now()
    moment = times.text(times.typed(at, at=now) if at else now)
    seq = found.append(kind, {**payload, "at": moment})
    checkpoints.when_due(found, settings.load(found.home).signers([], make=False))
    if as_json:
        typer.echo(json.dumps({"incident": found.id, "event": seq, "type": kind, "at": moment}))
    else:
        typer.echo(f"{found.id}: {said} ({moment[:19]}Z)")


def _said(given: str, what: str) -> str:
    """The text of a note or an update, which says something."""
    from ..errors import Stop

    text = _read(given, "TEXT") if given == "-" else given
    if not text.strip():
        raise Stop(f"The {what} is empty.", hint=f'Say something: incident {what} latest "..."; - reads it from standard input.')
    return text


def _read(given: str | None, option: str) -> str:
    from ..errors import Stop

    try:
        data = sys.stdin.buffer.read() if given == "-" else Path(str(given)).expanduser().read_bytes()
    except OSError as exc:
        raise Stop(f"{option} {given}: {exc.strerror}.", hint="Give a file that you can read, or -.") from exc
    # As a word of the command line would be: what is not UTF-8 is spelled out where it is written.
    return data.decode("utf-8", "surrogateescape")


def _not_before_it_began(incident: Incident, name: str, at: str) -> None:
    """A milestone before the beginning is a wrong date, or the beginning is not written down yet."""
    import datetime

    from ..errors import Stop
    from ..evidence import times

    state, moment = incident.state(), times.typed(at, at=times.now())
    begins = ("impact_start", "detected", "alerted")
    known = [found for found in (state.opened, *(state.reached(begin) for begin in begins)) if found is not None]
    # People type minutes.
    if name not in begins and known and moment < min(known) - datetime.timedelta(seconds=60):
        raise Stop(
            f"--at {at!r}: {times.text(moment)[:19]}Z is before {incident.id} began, {times.text(min(known))[:19]}Z.",
            hint="Check the date. If it began earlier, say so first: incident milestone ... detected --at TIME.",
        )


def _milestone_name(name: str) -> None:
    import re

    from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest

    from ..errors import Stop
    from ..evidence.model import MILESTONES

    if name in MILESTONES:
        return
    if meant := suggest(name, MILESTONES, likeness=0.75):
        raise Stop(f"{name} is not a milestone.", hint=meant.strip())
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,39}", name):
        hint = f"Write small letters, digits and underscores, or one of {', '.join(MILESTONES)}."
        raise Stop(f"{name!r} cannot be a milestone.", hint=hint)
