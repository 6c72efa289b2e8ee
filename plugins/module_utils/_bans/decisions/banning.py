# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who must never be banned, and who may be within the limits.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import typing as t

from ..._core import actions, why
from ..._core.acting import Candidate, Sight
from ..._core.addresses import Network, Span, canonical
from ..._core.errors import Blind
from ..._core.limits import Budget
from ..._core.recorded import Basis
from .replies import Ban, named

VERB = "ban"
#: detail.state of an action, finer than its outcome.
BANNED, ALREADY_BANNED, NOT_FILTERED, LET_IN, NOT_BANNED, NOT_MEASURED = (
    "banned", "already_banned", "not_filtered", "let_in", "not_banned", "not_measured",
)
#: Why somebody is spared: the first of the operators, and the one that protects nobody.
OPERATOR, OVER_LIMIT = "operator", "over_limit"
#: Networks of nobody on the Internet: RFC 1918, 6598 (shared), 3927 and 4291 (link-local), 4193 (unique local). Documentation's
#: networks are not among them.
PRIVATE: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "fc00::/7", "fe80::/10", "fec0::/10",
))
#: A larger network is nobody's brute force but a provider.
WIDEST = {4: 16, 6: 32}


@dataclasses.dataclass(frozen=True)
class Protected:
    """Addresses that are never banned, and why.

    Attributes:
        operators: of those who are logged in, or came to do this.
        never_ban: what the caller named.
        own: this host's.
        gateways, resolvers: without which it reaches nobody.
        ignored: what the jail itself ignores.
    """

    operators: tuple[Network, ...] = ()
    never_ban: tuple[Network, ...] = ()
    own: tuple[Network, ...] = ()
    gateways: tuple[Network, ...] = ()
    resolvers: tuple[Network, ...] = ()
    ignored: tuple[Network, ...] = ()

    def union(self, later: Protected) -> Protected:
        """Whom either of two looks protects."""
        return Protected(*(
            tuple(dict.fromkeys((*getattr(self, field.name), *getattr(later, field.name)))) for field in dataclasses.fields(self)
        ))

    def require_operator(self) -> None:
        """Refuse to ban anybody when nobody can tell who must not be.

        Raises:
            Blind: there is neither a session nor a named address.
        """
        if not self.operators and not self.never_ban:
            raise Blind(
                "Nobody can tell where the operator of this host comes from: there is no session of sshd, no SSH_CONNECTION, and never_ban "
                "is empty. Nothing was banned.",
                hint="Put the addresses of the operators, the bastion or AWX into never_ban.", argument="never_ban",
            )


def reasons(network: Network, protected: Protected, *, allow_private: bool) -> tuple[str, ...]:
    """Why a network must not be banned; empty when nothing protects it. One shared address is enough."""
    span = Span.of(network)
    found = [
        name for name, others in (
            (OPERATOR, protected.operators), ("never_ban", protected.never_ban), ("own_address", protected.own),
            ("gateway", protected.gateways), ("resolver", protected.resolvers), ("ignored_by_jail", protected.ignored),
        ) if any(Span.of(other).touches(span) for other in others)
    ]
    if network.is_loopback or any(network.version == net.version and Span.of(net).touches(span) for net in _LOOPBACK):
        found.append("loopback")
    if network.is_unspecified or network.is_multicast or (network.is_reserved and network.version == 4):
        found.append("special")
    if network.prefixlen < WIDEST[network.version]:
        found.append("too_wide")
    if not allow_private and any(Span.of(private).touches(span) for private in PRIVATE):
        found.append("private")
    return tuple(found)


_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


def action_for(network: Network, *, jail: str, resource: str, seconds: float | None) -> actions.Action:
    """The action that bans a network."""
    said = canonical(network)
    return actions.Action(
        verb=VERB, resource=resource, identity={"jail": jail, "entry": said}, name=named(said, jail=jail),
        target={"address": said, "jail": jail}, reason=f"{said} was named for {jail}.", detail={"seconds": seconds},
    )


def spared_for(network: Network, reasons: t.Sequence[str]) -> actions.Spared:
    """Who was not banned, and why."""
    return actions.Spared(target={"address": canonical(network)}, reasons=tuple(reasons), would_match=True, name=canonical(network))


def sight(
    targets: t.Sequence[Network], *, jail: str, resource: str, seconds: t.Optional[float], bans: t.Sequence[Ban],
    let_through: t.Sequence[Span], protected: Protected, allow_private: bool, budget: Budget, leave_rest: bool,
    covered: t.Sequence[Span] = (),
) -> Sight[Network]:
    """Who could be banned, of those that were named.

    Args:
        seconds: of the ban.
        bans: that there are.
        let_through: addresses that are banned and that the packet filter surely has nothing against.
        leave_rest: whether the first ones that the limit allows are banned alone.
        covered: addresses in a network that the jail bans, and that the packet filter drops.
    """
    named_once = list(dict.fromkeys(targets))
    candidates: list[Candidate[Network]] = []
    spared: list[actions.Spared] = []
    for network in named_once:
        action = action_for(network, jail=jail, resource=resource, seconds=seconds)
        protects = reasons(network, protected, allow_private=allow_private)
        if protects:
            spared.append(spared_for(network, protects))
            continue
        span = Span.of(network)
        if any(ban.span == span and jail in ("", ban.jail) for ban in bans):
            if span not in let_through:
                action = action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, state=ALREADY_BANNED)
            else:
                reason = f"{jail} bans {canonical(network)}, and no packet filter on this host drops it."
                action = dataclasses.replace(action, reason=reason, detail={**action.detail, "state": NOT_FILTERED})
        elif span in covered:
            action = action.with_outcome(actions.NOT_NEEDED, why=why.ALREADY_SO, state=ALREADY_BANNED)
        candidates.append(Candidate(network, action))
    spans = {Span.of(network) for network in named_once}
    return Sight(candidates, protected=tuple(spared), limits=(budget.limit(len(named_once)),), basis=Basis("fail2ban_ban", {
        "targets": named_once, "jail": jail, "resource": resource, "seconds": seconds, "let_through": let_through, "protected": protected,
        "bans": [ban for ban in bans if ban.span in spans], "allow_private": allow_private, "budget": budget, "leave_rest": leave_rest,
        "covered": covered,
    }))
