# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lift bans and measure that they are lifted: by the daemon, its database, and the packet filter.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import typing as t

from .._core import actions, temporary, why
from .._core.acting import Candidate, Done, Sight, Subject, act, answered, failure, unanswered, untouched
from .._core.actions import Action, Approved
from .._core.addresses import Span
from .._core.errors import IncidentError, LimitExceeded
from .._core.findings import Skipped
from .._core.limits import Limit
from .._core.waiting import until
from .._firewall.decisions.filter_repair import removal
from .._firewall.decisions.packet_filter import Block
from .._firewall.filters import Filters, read_filters
from .._module.programs import Run
from . import hold as holding
from .client import CommandRefused
from .daemons import Backend, Fail2ban, alone
from .database import Stored, Unreadable
from .decisions import unbanning
from .decisions.replies import Ban
from .decisions.unbanning import Absent, Chosen, Selection, Wish

POLL = 0.25
#: Measuring has a time of its own, since what was begun must be measured also when it took too long: seconds.
MEASURE_SECONDS = 20.0
#: Bans of which the logs are searched for lines.
_MAX_SEARCHED = 50


@dataclasses.dataclass(frozen=True)
class Order:
    """How to lift.

    Attributes:
        jails: to look at, empty for every one.
        verify: kinds of packet filters to measure, see filters.KINDS; empty for none.
        observe: seconds for which the daemon is watched afterwards, in case it bans again.
        repair: whether what is left over is taken out.
        hold: seconds for which the daemon is to ignore them; None for no hold.
        client_command: for the hold's timer.
    """

    jails: tuple[str, ...] = ()
    verify: tuple[str, ...] = ("auto",)
    observe: float = 3.0
    repair: bool = False
    hold: t.Optional[float] = None
    client_command: tuple[str, ...] = ()


_Target = unbanning.Target


def unban(
    backend: Backend, wish: Wish, order: Order, *, run: Run, approved: t.Optional[t.Sequence[Approved]], check_mode: bool,
) -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
    """Do what the wish says, or in check mode only plan it.

    Returns:
        The module's result, and the error that must fail the task all the same.

    Raises:
        IncidentError: before anything was changed.
    """
    subject = Bans(backend, wish, order, run, check_mode)
    done = act(subject, approved=approved, check_mode=check_mode)
    # Who is still shut out without a ban is not a candidate where repair is off, and fails the task all the same.
    problem = done.problem if isinstance(done.problem, LimitExceeded) else failure(done.actions)
    return subject.result(done), problem


class Bans(Subject[_Target]):
    """The bans that a wish is about: what was there, and what came of it."""

    verbs = (unbanning.VERB,)
    noun, done = "bans", "lifted"
    advice = "Name fewer, or raise the limit."

    def __init__(self, backend: Backend, wish: Wish, order: Order, run: Run, check_mode: bool) -> None:
        self.backend, self.wish, self.order, self.run, self.check_mode = backend, wish, order, run, check_mode
        self.resource = backend.resource
        self.daemon: dict[str, t.Any] = {}
        self.jails: list[str] = []
        self.all_jails: list[str] = []
        self.before: list[Ban] = []
        self.recidive: dict[str, bool] = {}
        self.selection = Selection()
        self.filters: Filters | None = None
        self.stored: dict[tuple[str, str], Stored] = {}
        self.lines: dict[tuple[str, str], list[str]] = {}
        self.skipped: list[Skipped] = []
        self.after: list[Ban] = []
        self.hold: holding.Hold | None = None
        self.gone: set[tuple[str, str, str]] = set()
        self.touched = False

    def alone(self) -> t.ContextManager[None]:
        return alone(self.backend)

    def look(self) -> Sight[_Target]:
        self.daemon = self.backend.describe()
        self.all_jails = self.backend.jails()
        self.jails = unbanning.known_jails(self.order.jails, self.all_jails)
        self.before = self.after = self.backend.bans(self.all_jails)
        # Asked now: after acting the daemon may not answer any more, and what was done must be told all the same.
        known = {*self.all_jails, *self.jails, *(ban.jail for ban in self.before)}
        self.recidive = {name: self.backend.is_recidive(name) for name in known}
        wanted = [ban for ban in self.before if ban.jail in self.jails]
        self.selection = unbanning.select(self.wish, wanted)
        if self.order.verify:
            self.filters = self._read_filters()
        bans = [one.ban for one in self.selection.chosen] + [one.ban for one in self.selection.covered]
        self.stored = self._stored(bans)
        silent = [ban for ban in bans if not self._stored_lines(ban)][:_MAX_SEARCHED]
        self.lines = self.backend.lines(silent) if silent else {}
        limits = list(self.wish.now())
        if self.order.hold is not None:
            if not isinstance(self.backend, Fail2ban):
                raise holding.HoldRefused("hold: CrowdSec has no ignore list that ends by itself.", hint="Use cscli allowlists (1.6.8).")
            holding.check(self.order.hold, run=self.run, client_command=self.order.client_command)
            limits.append(Limit("hold", holding.MAX_ENTRIES, f"a hold is for {holding.MAX_ENTRIES} entries"))
        by_span = _jails_by_span(self.before)
        blocks = {one.span: self._blocks(one.span, "", by_span) for one in self.selection.absent}
        seen = unbanning.sight(
            self.wish, wanted, self.selection, resource=self.resource, shut=[span for span, (left, _also) in blocks.items() if left],
            repair=self.order.repair, check_mode=self.check_mode, limits=tuple(limits), hold=self.order.hold,
        )
        return dataclasses.replace(seen, candidates=[self._described(one, blocks) for one in seen.candidates])

    def _described(
        self, one: Candidate[_Target], blocks: t.Mapping[Span, tuple[list[Block], list[Block]]],
    ) -> Candidate[_Target]:
        """The candidate with what people want to know of it."""
        if isinstance(one.target, Chosen):
            return dataclasses.replace(one, action=self._with_evidence(one.target))
        if not isinstance(one.target, Absent):
            return one
        # It may be in the packet filter all the same, since an unban failed before.
        action, (left, also) = one.action, blocks[one.target.span]
        if not left:
            action = dataclasses.replace(action, detail={**action.detail, "also_blocked_by": [block.as_dict() for block in also]})
        elif self.order.repair:
            action = dataclasses.replace(action, detail={**action.detail, "blocks": [block.as_dict() for block in left]})
        else:
            action = _forgotten(action, left, also)
        return dataclasses.replace(one, action=action)

    def told_over(self, limit: Limit, chosen: t.Sequence[Candidate[_Target]]) -> dict[str, t.Any]:
        return {"max_entries": self.wish.max_entries} if limit.name == "max_entries" else {}

    def answer(self, one: Approved) -> Action:
        entry, jail = str(one.identity.get("entry", one.identity.get("address", ""))), str(one.identity.get("jail", ""))
        again = [ban.jail for ban in self.before if entry and entry in (ban.entry, str(ban.span)) and jail in ("", ban.jail)]
        if one.id in self._ids:
            said = answered(one, actions.MOVED_ON, why.NO_LONGER_MATCHES, error="it is banned, and this call is not for it")
        elif again:
            said = answered(one, actions.MOVED_ON, why.IDENTITY_CHANGED, error=f"another ban is there by now: {', '.join(again)}")
        else:
            said = answered(one, actions.NOT_NEEDED, why.GONE_ALREADY, state=unbanning.NOT_BANNED)
        target = {"address": entry, **{key: one.identity[key] for key in ("jail", "id") if key in one.identity}}
        return dataclasses.replace(said, target=target if entry else {})

    @functools.cached_property
    def _ids(self) -> frozenset[str]:
        """The ids that lifting each of the bans would have."""
        found = (Chosen(ban, "", None, unbanning.BY_EXACT) for ban in self.before)
        return frozenset(self._action_for(one).id for one in found)

    def carry_out_all(self, candidates: t.Sequence[Candidate[_Target]]) -> t.Iterator[Action]:
        chosen = [(one.target, one.action) for one in candidates if isinstance(one.target, Chosen)]
        try:
            self._begin_hold([one for one, _action in chosen])
        except holding.HoldLeft as exc:
            self.hold, self.touched = exc.hold, True
            for candidate in candidates:
                yield self._half_held(candidate, exc)
            return
        except IncidentError as exc:
            # Nothing is lifted without the hold: it would be banned again at once.
            for candidate in candidates:
                yield untouched(candidate.action, why.NOT_TRIED, error=exc.message, hint=exc.hint)
            return
        for action in self._lifted([(one, self._with_hold(one, action)) for one, action in chosen]) if chosen else ():
            # The hold was made for it, also where nothing came of the rest.
            yield dataclasses.replace(action, touched=True) if action.temporary is not None else action
        for candidate in candidates:
            if isinstance(candidate.target, Absent):
                yield self._repaired(candidate.target, candidate.action)

    def _begin_hold(self, chosen: t.Sequence[Chosen]) -> None:
        if self.order.hold is None or not isinstance(self.backend, Fail2ban) or not chosen:
            return
        self.hold = holding.begin(
            self.backend.server, list(dict.fromkeys(map(unbanning.held, chosen))), self.order.hold, run=self.run,
            client_command=self.order.client_command,
        )
        self.touched = bool(self.hold.entries)

    def _half_held(self, candidate: Candidate[_Target], exc: holding.HoldLeft) -> Action:
        """What was not lifted because the hold could not be made, where some of the hold is there, or may be."""
        target = candidate.target
        action = self._with_hold(target, candidate.action) if isinstance(target, Chosen) else candidate.action
        if action.temporary is None:
            return untouched(action, why.NOT_TRIED, error=exc.message, hint=exc.hint)
        return action.with_outcome(actions.FAILED, why=why.NOT_TRIED, error=exc.message, hint=exc.hint or "")

    def _lifted(self, chosen: t.Sequence[tuple[Chosen, Action]]) -> list[Action]:
        """Lift, watch, measure, repair."""
        told, trouble = self._tell([one.ban for one, _action in chosen])
        self.backend.clock.extend(MEASURE_SECONDS + self.order.observe)
        try:
            if trouble is not None:
                self.backend.reopen()
            self._watch([one for one, _action in chosen])
            return self._measure(chosen, told, trouble)
        except IncidentError as exc:
            self.touched = True
            raise IncidentError((trouble or exc).message, hint="Run it again: it measures first.") from exc

    def _tell(self, bans: t.Sequence[Ban]) -> tuple[set[tuple[str, str, str]], IncidentError | None]:
        if not bans:
            return set(), None
        try:
            return self.backend.unban(bans), None
        except IncidentError as exc:
            return set(), exc  # some may be done: what is measured next says which

    def _watch(self, chosen: t.Sequence[Chosen]) -> None:
        """Look at the daemon until it bans one again, or the window is over."""
        keys = {one.ban.key for one in chosen}
        jails = sorted({key[0] for key in keys})

        def banned_again(now: t.Sequence[Ban]) -> bool:
            self.gone |= keys - {ban.key for ban in now}
            instead = self._instead([one.ban for one in chosen], now)
            return any(key in self.gone or one.key != key for key, one in instead.items())

        until(
            banned_again, lambda: self.backend.bans_again(jails), interval=POLL,
            seconds=min(self.order.observe, self.backend.clock.remaining() / 2),
        )
        self.after = self._everything()

    def _everything(self) -> list[Ban]:
        return list(self.backend.bans_again(self.all_jails))

    def _instead(self, bans: t.Iterable[Ban], now: t.Sequence[Ban]) -> dict[tuple[str, str, str], Ban]:
        """By the key of each ban: the ban itself where it is there still, or the one that was made in its place.

        fail2ban's has the same entry in the same jail. CrowdSec's is another decision about the same addresses, whatever its
        scenario; those that were there before are not new ones.
        """
        there = {one.key: one for one in now}
        known = {one.key for one in self.before}
        new = {one.span: one for one in now if one.id and one.span is not None and one.key not in known}
        found = {ban.key: there.get(ban.key) or (new.get(ban.span) if ban.id and ban.span is not None else None) for ban in bans}
        return {key: one for key, one in found.items() if one is not None}

    def _measure(
        self, allowed: t.Sequence[tuple[Chosen, Action]], told: t.Collection[tuple[str, str, str]], trouble: IncidentError | None,
    ) -> list[Action]:
        stored = self._stored([c.ban for c, _a in allowed])
        self._settle([c for c, _a in allowed])
        # Who is banned again, or still, is left alone: what would be taken out is the new ban's.
        bans = [c.ban for c, _a in allowed]
        shut = self._instead(bans, self.after)
        repairs: dict[tuple[str, str, str], list[str]] = {}
        if self.order.repair:
            for chosen, _action in allowed:
                steps = self._repair(chosen.ban.span, chosen.ban.jail, chosen.ban.entry) if chosen.ban.key not in shut else []
                if steps:
                    repairs[chosen.ban.key] = steps
        if repairs:
            self.after = self._everything()
            shut = self._instead(bans, self.after)
        leftover_rows = [ban for ban in bans if ((ban.jail, ban.entry) in stored or ban.key in repairs) and ban.key not in shut]
        if leftover_rows and isinstance(self.backend, Fail2ban):
            self._tell(leftover_rows)  # a row is deleted whether or not the server still knows the ban
            self.after = self._everything()
            shut = self._instead(bans, self.after)
            stored = self._stored(bans)
        if repairs:
            self.filters = self._read_filters() if self.order.verify else None
        by_span = _jails_by_span(self.after)
        found = []
        for chosen, action in allowed:
            ban = chosen.ban
            ban_now = shut.get(ban.key)
            if ban_now is not None and ban.key not in told and ban.key not in self.gone:
                found.append(self._untold(action.with_outcome(actions.FAILED, state=unbanning.STILL_BANNED), trouble))
                continue
            left, also = self._blocks(ban.span, ban.jail, by_span)
            found.append(unbanning.measured(
                action, chosen, ban_now=ban_now, gone_once=ban.key in self.gone, stored=(ban.jail, ban.entry) in stored, left=left,
                also=also, other_jails=sorted(by_span.get(ban.span, set()) - {ban.jail}) if ban.span else (),
                repaired=repairs.get(ban.key, ()),
            ))
        return found

    def _untold(self, action: Action, trouble: IncidentError | None) -> Action:
        """A ban that is there and of which the daemon was not told, or has not said that it was."""
        if trouble is None:
            return untouched(action, why.OUT_OF_TIME, error=f"Not tried: the {self.backend.clock.seconds:g} s of timeout were over.")
        if isinstance(trouble, CommandRefused):
            return untouched(action, why.TARGET_REFUSED, error=trouble.message, hint=trouble.hint)
        return unanswered(action, trouble.message, hint="Run it again: it measures first.")

    def _settle(self, chosen: t.Sequence[Chosen]) -> None:
        """Read the packet filter, until it has followed the daemon or the time for that is over."""
        if not self.order.verify:
            return
        by_span = _jails_by_span(self.after)

        def followed(filters: Filters) -> bool:
            self.filters = filters
            return not any(self._blocks(one.ban.span, one.ban.jail, by_span)[0] for one in chosen)

        until(followed, self._read_filters, seconds=self.backend.clock.within(self.backend.settles_within), interval=POLL)

    def _repaired(self, one: Absent, action: Action) -> Action:
        """Take out what an unban of before left."""
        left, _also = self._blocks(one.span, "", _jails_by_span(self.after))
        if not left:
            return dataclasses.replace(action, touched=False).with_outcome(actions.NOT_NEEDED, why=why.GONE_ALREADY)
        steps = self._repair(one.span, left[0].jail, str(one.span))
        self.filters = self._read_filters()
        left, also = self._blocks(one.span, "", _jails_by_span(self.after))
        if left:
            return _forgotten(dataclasses.replace(action, touched=bool(steps)), left, also).with_outcome(
                actions.FAILED, why=why.NOT_MEASURED, repaired=steps,
            )
        self.touched = True
        return action.with_outcome(
            actions.DONE, state=unbanning.UNBANNED, repaired=steps, also_blocked_by=[block.as_dict() for block in also])

    def _repair(self, span: Span | None, jail: str, entry: str) -> list[str]:
        """Take out what an unban left, and give the steps; empty when there was nothing to do."""
        if span is None:
            return []
        by_span = _jails_by_span(self.after)
        left, _also = self._blocks(span, jail, by_span)
        if not left:
            return []
        steps = []
        for block in left:
            argv = removal(block, span)
            if argv is None:
                continue
            ran = self.run(argv)
            steps.append(f"{' '.join(argv)}: {ran.problem or 'done'}")
        self.filters = self._read_filters()
        if self._blocks(span, jail, by_span)[0] and jail and isinstance(self.backend, Fail2ban):
            steps.append(self._ban_and_unban(jail, entry))
            self.filters = self._read_filters()
        self.touched = self.touched or bool(steps)
        return steps

    def _ban_and_unban(self, jail: str, entry: str) -> str:
        """Give the daemon the ban back, so that its own action takes the rule out."""
        if not isinstance(self.backend, Fail2ban):
            raise TypeError("only fail2ban's bans are repaired")
        server = self.backend.server
        try:
            server.ask("set", jail, "banip", entry)
            # The server writes its database some time after it has answered; a row that comes late would ban again at a restart.
            probe = Ban(jail, entry, None)
            until(
                lambda stored: (jail, entry) in stored, lambda: self._stored([probe]), interval=0.05,
                seconds=self.backend.clock.within(2.0),
            )
            server.ask("set", jail, "unbanip", entry)
        except IncidentError as exc:
            return f"ban and unban again in {jail}: {exc.message}"
        return f"ban and unban again in {jail}: done"

    def _action_for(self, one: Chosen) -> Action:
        return unbanning.action_for(one, resource=self.resource, hold=self.order.hold)

    def _with_hold(self, one: Chosen, action: Action) -> Action:
        """The action with the end of its hold, now that there is one; what the jail ignored before is not a change of ours."""
        known, held = temporary.of(action), unbanning.held(one)
        if known is None or self.hold is None or held not in self.hold.entries:
            return temporary.with_temporary(action, None)
        return temporary.with_temporary(action, known.armed(until=self.hold.until, unit=self.hold.unit))

    def _with_evidence(self, one: Chosen) -> Action:
        action = self._action_for(one)
        return dataclasses.replace(action, detail={**action.detail, "ban": self._describe(one.ban, one.matched_by)})

    def _read_filters(self) -> Filters:
        return read_filters(self.order.verify, run=self.run, jails=self.all_jails)

    def _stored(self, bans: t.Sequence[Ban]) -> dict[tuple[str, str], Stored]:
        try:
            return self.backend.stored(bans) if bans else {}
        except Unreadable as exc:
            if not any(one.check == "database" for one in self.skipped):
                self.skipped.append(Skipped("database", str(exc)))
            return {}

    def _stored_lines(self, ban: Ban) -> tuple[str, ...]:
        known = self.stored.get((ban.jail, ban.entry))
        return known.lines if known else ()

    def _blocks(self, span: Span | None, jail: str, by_span: t.Mapping[Span, t.Collection[str]]) -> tuple[list[Block], list[Block]]:
        """What an unban should have removed, and what else keeps the address out."""
        if span is None or self.filters is None:
            return [], []
        blocks = self.filters.blocks(span)
        banned_in = set(by_span.get(span, ())) - {jail}
        left = unbanning.leftovers(span, blocks, jail=jail, banned_in=banned_in)
        return left, [block for block in blocks if block not in left]

    def _describe(self, ban: Ban, matched_by: str) -> dict[str, t.Any]:
        known = self.stored.get((ban.jail, ban.entry), Stored())
        return {
            "jail": ban.jail, "address": ban.entry, "banned_at": iso(ban.banned_at), "seconds": ban.seconds, "ends_at": iso(ban.ends_at),
            "permanent": ban.permanent, "matched_by": matched_by, "recidive": self.recidive.get(ban.jail, False),
            "count": known.count, "failures": known.failures,
            "lines": list(known.lines or self.lines.get((ban.jail, ban.entry), ())), **({"id": ban.id} if ban.id else {}),
        }

    def result(self, done: Done[_Target]) -> dict[str, t.Any]:
        """The module's result."""
        concerned = {one.ban.key: one.matched_by for one in self.selection.chosen}
        concerned.update({one.ban.key: unbanning.BY_COVERING for one in self.selection.covered if one.ban.key not in concerned})
        instead = self._instead([ban for ban in self.before if ban.key in concerned], self.after)
        there = {ban.key for ban in instead.values()}
        acted = [one.target.ban.key for one, _action in done.acted if isinstance(one.target, Chosen)]
        gone = [] if done.check_mode else [key for key in acted if key not in instead]
        said = done.as_result(limits=self.wish.limits())
        return {
            **said,
            "changed": said["changed"] or (not done.check_mode and (bool(gone) or self.touched or bool(self.gone))),
            "before": [self._describe(ban, concerned[ban.key]) for ban in self.before if ban.key in concerned],
            "after": [
                self._describe(ban, concerned.get(ban.key, unbanning.BY_EXACT)) for ban in self.after if ban.key in there
            ],
            "unbanned": [{"jail": jail, "address": entry} for jail, entry, _id in gone],
            "jails": [self._jail(name) for name in self.jails],
            "hold": self.hold.as_dict() if self.hold else None,
            "backend": self.daemon,
            "filters": {"read": self.filters.read if self.filters else [],
                        "skipped_checks": [one.as_dict() for one in [*self.skipped, *(self.filters.skipped if self.filters else [])]]},
            "count": len(self.before),
        }

    def _jail(self, name: str) -> dict[str, t.Any]:
        return {
            "name": name, "recidive": self.recidive[name], "banned_before": sum(ban.jail == name for ban in self.before),
            "banned_after": sum(ban.jail == name for ban in self.after),
        }


def _forgotten(action: Action, left: t.Sequence[Block], also: t.Sequence[Block]) -> Action:
    """What to say of a target that nothing bans and that is dropped all the same; its outcome is the caller's."""
    error = f"Nothing bans it, and {left[0].where_text} still drops it: {left[0].rule}"
    hint = "Set repair, or remove the rule by hand: the daemon has forgotten it and never will."
    return dataclasses.replace(action, detail={
        **action.detail, "state": unbanning.STILL_FILTERED, "blocks": [block.as_dict() for block in left], "error": error, "hint": hint,
        "also_blocked_by": [block.as_dict() for block in also],
    })


def _jails_by_span(bans: t.Iterable[Ban]) -> dict[Span, set[str]]:
    found: dict[Span, set[str]] = {}
    for ban in bans:
        if ban.span is not None:
            found.setdefault(ban.span, set()).add(ban.jail)
    return found


def iso(seconds: float | None) -> str | None:
    """A time as ISO 8601 in UTC."""
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, tz=datetime.timezone.utc).isoformat(timespec="seconds")
