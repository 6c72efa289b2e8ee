# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a service is restarted or its pool raised, why, and whether two looks show that it was reloaded.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import re
import shlex
import typing as t

from ..._core.words import number

#: What puts a raised size of a pool back.
RESTORE_POOL = "restore_pool"
#: What a container or a unit that runs says.
_RUNNING = ("running", "active")


def help_plan(
    requests: t.Iterable[t.Mapping[str, t.Any]], *, service: str, restart: str, pool_size: t.Any, pool_raised: bool,
) -> dict[str, t.Any]:
    """What is done for an application: `raises_pool`, `restarts`, whether any of it (`acts`), and the `reason` of a restart.

    Args:
        requests: what other hosts of the run asked for. With no connection slot left only the application can free one.
        service: name of its service; empty when none is configured.
        restart: `auto` restarts when it was asked for, `always` anyway, `never` only for a pool that was raised.
        pool_size: connections that its pool is to have; 0 leaves the pool alone.
        pool_raised: whether its pool was raised in this run, which takes effect with a restart.
    """
    asked = [one for one in requests if one.get("verb") == "restart_service"]
    restarts = bool(service) and (pool_raised or restart == "always" or (restart == "auto" and bool(asked)))
    raises = number(pool_size) > 0
    if asked and asked[0]["reason"]:
        reason = str(asked[0]["reason"])
    elif pool_raised:
        reason = "The size of its connection pool was raised."
    else:
        reason = "Its restart was asked for (service_restart=always)."
    return {"raises_pool": raises, "restarts": restarts, "acts": raises or restarts, "reason": reason}


def pool_share(size: t.Any, *, instances: t.Any) -> int:
    """How many connections the pools of a host want together: one in each of its instances."""
    return number(size) * number(instances)


def pool_request(
    size: t.Any, *, total: int, capacities: t.Iterable[t.Any], limit: t.Any, write: t.Sequence[str], key: str, file: str,
) -> dict[str, t.Any]:
    """How a pool is raised: `setting`, `module` with `args`, and why it must not be (`forbidden`).

    All pools of the run together must fit into what the servers give. A server whose limit is not known gives nothing.

    Args:
        size: connections that the pool is to have.
        total: what all pools of the run want.
        capacities: how many connections each server gives to applications.
        limit: the operator's word on that, which goes before; empty where there is none. null gives nothing.
        write: the command that sets it, with `{size}` for the size; empty sets a line KEY=SIZE of a file.
        key: the key in the file.
        file: path of the file.
    """
    room = min((number(one) for one in capacities), default=0) if limit == "" else number(limit)
    forbidden = [f"all pools together want {total} connections, the server gives {room}"] if total > room else []
    if write:
        call = {
            "module": "ansible.builtin.command", "args": {"argv": [str(word).replace("{size}", str(size)) for word in write]},
        }
    else:
        call = {"module": "ansible.builtin.lineinfile", "args": {"path": file, "regexp": f"^{key}=", "line": f"{key}={size}"}}
    return {"setting": key or " ".join(str(word) for word in write), "forbidden": forbidden, **call}


def pool_temporary(
    size: t.Any, *, before: str, request: t.Mapping[str, t.Any], back: t.Mapping[str, t.Any], expires: str,
) -> dict[str, t.Any]:
    """How the raised size of a pool ends, for the option `temporary` of act.

    Args:
        size: connections that the pool is to have.
        before: what the pool's setting said before, as it was read.
        request: of pool_request().
        back: of pool_back().
        expires: after how long it is put back; empty for nobody.
    """
    old = pool_read(before)
    said = f"is set to {old} again" if before.strip() else "is taken out again"
    return {
        "way_back": f"{request['setting']} {said}; the application takes it at its next start",
        "expires": expires, "command": list(back["argv"]) if expires else [],
        "undo": {"verb": RESTORE_POOL, "setting": str(back["setting"]), "file": str(back["file"]), "before": old, "set": number(size)},
    }


def pool_back(before: t.Any, *, size: t.Any, reads: t.Sequence[str], write: t.Sequence[str], key: str, file: str) -> dict[str, t.Any]:
    """The command that puts the size of a pool back, only where it still is ours (`argv`), and what it is about: `setting` and `file`.

    Args:
        before: the size from before; 0 where nothing was set.
        size: ours.
        reads: the command that prints the size as it is set.
        write: the command that sets it, with `{size}` for the size; empty sets a line KEY=SIZE of a file.
        key: the key in the file.
        file: path of the file.
    """
    old, ours = number(before), number(size)
    if write:
        reading = shlex.join(str(word) for word in reads)
        writing = shlex.join(str(word).replace("{size}", str(old)) for word in write)
        # Whoever has set another size since keeps it.
        return {"setting": key or " ".join(str(word) for word in write), "file": "",
                "argv": ["/bin/sh", "-c", f"size=$({reading} | tr -dc 0-9) && {{ test \"$size\" != {ours} || {writing}; }}"]}
    name = re.sub(r"([].*[^$/\\])", r"\\\1", key)
    edit = f"s/^{name}={ours}$/{name}={old}/" if old else f"/^{name}={ours}$/d"
    return {"setting": key, "file": file, "argv": ["sed", "-i", "--follow-symlinks", edit, file]}


def pool_read(text: str) -> int:
    """The size of a pool as a program or a line of a file says it: its digits; 0 where there are none."""
    return number("".join(letter for letter in text if letter in "0123456789"))


def restart_call(
    service: str, *, runtime: str, scope: str, project: str, start_only: bool, forbidden: t.Sequence[str],
) -> dict[str, t.Any]:
    """What the action that restarts a service says: its `target`, the `state` of the unit, and why it must not be done (`forbidden`).

    Args:
        service: its name.
        runtime: systemd or compose.
        scope: of the unit.
        project: directory of the Compose project.
        start_only: only start what does not run. Whoever approves a start has not approved a restart, should somebody else start it
            meanwhile, so the target says it.
        forbidden: what the caller has against it.
    """
    against = list(forbidden)
    if runtime == "compose":
        if start_only:
            against.append("service_start_only is for systemd")
        target: dict[str, t.Any] = {"runtime": runtime, "project": project, "service": service}
    else:
        target = {"runtime": runtime, "scope": scope, "service": service, **({"start": True} if start_only else {})}
    return {"target": target, "state": "started" if start_only else "restarted", "forbidden": against}


def restarted(measured: t.Mapping[str, t.Any], *, before: t.Mapping[str, t.Any]) -> bool:
    """Whether all that runs of a service is up, and was started since. Every start of a unit or of a container has its own mark.

    Args:
        measured: what service_instances returned.
        before: the same from before.
    """
    return bool(measured["up"]) and not set(measured["starts"]) & set(before["starts"])


def reloaded(measured: t.Mapping[str, t.Any], *, before: t.Mapping[str, t.Any], evidence: str) -> bool:
    """Whether all that runs of a service is as it was started, and shows that it was reloaded since.

    Args:
        measured: what service_instances returned, with workers.
        before: the same from before.
        evidence: `workers`: each main process has a new one below it. `state`: the runtime says that the state changed.
    """
    known = {one["id"]: one for one in before.get("instances", ())}
    running = [one for one in measured.get("instances", ()) if one["state"] in _RUNNING]
    return bool(running) and all(_is_reloaded(one, known.get(one["id"]), evidence=evidence) for one in running)


def _is_reloaded(now: t.Mapping[str, t.Any], before: t.Optional[t.Mapping[str, t.Any]], *, evidence: str) -> bool:
    if before is None or (now["main_pid"], now["start"]) != (before["main_pid"], before["start"]):
        return False
    if evidence == "workers":
        return not set(now["workers"]) <= set(before["workers"])
    return bool(now["changed"]) and now["changed"] != before["changed"]
