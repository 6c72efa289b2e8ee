# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A recorded decision, made again from its reading.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import importlib
import ipaddress
import json
import re
import types
import typing as t
from collections.abc import Mapping, Sequence, Set

from ...module_utils._core.acting import Candidate, Sight, Subject, before_acting
from ...module_utils._core.actions import Spared
from ...module_utils._core.errors import BadInput, IncidentError
from ...module_utils._core.judging import Verdict
from ...module_utils._core.reading import Reading
from ...module_utils._core.recorded import READING, VERSION

#: The decision of each module that records its reading: a function, in module_utils.
DECISIONS: t.Final[Mapping[str, str]] = {
    "access_health": "_bans.decisions.access:decide",
    "alert_silence": "_maintenance.decisions.silences:sight",
    "cert_expiry": "_certificate.decisions.report:decide",
    "cert_renew": "_certificate.decisions.renewing:sight",
    "disk_clean": "_host.decisions.cleaning:sight",
    "disk_health": "_host.decisions.disk:judge_path",
    "disk_survey": "_host.decisions.disk:judge_survey",
    "fail2ban_ban": "_bans.decisions.banning:sight",
    "fail2ban_health": "_bans.decisions.health:decide",
    "fail2ban_unban": "_bans.decisions.undoing:sight",
    "failed_logins": "_logins.decisions.logins:judge_logins",
    "firewall_remove": "_firewall.decisions.rule_removal:sight",
    "http_health": "_probe.decisions.web:decide",
    "maintenance_health": "_maintenance.decisions.state:decide",
    "http_smoke": "_probe.decisions.smoke:decide",
    "pg_health": "_postgresql.decisions.health:decide",
    "pg_maintain": "_postgresql.decisions.maintenance:sight",
    "pg_restart_check": "_postgresql.decisions.restart:decide",
    "pg_terminate_long_queries": "_postgresql.termination:sight",
    "port_health": "_probe.decisions.ports:decide",
    "redis_cache_clear": "_redis.decisions.clearing:sight",
    "redis_client_kill": "_redis.decisions.clients:sight",
    "redis_health": "_redis.health_run:decide",
    "redis_probe": "_redis.decisions.probe:decide",
    "redis_repair": "_redis.decisions.repairs:sight",
    "redis_restart_check": "_redis.decisions.restart:decide",
    "service_health": "_service.decisions.health:judge_services",
    "service_reach": "_service.decisions.reaches:decide",
}
#: Those that do what their limits allow and leave the others, instead of refusing all.
PARTLY = frozenset({"redis_client_kill"})
#: Where an approval may cover a part of a candidate: the function that takes it, and how one is spared that the limits do not allow.
NARROWED: t.Final[Mapping[str, tuple[str, str]]] = {
    "pg_terminate_long_queries": ("_postgresql.termination:narrowed", "_postgresql.termination:left_over"),
}
#: What is a text in JSON.
_FROM_TEXT: t.Final[Mapping[t.Any, t.Callable[[str], t.Any]]] = {
    ipaddress.IPv4Network: ipaddress.IPv4Network, ipaddress.IPv6Network: ipaddress.IPv6Network,
    datetime.datetime: datetime.datetime.fromisoformat, bytes: bytes.fromhex,
    re.Pattern: functools.partial(re.compile, flags=re.IGNORECASE | re.DOTALL),
}
#: Reads the bytes of a value that was too large for a line of the record.
Blob = t.Callable[[Mapping[str, t.Any]], bytes]
_HINT = "Use a record of this version of the collection, and one whose reading is complete."


class NotAgain(BadInput):
    """The decision cannot be made again from what is recorded."""

    kind = "not_again"


@dataclasses.dataclass(frozen=True)
class Decided:
    """What a decision came to.

    Attributes:
        checks: the status of each check, of a health module; None of a mitigating one.
        actions: the outcome before anything is done, by action id; of a mitigating module.
    """

    checks: Mapping[str, str] | None = None
    actions: Mapping[str, str] | None = None


def of_event(event: Mapping[str, t.Any], *, blob: Blob | None = None) -> Decided:
    """The decision behind a `result` event of a record, made again.

    Args:
        blob: reads what is too large for a line of the record, such as reader.blob() of the run.

    Raises:
        NotAgain: the event has no reading, or not all of it.
    """
    try:
        result = _whole(event.get("result"), blob)
    except _NoBlob:
        raise NotAgain(f"event {event.get('seq')}: it is kept in a blob of the run.", hint="Give what reads the run's blobs.") from None
    except (OSError, ValueError) as exc:
        raise NotAgain(f"event {event.get('seq')}: its blob cannot be read: {exc}.", hint="Verify the record.") from exc
    reading = result.get(READING) if isinstance(result, Mapping) else None
    if not isinstance(reading, Mapping):
        raise NotAgain(f"event {event.get('seq')}: it has no reading.", hint="Name the result of a health or mitigating module.")
    return again(reading)


class _NoBlob(Exception):
    """A value is in a blob, and nobody reads those."""


def _whole(value: t.Any, blob: Blob | None) -> t.Any:
    """A value of a record with what its writer has put into blobs."""
    if isinstance(value, list):
        return [_whole(item, blob) for item in value]
    if not isinstance(value, Mapping):
        return value
    reference = value.get("$blob")
    if not isinstance(reference, Mapping):
        # The writer doubles the dollar of names that are not its own.
        return {key[1:] if key.startswith("$$") else key: _whole(item, blob) for key, item in value.items()}
    if blob is None:
        raise _NoBlob
    data = blob(value)
    return _whole(json.loads(data), blob) if reference.get("kind") == "json" else data.decode("utf-8", "surrogateescape")


def again(reading: Mapping[str, t.Any]) -> Decided:
    """The decision of a reading, made again.

    Raises:
        NotAgain: the reading is not complete, of another version, or redacted where the decision looks.
    """
    read = Reading("reading", reading)
    of, given = read.text("of"), read.mapping("given")
    if reading.get("version") != VERSION or of not in DECISIONS:
        raise NotAgain(f"reading: {of}, version {reading.get('version')}, is not known here.", hint=_HINT)
    if not reading.get("complete"):
        left = ", ".join(f"{name} ({count})" for name, count in read.mapping("left_out", {}).items())
        raise NotAgain(f"reading: {left} was too large to be recorded.", hint="The decision cannot be made again from this record.")
    function, wanted = _decision(of)
    if "approved" in wanted:  # the engine's, which is told once
        given = {"approved": reading.get("approved"), **given}
    try:
        decided = function(**{name: typed(wanted[name], value, name) for name, value in given.items()})
    except IncidentError as exc:
        raise NotAgain(f"reading: {of}: {exc.message}", hint=_HINT) from exc
    except (KeyError, TypeError) as exc:
        raise NotAgain(f"reading: {of} does not fit its decision: {exc}.", hint=_HINT) from exc
    verdict = getattr(decided, "verdict", None)
    if isinstance(verdict, Verdict):
        return Decided(checks=verdict.statuses())
    approved = reading.get("approved")
    return Decided(actions=before_acting(
        t.cast(Sight[t.Any], decided), None if approved is None else [str(one) for one in approved],
        subject=_Partly() if _goes_partly(of, given) else _Narrowing(*map(_function, NARROWED[of])) if of in NARROWED else None,
    ))


class _Partly(Subject[t.Any]):
    """A subject that does what its limits allow and leaves the others."""

    def left_over(self, candidate: Candidate[t.Any]) -> Spared:
        return Spared(target={}, reasons=())


class _Narrowing(Subject[t.Any]):
    """A subject of which an approval may cover a part of a candidate, and that leaves some of them to the limits."""

    def __init__(self, narrowed: t.Callable[..., Candidate[t.Any] | None], left_over: t.Callable[..., Spared | None]) -> None:
        self._narrowed, self._left_over = narrowed, left_over

    def left_over(self, candidate: Candidate[t.Any]) -> Spared | None:
        return self._left_over(candidate)

    def permitted(self, candidate: Candidate[t.Any], approved: Set[str]) -> Candidate[t.Any] | None:
        return self._narrowed(candidate, approved)


def _goes_partly(of: str, given: Mapping[str, t.Any]) -> bool:
    return of in PARTLY or bool(given.get("leave_rest"))


@functools.cache
def _decision(of: str) -> tuple[t.Callable[..., t.Any], dict[str, t.Any]]:
    """The function, and the types of its parameters."""
    function = _function(DECISIONS[of])
    return function, t.get_type_hints(function)


def _function(where: str) -> t.Callable[..., t.Any]:
    room, _colon, name = where.partition(":")
    return t.cast("t.Callable[..., t.Any]", getattr(importlib.import_module(f"...module_utils.{room}", __package__), name))


def typed(wanted: t.Any, value: t.Any, where: str = "value") -> t.Any:
    """A value of JSON as the type that it was.

    Raises:
        BadInput: it is not such a value, for instance since the recorder has taken a secret out of it.
    """
    origin, args = t.get_origin(wanted), t.get_args(wanted)
    if wanted is t.Any or isinstance(wanted, t.TypeVar):
        return value
    if origin in (t.Union, types.UnionType):
        return _one_of(args, value, where)
    if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
        return _object(wanted, value, where)
    if isinstance(wanted, type) and issubclass(wanted, tuple) and hasattr(wanted, "_fields"):
        hints = t.get_type_hints(wanted)
        named = zip(wanted._fields, _list(value, where), strict=True)
        return wanted(*(typed(hints[name], item, f"{where}.{name}") for name, item in named))
    kind = origin or wanted
    if kind in _FROM_TEXT:
        return _scalar(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return _mapping(args, value, where)
    if kind is tuple and args and args[-1] is not Ellipsis:
        return tuple(typed(one, item, where) for one, item in zip(args, _list(value, where), strict=True))
    if isinstance(kind, type) and issubclass(kind, (Sequence, Set)) and kind is not str:
        members = [typed(args[0] if args else t.Any, item, where) for item in _list(value, where)]
        return frozenset(members) if issubclass(kind, Set) else tuple(members) if kind is tuple else members
    return _scalar(kind, value, where)


def _one_of(kinds: Sequence[t.Any], value: t.Any, where: str) -> t.Any:
    if value is None and type(None) in kinds:
        return None
    for kind in kinds:
        if kind is not type(None):
            try:
                return typed(kind, value, where)
            except BadInput:
                continue
    raise BadInput(f"{where}: {value!r:.60} is not what it was.")


def _object(wanted: type[t.Any], value: t.Any, where: str) -> t.Any:
    fields = {field.name for field in dataclasses.fields(wanted) if field.repr}
    if not isinstance(value, Mapping) or not set(value) <= fields:
        raise BadInput(f"{where}: it is not the {wanted.__name__} that it was.")
    hints = t.get_type_hints(wanted)
    return wanted(**{name: typed(hints[name], item, f"{where}.{name}") for name, item in value.items()})


def _mapping(args: Sequence[t.Any], value: t.Any, where: str) -> dict[t.Any, t.Any]:
    of_key, of_item = args or (t.Any, t.Any)
    pairs = value.items() if isinstance(value, Mapping) else _list(value, where)
    return {typed(of_key, key, where): typed(of_item, item, f"{where}.{key}") for key, item in pairs}


def _list(value: t.Any, where: str) -> list[t.Any]:
    if not isinstance(value, list):
        raise BadInput(f"{where}: it is not the list that it was.")
    return value


def _scalar(kind: t.Any, value: t.Any, where: str) -> t.Any:
    if kind is float and not isinstance(value, bool):
        try:
            return value if isinstance(value, int) else float(value)
        except (TypeError, ValueError):
            pass
    elif kind in (bool, int, str) and isinstance(value, kind) and isinstance(value, bool) is (kind is bool):
        return value
    elif kind in _FROM_TEXT and isinstance(value, str):
        try:
            return _FROM_TEXT[kind](value)
        except (ValueError, re.error):
            pass
    raise BadInput(f"{where}: {value!r:.60} is not what it was.")
