# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a Redis server's persistence and replication are judged: what INFO said in, findings out.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.findings import CRITICAL, OK, UNKNOWN, WARNING, Answer, Finding, Skipped, judge
from .absent import does_not_apply, product_lacks
from .facts import Facts, Request
from .info import integer, replicas
from .state import (
    COPY_BROKE_OFF,
    HINT_CONFIG,
    durable,
    good_replicas_missing,
    needed_replicas_unseen,
    snapshot_failed,
    snapshots_configured,
)
from .verdict import not_read

#: So many full copies between two samples are a loop.
_LOOP = 2
#: Bytes that come beside the copy itself: the lines about it.
_HANDSHAKE = 1024
_NEVER_CONNECTED = "never_connected"
_LOOPS = (
    "In a loop of full copies look at the primary's log, and raise there client-output-buffer-limit for replicas, repl-backlog-size and "
    "repl-timeout: a copy that takes longer than they allow is thrown away and begun again."
)
_FREE_DISK = "Free disk in {place}, or repair that directory and its permissions, then BGSAVE; the server's log says what failed."

#: Of the append-only file: subject, field of INFO, how bad anything but ok is, hint.
_AOF_STATUSES = (
    ("last_write", "aof_last_write_status", CRITICAL, f"Writes are refused since the file can't be written. {_FREE_DISK}"),
    ("last_rewrite", "aof_last_bgrewrite_status", WARNING, "The file grows until a rewrite succeeds: free disk, then BGREWRITEAOF."),
)


def persistence(facts: Facts, request: Request) -> Answer:
    """Snapshots: the last save, one that takes too long, and how old the unsaved changes are."""
    info = facts.after
    if not info:
        return not_read("persistence", facts)
    failed = snapshot_failed(info)
    if failed is None:
        reason = "not_told: INFO has no rdb_last_bgsave_status"
        return Answer(skipped=[Skipped("persistence", reason)], data={"persistence": _storage(facts)})
    saves = snapshots_configured(facts)
    unsaved = _unsaved(info)
    saved_at = integer(info, "rdb_last_save_time") or integer(info, "last_success_save")
    age = None if not saved_at or not facts.now else max(facts.now - saved_at, 0.0)
    findings, skipped = [], []
    lost = f"The last save failed, and {_since(unsaved)} only in memory: no restart. {_FREE_DISK.format(place=_place(facts))}"
    findings.append(Finding(
        "persistence", CRITICAL if failed else OK, observed="err" if failed else "ok", threshold="ok", subject="last_save",
        hint=lost if failed else "", detail={"unsaved_changes": unsaved, "age": age},
    ))
    running = integer(info, "rdb_current_bgsave_time_sec") if info.get("rdb_bgsave_in_progress") == "1" else None
    if running is not None and running >= 0:
        limit = request.limit("save_running")
        findings.append(judge(
            "persistence", running, warning=limit.warning, critical=limit.critical, unit="seconds", subject="save_running",
            hint="A save takes long: look at the disk's load. While it runs, copied pages take memory.",
        ))
    limit = request.limit("unsaved")
    judged = saves and info.get("aof_enabled") != "1"
    if judged and (unsaved is None or (unsaved and age is None)):
        skipped.append(Skipped("persistence", "not_told: INFO does not say how many changes are unsaved, or since when"))
    elif judged and unsaved and age is not None:
        findings.append(judge(
            "persistence", round(age, 1), warning=limit.warning, critical=limit.critical, unit="seconds", subject="unsaved",
            detail={"unsaved_changes": unsaved}, hint="Changes are older than that and in no snapshot: find out why, or BGSAVE.",
        ))
    if saves is None and facts.no_config:
        skipped.append(does_not_apply("persistence", "no_config", of="save"))
    elif saves is None:
        skipped.append(Skipped(
            "persistence", f"{facts.denied.get('CONFIG', 'not_told: no setting save')}; whether snapshots are made is not known",
            HINT_CONFIG,
        ))
    return Answer(findings=findings, skipped=skipped, data={"persistence": _storage(facts)})


def aof(facts: Facts, request: Request) -> Answer:
    """The append-only file: its last write, its last rewrite, one that takes too long, and delayed syncs."""
    info = facts.after
    if not info:
        return not_read("aof", facts)
    if "aof_enabled" not in info and product_lacks(info, "aof_enabled"):
        return Answer(skipped=[does_not_apply("aof", "not_counted", of="aof_enabled")])
    if "aof_enabled" not in info:
        return Answer(skipped=[Skipped("aof", "not_told: INFO has no aof_enabled")])
    if info["aof_enabled"] != "1":
        return Answer(findings=[Finding("aof", OK, observed="off")])
    findings, skipped = [], []
    for subject, field, worse, hint in _AOF_STATUSES:
        said = info.get(field)
        if said is None:
            skipped.append(Skipped("aof", f"not_told: INFO has no {field}"))
            continue
        findings.append(Finding(
            "aof", OK if said == "ok" else worse, observed=said, threshold="ok", subject=subject,
            hint="" if said == "ok" else hint.format(place=_place(facts)),
        ))
    running = integer(info, "aof_current_rewrite_time_sec") if info.get("aof_rewrite_in_progress") == "1" else None
    if running is not None and running >= 0:
        limit = request.limit("save_running")
        findings.append(judge("aof", running, warning=limit.warning, critical=limit.critical, unit="seconds", subject="rewrite_running",
                              hint="A rewrite takes long: look at the disk's load."))
    delayed = facts.delta("aof_delayed_fsync")
    if delayed is not None:
        findings.append(judge("aof", delayed, warning=1, unit="count", subject="delayed_fsync",
                              hint="The disk is too slow for the file's syncs, and commands wait for it."))
    else:
        skipped.append(facts.no_growth("aof", "aof_delayed_fsync"))
    return Answer(findings=findings, skipped=skipped)


def replication(facts: Facts, request: Request) -> Answer:
    """A replica's link to its primary; a primary's replicas, how many there are and how far each is behind."""
    info = facts.after
    if not info:
        return not_read("replication", facts)
    if facts.is_replica:
        return _as_replica(facts, request)
    if info.get("role") == "active-replica":
        # KeyDB: a replica of another that takes writes and has replicas itself.
        link, own = _as_replica(facts, request), _as_primary(facts, request)
        data = {**own.data["replication"], **link.data["replication"]}
        return Answer(findings=[*link.findings, *own.findings], skipped=own.skipped, data={"replication": data})
    if not facts.is_primary:
        return Answer(skipped=[Skipped("replication", f"not_told: the role is {info.get('role', 'not told')}")])
    return _as_primary(facts, request)


def _as_primary(facts: Facts, request: Request) -> Answer:
    info = facts.after
    offset = integer(info, "master_repl_offset")
    attached = replicas(info)
    count = integer(info, "connected_slaves")
    findings, skipped = [_count(count if count is not None else len(attached), request)], []
    if count is not None and count > len(attached):
        skipped.append(Skipped("replication", f"not_told: INFO names {len(attached)} of {count} attached replicas"))
    for one in attached:
        findings.extend(_attached(one, offset, request))
    missing = good_replicas_missing(facts, request)
    if missing is not None:
        findings.append(judge(
            "replication", missing, critical=1, unit="replicas", subject="min_replicas_to_write",
            hint="Too few good replicas: writes are refused until there are enough. Repair the replicas or their links.",
        ))
    if needed_replicas_unseen(facts, request):
        why = facts.denied.get("CONFIG", "not_told: no setting min-replicas-to-write")
        skipped.append(Skipped("replication", f"{why}; how many good replicas it needs is not known", HINT_CONFIG))
    synced, grown = integer(info, "sync_full"), facts.delta("sync_full")
    if grown is not None:
        findings.extend(_full_syncs(grown))
    elif synced:
        skipped.append(facts.no_growth("replication", "sync_full"))
    data = {
        "role": "primary", "offset": offset, "connected_replicas": count, "replicas": attached[:50], "full_syncs": synced,
        "full_syncs_grown": grown, "refused_partial_syncs": integer(info, "sync_partial_err"),
        "backlog": integer(info, "repl_backlog_size"),
    }
    return Answer(findings=findings, skipped=skipped, data={"replication": data})


def _full_syncs(grown: int) -> list[Finding]:
    """Full copies that were begun between the samples. Two within seconds are the same replica's again: it is a loop."""
    hint = f"Full copies begin again and again. {_LOOPS}"
    return [judge("replication", grown, critical=_LOOP, unit="count", subject="full_syncs", hint=hint)] if grown else []


def _count(count: int, request: Request) -> Finding:
    short = count < request.expected_replicas
    return Finding(
        "replication", CRITICAL if short else OK, observed=count, threshold=request.expected_replicas or None, unit="replicas",
        subject="connected_replicas", hint="Replicas are missing: check whether they run and can reach this server." if short else "",
    )


def _attached(one: t.Mapping[str, str], offset: t.Optional[int], request: Request) -> list[Finding]:
    who = f"{one.get('ip', '')}:{one.get('port', '')}"
    state = one.get("state", "")
    if state == "stable_sync":
        # Dragonfly's word for online; its lag counts entries, not seconds.
        return [Finding("replication", OK, observed=state, threshold="stable_sync", subject=who, detail={"entries_behind": one.get("lag")})]
    if state and state != "online":
        return [Finding("replication", WARNING, observed=state, threshold="online", subject=who,
                        hint="This replica is being sent a full copy, or waits for one.")]
    lag, behind = integer(one, "lag"), integer(one, "offset")
    seconds, size = request.limit("replication_lag"), request.limit("replication_bytes")
    if lag is not None and lag < 0:
        return [Finding("replication", CRITICAL, observed=lag, threshold=0, unit="seconds", subject=who,
                        hint="This replica has never acknowledged anything: look at its log.")]
    hint = "This replica falls behind: look at its load and the network, and at client-output-buffer-limit."
    found = [judge("replication", lag, warning=seconds.warning, critical=seconds.critical, unit="seconds", subject=who, hint=hint)] \
        if lag is not None else []
    if offset is not None and behind is not None:
        found.append(judge("replication", max(offset - behind, 0), warning=size.warning, critical=size.critical, unit="bytes",
                           subject=who, hint=hint))
    return found or [Finding("replication", OK if state else UNKNOWN, observed=state or "not told", threshold="online", subject=who)]


def _as_replica(facts: Facts, request: Request) -> Answer:
    info = facts.after
    link, down = info.get("master_link_status", ""), integer(info, "master_link_down_since_seconds")
    syncing = info.get("master_sync_in_progress") == "1"
    idle = integer(info, "master_last_io_seconds_ago")
    primary = f"{info.get('master_host', '')}:{info.get('master_port', '')}"
    broken = None if link == "up" else _link_down(facts, primary, syncing=syncing, down=down)
    answer = {"replication": {
        "role": "replica", "primary": primary, "link": link, "down_for": down, "syncing": syncing, "last_io": idle,
        "offset": integer(info, "slave_repl_offset"), "never_connected": broken is not None and broken.observed == _NEVER_CONNECTED,
    }}
    if broken is not None:
        return Answer(findings=[broken], data=answer)
    findings = [Finding("replication", OK, observed="up", threshold="up", subject="link", detail={"primary": primary})]
    seconds, size = request.limit("replication_lag"), request.limit("replication_bytes")
    hint = "Nothing has come from the primary for that long: look at the network and at the primary."
    # A primary pings its replicas every repl-ping-replica-period, 10 s: silence up to that is no lag.
    quiet = None if idle is None else max(idle - 10, 0)
    findings.append(judge(
        "replication", quiet, warning=seconds.warning, critical=seconds.critical, unit="seconds", subject="last_io", hint=hint,
    ))
    read, applied = integer(info, "slave_read_repl_offset"), integer(info, "slave_repl_offset")
    if read is not None and applied is not None:
        findings.append(judge("replication", max(read - applied, 0), warning=size.warning, critical=size.critical, unit="bytes",
                              subject="not_applied", hint="The replica has received more than it could apply: look at its load."))
    return Answer(findings=findings, data=answer)


def _link_down(facts: Facts, primary: str, *, syncing: bool, down: t.Optional[int]) -> Finding:
    detail = {"primary": primary, "down_for": down, "seconds": down}
    if _copy_broke_off(facts, syncing=syncing):
        return Finding("replication", CRITICAL, observed=COPY_BROKE_OFF, threshold="up", subject="link", detail=detail,
                       hint=f"A full copy of the data began and broke off. Check whether {primary} runs. {_LOOPS}")
    if syncing:
        return Finding("replication", WARNING, observed="syncing", threshold="up", subject="link", detail=detail,
                       hint="A full copy is on its way; wait for it.")
    # -1 seconds, outside of a copy, means that there never was a link: any test for "more than N seconds" would let it pass.
    never = down is not None and down < 0
    said = "This replica has never had a link to its primary" if never else "The link to the primary is down"
    return Finding(
        "replication", CRITICAL, observed=_NEVER_CONNECTED if never else "down", threshold="up", subject="link", detail=detail,
        hint=f"{said}, and it serves stale or no data: check whether {primary} runs, and at masterauth and the replica's log.",
    )


def _copy_broke_off(facts: Facts, *, syncing: bool) -> bool:
    """Whether a full copy broke off between the samples, of a replica that had no link at either of them."""
    before = facts.before
    if facts.between <= 0 or before.get("master_link_status") == "up" or before.get("role") != facts.after.get("role"):
        return False
    received, copied = facts.delta("total_net_repl_input_bytes") or 0, integer(facts.after, "master_sync_read_bytes")
    if not syncing:
        return before.get("master_sync_in_progress") == "1" or received > 0
    # The copy that is on its way has less than what has come since: an earlier one was thrown away.
    earlier = integer(before, "master_sync_read_bytes") if before.get("master_sync_in_progress") == "1" else 0
    return copied is not None and ((earlier or 0) > copied or received > copied + _HANDSHAKE)


def _since(unsaved: t.Optional[int]) -> str:
    return "what came since is" if unsaved is None else f"{unsaved} changes since are"


def _place(facts: Facts) -> str:
    """Where it saves."""
    return str((facts.config or {}).get("dir") or "its data directory")


def _unsaved(info: t.Mapping[str, str]) -> t.Optional[int]:
    """Changes that are in no snapshot; Dragonfly has a name of its own for them."""
    changes = integer(info, "rdb_changes_since_last_save")
    return integer(info, "rdb_changes_since_last_success_save") if changes is None else changes


def _storage(facts: Facts) -> dict[str, t.Any]:
    info = facts.after
    saved_at = integer(info, "rdb_last_save_time") or integer(info, "last_success_save")
    failed = "" if snapshot_failed(info) is None else ("err" if snapshot_failed(info) else "ok")
    return {
        "durable": durable(facts), "snapshots": snapshots_configured(facts), "aof": info.get("aof_enabled") == "1",
        "last_save_status": failed, "last_save_at": saved_at,
        "last_save_age": None if not saved_at or not facts.now else round(max(facts.now - saved_at, 0.0), 1),
        "unsaved_changes": integer(info, "rdb_changes_since_last_save"), "saving": info.get("rdb_bgsave_in_progress") == "1",
        "last_write_status": info.get("aof_last_write_status", ""), "last_rewrite_status": info.get("aof_last_bgrewrite_status", ""),
        "directory": (facts.config or {}).get("dir", ""),
    }
