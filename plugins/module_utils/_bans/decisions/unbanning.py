# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bans an unban is about, and what came of it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import actions, ranges, temporary, why
from ..._core.acting import ActionsFailed, Candidate, Sight
from ..._core.addresses import Network, Span, canonical
from ..._core.errors import BadInput
from ..._core.limits import Limit
from ..._core.recorded import Basis
from ..._firewall.decisions.packet_filter import EXACT, FAIL2BAN, UNSEEN, Block
from .replies import Ban, named

VERB = "unban"
#: Takes a hold back before its timer does.
END_HOLD = "end_hold"
REPORT, REMOVE, FAIL = COVERINGS = ("report", "remove", "fail")
#: How a ban came to be chosen.
BY_EXACT, BY_COVERING, BY_MEMBER, BY_ALL = "exact", "covering", "member", "all"
#: detail.state of an action, finer than its outcome.
UNBANNED, NOT_BANNED, COVERED_BY, STILL_FILTERED, BANNED_AGAIN, STILL_BANNED, STILL_STORED, NOT_MEASURED = (
    "unbanned", "not_banned", "covered_by", "still_filtered", "banned_again", "still_banned", "still_in_database", "not_measured",
)


@dataclasses.dataclass(frozen=True)
class Wish:
    """What the caller wants unbanned.

    Attributes:
        targets: each input as it was written, and what it means.
        members_of: bans inside these networks.
        covering: what to do when a target is inside a banned network: REPORT, REMOVE or FAIL.
        max_entries: how many bans members_of may find.
        max_victims, spent: how many bans a run may lift, and how many it has lifted already.
        confirm_all: lift every ban; how many there are, by the caller's count.
    """

    targets: t.Mapping[str, t.Sequence[Network]]
    members_of: t.Sequence[Network] = ()
    covering: str = REPORT
    max_entries: int = 20
    max_victims: int = 1000
    spent: int = 0
    confirm_all: t.Optional[int] = None

    def __post_init__(self) -> None:
        ranges.read(self.spent, name="spent")

    def limits(self) -> dict[str, t.Any]:
        """The limits as they enter results and the plan's hash."""
        return {"max_victims": self.max_victims, "max_entries": self.max_entries, "confirm_all": self.confirm_all}

    def now(self) -> tuple[Limit, Limit]:
        """What may be lifted now; confirm_all, which names its number, is its own limit."""
        name, most = ("max_victims", self.max_victims) if self.confirm_all is None else ("confirm_all", self.confirm_all)
        return (
            Limit(name, max(most - self.spent, 0), f"{name} {most}, {self.spent} used already"),
            Limit("max_entries", self.max_entries, f"members_of finds them, and max_entries is {self.max_entries}"),
        )


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A ban that is to be lifted: by which input, and how it matched. `span`: of the input. `member`: members_of finds it too."""

    ban: Ban
    asked: str
    span: t.Optional[Span]
    matched_by: str
    member: bool = False


@dataclasses.dataclass(frozen=True)
class Covered:
    """A target inside a banned network that stays."""

    asked: str
    span: Span
    ban: Ban


@dataclasses.dataclass(frozen=True)
class Absent:
    """A target that nothing bans. `members`: how many bans there are inside it, where it is a network."""

    asked: str
    span: Span
    members: int = 0


@dataclasses.dataclass(frozen=True)
class Selection:
    """What a wish means among the bans there are."""

    chosen: tuple[Chosen, ...] = ()
    covered: tuple[Covered, ...] = ()
    absent: tuple[Absent, ...] = ()


def known_jails(wanted: t.Sequence[str], jails: t.Sequence[str]) -> list[str]:
    """The jails to look at: those wanted, or every one.

    Raises:
        BadInput: one does not exist; the error lists those that do.
    """
    unknown = [name for name in wanted if name not in jails]
    if unknown:
        raise BadInput(
            f"jails: there is no {', '.join(unknown)}.", hint=f"There are: {', '.join(jails) or 'none'}.", argument="jails",
            jails=list(jails), unknown=unknown,
        )
    return [name for name in jails if name in wanted] if wanted else list(jails)


def select(wish: Wish, bans: t.Sequence[Ban]) -> Selection:
    """The bans that a wish is about.

    Raises:
        BadInput: confirm_all does not name the number of bans there are.
        ActionsFailed: covering is FAIL, and a target is inside a banned network.
    """
    if wish.confirm_all is not None:
        return _everything(wish, bans)
    exact: dict[Span, list[Ban]] = {}
    wide: list[Ban] = []
    for ban in bans:
        if ban.span is not None:
            exact.setdefault(ban.span, []).append(ban)
            if not ban.span.single:
                wide.append(ban)
    chosen: dict[tuple[str, str, str], Chosen] = {}
    covered: list[Covered] = []
    absent: dict[Span, Absent] = {}
    for asked, networks in wish.targets.items():
        for network in networks:
            span = Span.of(network)
            own = exact.get(span, [])
            above = [ban for ban in wide if ban.span is not None and ban.span != span and ban.span.covers(span)]
            for ban in own:
                chosen[ban.key] = Chosen(ban, asked, span, BY_EXACT)
            if wish.covering == REMOVE:
                for ban in above:
                    chosen.setdefault(ban.key, Chosen(ban, asked, span, BY_COVERING))
            else:
                covered += [Covered(asked, span, ban) for ban in above]
            if not own and not above:
                inside = 0 if span.single else sum(ban.span is not None and span.covers(ban.span) for ban in bans)
                absent.setdefault(span, Absent(asked, span, inside))
    if covered and wish.covering == FAIL:
        one = covered[0]
        raise ActionsFailed(
            f"{one.asked} is inside {one.ban.entry}, which {one.ban.jail} bans; nothing was changed.",
            hint="Set covering to remove to lift the ban of the whole network, or to report.",
            covered=[{"asked": c.asked, "jail": c.ban.jail, "entry": c.ban.entry} for c in covered],
        )
    _add_members(wish, bans, chosen)
    # A network's ban that is lifted anyway covers nobody afterwards.
    still = tuple(one for one in covered if one.ban.key not in chosen)
    return Selection(tuple(chosen.values()), still, tuple(absent.values()))


def _everything(wish: Wish, bans: t.Sequence[Ban]) -> Selection:
    if wish.confirm_all != len(bans):
        raise BadInput(
            f"confirm_all: {wish.confirm_all} is not the number of bans, which is {len(bans)}; nothing was changed.",
            hint=f"Look at them; confirm_all: {len(bans)} lifts every one.", argument="confirm_all", count=len(bans),
        )
    return Selection(tuple(Chosen(ban, "all", ban.span, BY_ALL) for ban in bans))


def _add_members(wish: Wish, bans: t.Sequence[Ban], chosen: dict[tuple[str, str, str], Chosen]) -> None:
    for network in wish.members_of:
        span = Span.of(network)
        for ban in bans:
            if ban.span is not None and span.covers(ban.span):
                known = chosen.get(ban.key) or Chosen(ban, canonical(network), ban.span, BY_MEMBER)
                chosen[ban.key] = dataclasses.replace(known, member=True)


def action_for(chosen: Chosen, *, resource: str, hold: t.Optional[float] = None) -> actions.Action:
    """The action that lifts a ban.

    Args:
        hold: seconds for which the daemon is to ignore the address: the action says for how long, and how that ends. None for no hold.
    """
    action = _lifting(chosen, resource=resource)
    if hold is None:
        return action
    jail, address = held(chosen)
    action = dataclasses.replace(action, identity={**action.identity, "hold": f"{hold:g}s"}, id="")
    return temporary.with_temporary(action, temporary.Temporary(
        way_back=f"A timer takes {address} off the ignore list of {jail}", ends=temporary.UNIT, lasts=hold,
        survives="a reload or restart of fail2ban", undo={"verb": END_HOLD, "jail": jail, "address": address},
    ))


def held(chosen: Chosen) -> tuple[str, str]:
    """Which jail is to ignore which address: the one that was asked for, not the network that covered it."""
    ban = chosen.ban
    return ban.jail, str(chosen.span) if chosen.span is not None and chosen.matched_by == BY_COVERING else ban.entry


def _lifting(chosen: Chosen, *, resource: str) -> actions.Action:
    ban = chosen.ban
    identity = {"jail": ban.jail, "entry": ban.entry, **({"id": ban.id} if ban.id else {})}
    return actions.Action(
        verb=VERB, resource=resource, identity=identity, name=named(ban.entry, jail=ban.jail),
        target={"address": ban.entry, "jail": ban.jail, **({"id": ban.id} if ban.id else {})},
        reason={
            BY_EXACT: f"{ban.entry} was named.", BY_COVERING: f"It holds {chosen.asked}, and covering is remove.",
            BY_MEMBER: f"It is inside {chosen.asked}.", BY_ALL: "Every ban was to be lifted.",
        }[chosen.matched_by],
        detail={"asked": chosen.asked, "matched_by": chosen.matched_by},
    )


def report_for(one: Covered | Absent, *, resource: str) -> actions.Action:
    """What to say of a target whose ban is not lifted, or that nothing bans: of the latter the outcome is the caller's."""
    identity = {"address": str(one.span)}
    if isinstance(one, Covered):
        return actions.Action(
            verb=VERB, resource=resource, identity={**identity, "jail": one.ban.jail, "by": one.ban.entry},
            name=named(str(one.span), jail=one.ban.jail), target={"address": str(one.span), "jail": one.ban.jail}, outcome=actions.REFUSED,
            reason=f"{one.asked} is inside {one.ban.entry}, and covering is report.",
            detail={"state": COVERED_BY, "by": one.ban.entry, "asked": one.asked, "why": why.OPTION_OFF,
                    "hint": "Set covering to remove to lift the ban of the whole network."},
        )
    inside = {"members": one.members, "hint": "Use members_of for bans inside it."} if one.members else {}
    return actions.Action(
        verb=VERB, resource=resource, identity=identity, target={"address": str(one.span)}, name=str(one.span),
        reason=f"{one.asked} was named.", detail={"asked": one.asked, **inside},
    )


def leftovers(span: Span, blocks: t.Sequence[Block], *, jail: str, banned_in: t.Collection[str]) -> list[Block]:
    """The blocks that an unban should have removed: they name exactly this address or network.

    Args:
        jail: whose ban was lifted, empty where there was none.
        banned_in: the jails that still ban it; their rules are theirs to have.
    """
    return [
        block for block in blocks
        if block.matched == EXACT and block.source == str(span)
        and not (block.jail in banned_in if block.jail else bool(banned_in) and block.jail != jail)
        and (jail or block.owner == FAIL2BAN)
    ]


def measured(
    action: actions.Action, chosen: Chosen, *, ban_now: Ban | None, gone_once: bool, stored: bool, left: t.Sequence[Block],
    also: t.Sequence[Block], other_jails: t.Sequence[str], repaired: t.Sequence[str] = (),
) -> actions.Action:
    """The action with what was measured.

    Args:
        ban_now: the daemon's ban of the same entry, None where there is none.
        gone_once: whether the daemon was seen without it since.
        stored: whether its database would bring it back.
        left: what leftovers() found.
        also: other blocks of the address.
        other_jails: jails that ban it and were not asked about.
        repaired: what was done beside the unban.
    """
    detail: dict[str, t.Any] = {
        "also_blocked_by": [block.as_dict() for block in also], "still_banned_in": list(other_jails),
        **({"repaired": list(repaired)} if repaired else {}),
    }
    again = ban_now is not None and (gone_once or ban_now.id != chosen.ban.id or ban_now.banned_at != chosen.ban.banned_at)
    if ban_now is None or again:
        # The daemon has let it go, whatever else keeps it out.
        action = dataclasses.replace(action, touched=True)
    if ban_now is not None:
        return action.with_outcome(
            actions.FAILED, why=why.CAME_BACK if again else why.NOT_MEASURED, state=BANNED_AGAIN if again else STILL_BANNED,
            banned_at=ban_now.banned_at,
            error="Its log still says it fails: banned again." if again else "The daemon still bans it.",
            hint="Find out what fails at the client, and use hold." if again else "See the daemon's log.", **detail,
        )
    if left:
        return action.with_outcome(
            actions.FAILED, why=why.NOT_MEASURED, state=STILL_FILTERED, blocks=[block.as_dict() for block in left],
            error=f"The daemon has let it go, and {left[0].where_text} still drops it: {left[0].rule}",
            hint="Set repair, or remove the rule by hand: the daemon has forgotten it and never will.", **detail,
        )
    unseen = [block for block in also if block.matched == UNSEEN and block.jail == chosen.ban.jail]
    if unseen:
        return action.with_outcome(
            actions.UNKNOWN, why=why.NO_ANSWER, state=NOT_MEASURED, blocks=[block.as_dict() for block in unseen],
            error=f"The daemon has let it go, and whether {unseen[0].set} still holds it is not known: the set cannot be read.",
            hint="Make ipset save work for this user, and run it again: it measures first.", **detail,
        )
    if stored:
        return action.with_outcome(
            actions.FAILED, why=why.NOT_MEASURED, state=STILL_STORED, hint="Run it again.",
            error="The daemon's database still has the ban: a restart brings it back.", **detail,
        )
    return action.with_outcome(actions.DONE, state=UNBANNED, **detail)


Target = t.Union[Chosen, Absent, Covered]


def sight(
    wish: Wish, bans: t.Sequence[Ban], selection: t.Optional[Selection] = None, *, resource: str, shut: t.Sequence[Span], repair: bool,
    check_mode: bool, limits: tuple[Limit, ...], hold: t.Optional[float] = None,
) -> Sight[Target]:
    """What could be lifted, of the bans that there are.

    Args:
        selection: what the wish means among these bans, where that is known.
        shut: targets that nothing bans and that a packet filter drops all the same.
        repair: whether what is left over is taken out.
        hold: as of action_for().

    Raises:
        BadInput, ActionsFailed: see select().
    """
    selection = selection or select(wish, bans)
    found: list[Candidate[Target]] = [
        Candidate(one, action_for(one, resource=resource, hold=hold), uses={"max_entries": int(one.member)}) for one in selection.chosen
    ]
    for absent in selection.absent:
        report = report_for(absent, resource=resource)
        if absent.span not in shut:
            report = report.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, state=NOT_BANNED)
        elif repair:
            report = dataclasses.replace(report, detail={**report.detail, "state": STILL_FILTERED})
        else:
            outcome = actions.REFUSED if check_mode else actions.FAILED
            report = dataclasses.replace(report, touched=False).with_outcome(outcome, why=why.OPTION_OFF)
        found.append(Candidate(absent, report, uses={"max_entries": 0, "hold": 0}))
    found += [Candidate(covered, report_for(covered, resource=resource)) for covered in selection.covered]
    return Sight(found, limits=limits, basis=Basis("fail2ban_unban", {
        "wish": wish, "bans": bans, "resource": resource, "shut": shut, "repair": repair, "check_mode": check_mode, "limits": limits,
        "hold": hold,
    }))
