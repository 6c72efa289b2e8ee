# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bans an unban is about, and what came of it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core import actions
from ..._core.addresses import Network, Span, canonical
from ..._core.errors import BadInput, IncidentError, LimitExceeded
from ..._core.limits import require_spent
from ..._firewall.decisions.packet_filter import EXACT, FAIL2BAN, UNSEEN, Block
from .replies import Ban, named

VERB = "unban"
REPORT, REMOVE, FAIL = COVERINGS = ("report", "remove", "fail")
#: How a ban came to be chosen.
BY_EXACT, BY_COVERING, BY_MEMBER, BY_ALL = "exact", "covering", "member", "all"
#: detail.state of an action, finer than its outcome.
UNBANNED, NOT_BANNED, COVERED_BY, STILL_FILTERED, BANNED_AGAIN, STILL_BANNED, STILL_STORED, NOT_MEASURED = (
    "unbanned", "not_banned", "covered_by", "still_filtered", "banned_again", "still_banned", "still_in_database", "not_measured",
)


class StillShut(IncidentError):
    """What was to be let in is not."""

    kind = "actions_failed"


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
        approved: action ids of a plan, None for no restriction.
    """

    targets: t.Mapping[str, t.Sequence[Network]]
    members_of: t.Sequence[Network] = ()
    covering: str = REPORT
    max_entries: int = 20
    max_victims: int = 1000
    spent: int = 0
    confirm_all: t.Optional[int] = None
    approved: t.Optional[t.Sequence[str]] = None

    def __post_init__(self) -> None:
        require_spent(self.spent)

    def limits(self) -> dict[str, t.Any]:
        """The limits as they enter results and the plan's hash."""
        return {"max_victims": self.max_victims, "max_entries": self.max_entries, "confirm_all": self.confirm_all}


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A ban that is to be lifted: by which input, and how it matched. `span`: of the input."""

    ban: Ban
    asked: str
    span: t.Optional[Span]
    matched_by: str


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
        IncidentError: covering is FAIL, and a target is inside a banned network.
        LimitExceeded: more than members_of may find.
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
    absent: list[Absent] = []
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
                absent.append(Absent(asked, span, inside))
    if covered and wish.covering == FAIL:
        one = covered[0]
        raise StillShut(
            f"{one.asked} is inside {one.ban.entry}, which {one.ban.jail} bans; nothing was changed.",
            hint="Set covering to remove to lift the ban of the whole network, or to report.",
            covered=[{"asked": c.asked, "jail": c.ban.jail, "entry": c.ban.entry} for c in covered],
        )
    _add_members(wish, bans, chosen)
    # A network's ban that is lifted anyway covers nobody afterwards.
    still = tuple(one for one in covered if one.ban.key not in chosen)
    return Selection(tuple(chosen.values()), still, tuple(absent))


def _everything(wish: Wish, bans: t.Sequence[Ban]) -> Selection:
    if wish.confirm_all != len(bans):
        raise BadInput(
            f"confirm_all: {wish.confirm_all} is not the number of bans, which is {len(bans)}; nothing was changed.",
            hint=f"Look at them; confirm_all: {len(bans)} lifts every one.", argument="confirm_all", count=len(bans),
        )
    return Selection(tuple(Chosen(ban, "all", ban.span, BY_ALL) for ban in bans))


def _add_members(wish: Wish, bans: t.Sequence[Ban], chosen: dict[tuple[str, str, str], Chosen]) -> None:
    spans = [(canonical(network), Span.of(network)) for network in wish.members_of]
    found = {
        ban.key: Chosen(ban, asked, ban.span, BY_MEMBER)
        for asked, span in spans for ban in bans if ban.span is not None and span.covers(ban.span)
    }
    if len(found) > wish.max_entries:
        raise LimitExceeded(
            f"members_of finds {len(found)} bans and max_entries is {wish.max_entries}; nothing was changed.",
            hint="Name a smaller network, or raise max_entries.", count=len(found), max_entries=wish.max_entries,
        )
    for key, one in found.items():
        chosen.setdefault(key, one)


def check_limit(wish: Wish, count: int, **facts: t.Any) -> None:
    """Refuse more than may be lifted; confirm_all, which names its number, is its own limit.

    Args:
        facts: go into the result beside the message.

    Raises:
        LimitExceeded: it is more.
    """
    allowance = max(wish.max_victims - wish.spent, 0) if wish.confirm_all is None else max(wish.confirm_all - wish.spent, 0)
    if count > allowance:
        raise LimitExceeded(
            f"{count} bans would be lifted and {allowance} may be: max_victims {wish.max_victims}, {wish.spent} spent already. "
            "Nothing was changed.",
            hint="Name fewer, or raise max_victims.", count=count, allowance=allowance, **facts,
        )


def action_for(chosen: Chosen, *, resource: str) -> actions.Action:
    """The action that lifts a ban."""
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
    """What to say of a target whose ban is not lifted."""
    identity = {"address": str(one.span)}
    if isinstance(one, Covered):
        return actions.Action(
            verb=VERB, resource=resource, identity={**identity, "jail": one.ban.jail, "by": one.ban.entry},
            name=named(str(one.span), jail=one.ban.jail), target={"address": str(one.span), "jail": one.ban.jail}, outcome=actions.REFUSED,
            reason=f"{one.asked} is inside {one.ban.entry}, and covering is report.",
            detail={"state": COVERED_BY, "by": one.ban.entry, "asked": one.asked, "why": "covering",
                    "hint": "Set covering to remove to lift the ban of the whole network."},
        )
    inside = {"members": one.members, "hint": "Use members_of for bans inside it."} if one.members else {}
    return actions.Action(
        verb=VERB, resource=resource, identity=identity, target={"address": str(one.span)}, name=str(one.span),
        reason=f"{one.asked} was named.", outcome=actions.NOT_NEEDED,
        detail={"state": NOT_BANNED, "asked": one.asked, **inside},
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
            actions.FAILED, state=BANNED_AGAIN if again else STILL_BANNED, banned_at=ban_now.banned_at,
            error="Its log still says it fails: banned again." if again else "The daemon still bans it.",
            hint="Find out what fails at the client, and use hold." if again else "See the daemon's log.", **detail,
        )
    if left:
        return action.with_outcome(
            actions.FAILED, state=STILL_FILTERED, blocks=[block.as_dict() for block in left],
            error=f"The daemon has let it go, and {left[0].where_text} still drops it: {left[0].rule}",
            hint="Set repair, or remove the rule by hand: the daemon has forgotten it and never will.", **detail,
        )
    unseen = [block for block in also if block.matched == UNSEEN and block.jail == chosen.ban.jail]
    if unseen:
        return action.with_outcome(
            actions.UNKNOWN, state=NOT_MEASURED, blocks=[block.as_dict() for block in unseen],
            error=f"The daemon has let it go, and whether {unseen[0].set} still holds it is not known: the set cannot be read.",
            hint="Make ipset save work for this user, and run it again: it measures first.", **detail,
        )
    if stored:
        return action.with_outcome(
            actions.FAILED, state=STILL_STORED, error="The daemon's database still has the ban: a restart brings it back.",
            hint="Run it again.", **detail,
        )
    return action.with_outcome(actions.DONE, state=UNBANNED, **detail)
