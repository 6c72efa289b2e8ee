# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of one Redis server: the material of every judgement.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.findings import Skipped
from ..._core.thresholds import NO_LIMIT, Limit
from .absent import does_not_apply, product_lacks
from .info import integer, keyspace

#: What PING came to, by its class.
PONG, LOADING, MASTERDOWN, MISCONF, BUSY, NOAUTH, NOPERM, OTHER = (
    "PONG", "LOADING", "MASTERDOWN", "MISCONF", "BUSY", "NOAUTH", "NOPERM", "OTHER",
)
PING_CLASSES = (PONG, LOADING, MASTERDOWN, MISCONF, BUSY, NOAUTH, NOPERM, OTHER)
#: What servers and proxies say of a command that they do not know, in small letters.
NO_SUCH_COMMAND = ("unknown command", "unsupported command")


@dataclasses.dataclass(frozen=True)
class Request:
    """What a look is about.

    Attributes:
        checks: names of redis_health's checks.
        limits: thresholds by name of redis_limits.THRESHOLDS.
        sample_seconds: between the two samples of INFO that deltas come from.
        expected_replicas: how many replicas must be attached to a primary.
        min_replicas_to_write: how many good ones a primary needs to take writes; None: what its own setting says.
        fragmentation_bytes: less waste than this is not a finding, whatever the ratio.
        slow_entries: entries of the slow log that are told.
        sample_keys: keys looked at for their TTL; 0 looks at none.
        sample_budget: seconds for that.
        pings: round trips measured.
    """

    checks: tuple[str, ...]
    limits: t.Mapping[str, Limit] = dataclasses.field(default_factory=dict)
    sample_seconds: float = 1.0
    expected_replicas: int = 0
    min_replicas_to_write: t.Optional[int] = None
    fragmentation_bytes: int = 100 * 2**20
    slow_entries: int = 5
    sample_keys: int = 100
    sample_budget: float = 0.5
    pings: int = 20

    def limit(self, name: str) -> Limit:
        """The thresholds of a check."""
        return self.limits.get(name, NO_LIMIT)


@dataclasses.dataclass
class Facts:
    """What one server said.

    Attributes:
        address: of the server, for people.
        ping: its class, of PING_CLASSES; what was said is in ping_message.
        before, after: two samples of INFO by field name, `between` seconds apart; empty when INFO is refused. There is one sample,
            and nothing grew, when `between` is 0.
        config: CONFIG GET of what matters; None when it is refused.
        slow_ids: the slow log's newest id at each sample, -1 for an empty log.
        slow_entries: its entries, newest first: seconds, at, command, arguments (a number).
        latency: LATENCY LATEST; None when refused.
        round_trips: of PING, seconds.
        ttl_sample: keys looked at, those without a TTL, their prefixes.
        host: settings of the host; None when the server does not run on this one.
        cluster: CLUSTER INFO where it is one.
        denied: by command, why it could not be asked.
        now: the server's clock, seconds since 1970.
        held_back: whether it holds writes back, where it does not tell and was asked by a command that a pause holds back too; None where
            it was not asked.
        knows_client: whether the command CLIENT is known there.
    """

    address: str = ""
    ping: str = ""
    ping_message: str = ""
    before: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    after: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    between: float = 0.0
    config: t.Optional[t.Mapping[str, str]] = None
    slow_ids: t.Optional[tuple[int, int]] = None
    slow_entries: t.Sequence[t.Mapping[str, t.Any]] = ()
    latency: t.Optional[t.Sequence[t.Mapping[str, t.Any]]] = None
    round_trips: t.Sequence[float] = ()
    ttl_sample: t.Optional[t.Mapping[str, t.Any]] = None
    host: t.Optional[t.Mapping[str, t.Any]] = None
    cluster: t.Optional[t.Mapping[str, str]] = None
    denied: dict[str, str] = dataclasses.field(default_factory=dict)
    now: float = 0.0
    held_back: t.Optional[bool] = None
    knows_client: bool = True

    def recalled(self) -> Facts:
        """The same as a record keeps it: of the first sample what the second has otherwise, and as empty what it has more."""
        before = {name: self.before.get(name, "") for name in (*self.before, *self.after)}
        return dataclasses.replace(self, before={name: value for name, value in before.items() if self.after.get(name) != value})

    def whole(self) -> Facts:
        """What recalled() has made of it, with all of the first sample."""
        before = {**self.after, **self.before}
        return dataclasses.replace(self, before={name: value for name, value in before.items() if self.before.get(name) != ""})

    def delta(self, field: str) -> t.Optional[int]:
        """How much a counter grew between the samples, None without two. After a restart or CONFIG RESETSTAT it is what has come since."""
        if self.between <= 0:
            return None
        first, last = integer(self.before, field), integer(self.after, field)
        if first is None or last is None or first < 0 or last < 0:
            # Dragonfly says -1 for what it does not count, and nothing counted is not nothing happened.
            return None
        return last - first if last >= first else last

    def rate(self, field: str) -> t.Optional[float]:
        """A counter's growth a second; None without two samples."""
        grown = self.delta(field)
        return None if grown is None else grown / self.between

    @property
    def no_config(self) -> bool:
        """Whether it has no command CONFIG. Where one is forbidden to this user is another matter: that can be granted."""
        return "unknown command" in self.denied.get("CONFIG", "").lower()

    @property
    def no_such_info(self) -> bool:
        """Whether it has no command INFO. Where one is forbidden to this user is another matter: that can be granted."""
        return any(words in self.denied.get("INFO", "").lower() for words in NO_SUCH_COMMAND)

    @property
    def is_proxy(self) -> bool:
        """Whether what answers knows neither CLIENT nor INFO, as a proxy does. On a server both would have to be renamed."""
        return self.no_such_info and not self.knows_client

    @property
    def is_primary(self) -> bool:
        """Whether it is a primary."""
        return self.after.get("role") == "master"

    @property
    def is_replica(self) -> bool:
        """Whether it is a replica."""
        return self.after.get("role") in ("slave", "replica")

    @property
    def is_sentinel(self) -> bool:
        """Whether it is a sentinel and holds no data."""
        return "sentinel" in (self.after.get("redis_mode"), self.after.get("server_mode"))

    @property
    def is_cluster(self) -> bool:
        """Whether it is a node of a cluster."""
        return self.after.get("cluster_enabled") == "1"

    @property
    def keys(self) -> int:
        """How many keys all its databases hold."""
        return sum(one["keys"] for one in keyspace(self.after).values())

    @property
    def expires(self) -> int:
        """How many of them have a TTL."""
        return sum(one["expires"] for one in keyspace(self.after).values())

    def why_no_info(self) -> str:
        """Why there is no INFO, in the words of a skipped check."""
        return self.denied.get("INFO", "not_read: INFO was not read")

    def no_info(self, check: str) -> Skipped:
        """A check that needs INFO, which was not read."""
        # A script that blocks everything refuses INFO too, and no permission would help.
        hint = "See availability: it answers nothing else now."
        if self.no_such_info:
            hint = "Ask the server itself: a proxy knows no INFO. Where the command was renamed, nothing here knows its name."
        elif self.why_no_info().startswith("not_permitted"):
            hint = "Allow +info to this user."
        return Skipped(check, self.why_no_info(), hint)

    def no_growth(self, check: str, field: str) -> Skipped:
        """A check that needs to know how much a counter grew, which cannot be told."""
        if product_lacks(self.after, field):
            return does_not_apply(check, "not_counted", of=field)
        if self.between > 0:
            return Skipped(check, f"not_told: INFO has no {field}")
        return Skipped(check, f"one_sample: {self.denied.get('INFO', f'{field} was read once, and its growth needs two samples')}",
                       "" if "INFO" in self.denied else "Give sample_seconds more than 0s.")
