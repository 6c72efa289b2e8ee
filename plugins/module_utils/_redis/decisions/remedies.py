# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done for which recovery code of a Redis server, and what of it the operator wants.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from .state import (
    DOWN,
    EVICTING,
    FROZEN,
    IS_BUSY,
    IS_LOADING,
    IS_PAUSED,
    MAXCLIENTS,
    MISCONF_DISK,
    NO_QUORUM,
    OOM_NOEVICTION,
    REPLICA_ORPHAN,
    SYNC_LOOP,
)

RESTART, CLIENTS, DISK, CLEAR, REPOINT, SCRIPT = "restart", "clients", "disk", "clear", "repoint", "script"
#: By recovery code. No change of ours would mend NO_QUORUM, IS_LOADING and SYNC_LOOP, and IS_PAUSED is somebody's wish.
_REMEDIES: t.Mapping[str, tuple[str, ...]] = {
    DOWN: (RESTART,), FROZEN: (RESTART,), MAXCLIENTS: (CLIENTS,), MISCONF_DISK: (DISK,), OOM_NOEVICTION: (CLEAR, CLIENTS),
    EVICTING: (CLEAR,), REPLICA_ORPHAN: (REPOINT,), IS_BUSY: (SCRIPT,),
}
#: What to say where nothing that was configured helps.
_HELPLESS = {
    OOM_NOEVICTION: "Nothing says what may be cleared, so set redis_clear_pattern.",
    EVICTING: "Nothing says what may be cleared, so set redis_clear_pattern if something should be.",
    REPLICA_ORPHAN: "A replica is given another primary only by name, so set redis_repoint_primary_host if one took over.",
    NO_QUORUM: "No change here makes a quorum. Bring the missing Sentinels or nodes back.",
    SYNC_LOOP: "Full copies to a replica begin again and again. Raise the primary's client-output-buffer-limit for replicas, "
               "repl-backlog-size and repl-timeout, or lower what is written meanwhile.",
    IS_LOADING: "The server reads its data. Wait for it.",
    IS_BUSY: "A script or function holds everything up. Set redis_kill_script to end one that has written nothing.",
    IS_PAUSED: "CLIENT PAUSE holds clients back, as a failover does. Find out who paused it; CLIENT UNPAUSE ends a pause of writes.",
}
_OTHER_UNIT = (
    "only with redis_via=host (here: {via}) can it be shown that unit {service} is this server. Restart it by hand"
)
_OTHER_CONTAINER = (
    "only with redis_via=container (here: {via}), and where redis_container_name is the service's only container, can it be shown "
    "that service {service} is this server. Set both, or restart it by hand"
)


def remedies_for(recovery: str) -> list[str]:
    """What helps against a recovery code; empty where nothing does, or nothing ails the server."""
    return list(_REMEDIES.get(recovery, ()))


def chosen(
    recovery: str, *, restart: str, clear: str, clear_pattern: str, clear_flush: bool, repoint_primary_host: str, kill_min_idle: str,
    kill_script: bool = False,
) -> dict[str, t.Any]:
    """What of it is done.

    Args:
        recovery: the recovery code; empty for none.
        restart: `auto` restarts where that is a remedy, `always` whatever ails the server, `never`.
        clear: the same for clearing, where anything says what may be cleared.
        clear_pattern: which keys may be cleared; empty for none.
        clear_flush: whether all may.
        repoint_primary_host: the primary that an orphan is given; empty for none.
        kill_min_idle: from when on a client counts as idle, where there is no room for clients.
        kill_script: whether a script that blocks the server may be ended.

    Returns:
        frees_disk, ends_clients, ends_script, clears, repoints, restarts: whether it is done, of the first three as far as it is allowed.
        empties: whether the cache is gone for a while.
        kill_min_idle: empty where idle clients are not in the way.
        helpless: a sentence where nothing that is configured helps; empty otherwise.
    """
    remedies = remedies_for(recovery)
    may_clear = bool(clear_pattern) or clear_flush
    clears = may_clear and _wanted(clear, CLEAR in remedies)
    repoints = bool(repoint_primary_host) and REPOINT in remedies
    restarts = _wanted(restart, RESTART in remedies)
    helpless = recovery in _HELPLESS and not (clears or repoints or restarts or (kill_script and SCRIPT in remedies))
    return {
        "frees_disk": DISK in remedies, "ends_clients": CLIENTS in remedies, "ends_script": SCRIPT in remedies, "clears": clears,
        "repoints": repoints, "restarts": restarts, "empties": clears or restarts,
        "kill_min_idle": kill_min_idle if recovery == MAXCLIENTS else "",
        "helpless": f"The recovery code is {recovery}. {_HELPLESS[recovery]}" if helpless else "",
    }


def restart_request(
    check: t.Mapping[str, t.Any], *, recovery: str, runtime: str, via: str, service: str, only_container: bool,
) -> dict[str, t.Any]:
    """How the restart of the server is asked for: `forbidden` (why it must not be now), `start_only` and `reason`.

    What would be restarted must be the server that was judged. A unit is by its main process, which redis_restart_check compares where both
    are on one host. A container is by its id: the one that was entered, and the service has no other.

    Args:
        check: what redis_restart_check returned; what the restart costs is in the reason, also where it is refused.
        recovery: the recovery code.
        runtime: systemd or compose.
        via: the way to the server.
        service: name of the unit or of the service of Compose.
        only_container: whether the container that was entered is the service's only one.
    """
    other = ""
    if runtime == "systemd" and via != "host":
        other = _OTHER_UNIT.format(via=via, service=service)
    elif runtime != "systemd" and not (via == "container" and only_container):
        other = _OTHER_CONTAINER.format(via=via, service=service)
    stopped = bool(check.get("stopped"))
    why = f"The server is {recovery}" if RESTART in remedies_for(recovery) else "Its restart was asked for (redis_restart=always)"
    cost = f" It costs: {check['cost']}." if check.get("cost") and not stopped else ""
    return {
        "forbidden": [*check["obstacles"], *([other] if other else [])], "start_only": stopped,
        "reason": f"{why} ({check['findings'][0]['observed']})." if stopped else f"{why}.{cost}",
    }


def app_silent(asked: t.Iterable[t.Mapping[str, t.Any]], *, expected: t.Sequence[int]) -> str:
    """Which health URLs of the application did not answer while the cache was gone, in one sentence; empty when all did.

    Args:
        asked: the answers of ansible.builtin.uri, each with the URL as its `item`.
        expected: the status codes that are an answer.
    """
    silent = [str(answer["item"]) for answer in asked if answer.get("status") not in expected]
    return f"The application did not keep answering while the cache was gone: {', '.join(silent)}." if silent else ""


def _wanted(word: str, is_remedy: bool) -> bool:
    return word == "always" or (word == "auto" and is_remedy)
