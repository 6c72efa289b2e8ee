# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts may be broken: only those somebody marked for it, and never one that is production."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import clean, cleaned

from ..errors import Stop
from ..running.request import Request
from .definition import Look

DRILLABLE, PRODUCTION = "drillable", "production"
_TIMEOUT = 120

Json = Mapping[str, Any]


def read_inventory(asked: Request, *, program: str, cwd: Path, limit: str = "") -> dict[str, Any]:
    """The inventory as Ansible sees it.

    Args:
        limit: a pattern, to read of these hosts only.

    Raises:
        Stop: Ansible cannot read it, or the pattern fits no host.
    """
    argv = [str(Path(program).with_name("ansible-inventory")), "--list"]
    argv += [part for inventory in asked.inventories for part in ("-i", inventory)]
    argv += [part for file in asked.vault_password_files for part in ("--vault-password-file", file)]
    argv += ["--limit", limit] if limit else []
    env = {**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true", "ANSIBLE_NOCOLOR": "1"}
    try:
        done = subprocess.run(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise Stop(f"The inventory could not be read within {_TIMEOUT} s.") from exc
    if done.returncode:
        raise Stop("The inventory cannot be read.", detail=clean(done.stderr.decode("utf-8", "surrogateescape")).strip()[-1500:])
    found: dict[str, Any] = cleaned(json.loads(done.stdout.decode("utf-8", "surrogateescape")))
    return found


def members(inventory: Json, group: str) -> set[str]:
    """The hosts of a group, its children included; empty for a group that is not there."""
    entry = inventory.get(group) or {}
    found = {str(host) for host in entry.get("hosts", ())}
    for child in entry.get("children", ()):
        found |= members(inventory, str(child))
    return found


def allowed(inventory: Json) -> list[str]:
    """The hosts that this drill may break.

    Raises:
        Stop: none is marked, or one is marked both ways; nothing is touched then.
    """
    hosts = members(inventory, DRILLABLE)
    production = members(inventory, PRODUCTION)
    if not hosts:
        raise Stop(
            f"No host of this inventory may be broken: it has no group {DRILLABLE} with hosts in it.",
            hint=f"Put the hosts of a staging system into a group named {DRILLABLE}. Never production.",
        )
    variables = (inventory.get("_meta") or {}).get("hostvars") or {}
    marked = {host for host in hosts if str((variables.get(host) or {}).get("drill_production", "")).lower() in ("true", "yes", "1", "on")}
    # One machine may have two names.
    kept = {_address(variables, host) for host in production}
    marked |= {host for host in hosts if _address(variables, host) in kept}
    wrong = sorted((hosts & production) | marked)
    if wrong:
        raise Stop(
            f"Marked as {DRILLABLE} and as production: {', '.join(wrong)}. Nothing was touched.",
            hint=f"Take them out of the group {DRILLABLE}. No drill runs on hosts of the group {PRODUCTION}, or with drill_production.",
        )
    return sorted(hosts)


def chosen(allowed_hosts: Sequence[str], limited: Json) -> list[str]:
    """Those of the hosts that may be broken that a limit leaves.

    The limit is never handed on as text: `drillable:&web1,db9` would be db9 too.

    Args:
        limited: the inventory, read with the limit.

    Raises:
        Stop: none is left.
    """
    named = set((limited.get("_meta") or {}).get("hostvars") or {}).union(
        *((entry or {}).get("hosts", ()) for group, entry in limited.items() if group != "_meta"),
    )
    left = [host for host in allowed_hosts if host in named]
    if not left:
        raise Stop(
            f"--limit leaves none of the hosts that may be broken: {', '.join(allowed_hosts)}.",
            hint=f"Only hosts in {DRILLABLE} are drilled.",
        )
    return left


def reached(inventory: Json, where: str, hosts: Sequence[str]) -> list[str]:
    """Which of these hosts a fault or a probe goes to; `where` is a group or a host."""
    return sorted((members(inventory, where) | {where}) & set(hosts))


def missing(inventory: Json, entries: Sequence[Json], hosts: Sequence[str]) -> list[str]:
    """The groups (or hosts) of faults and probes that would reach none of these hosts."""
    return sorted({str(entry["hosts"]) for entry in entries if not reached(inventory, str(entry["hosts"]), hosts)})


def unseen(inventory: Json, looks: Sequence[Look], hosts: Sequence[str]) -> list[str]:
    """The groups (or hosts) of looks that would be asked on none of these hosts, together for each look."""
    return sorted({
        ", ".join(look.hosts) for look in looks if look.hosts and not any(reached(inventory, name, hosts) for name in look.hosts)
    })


def _address(variables: Json, host: str) -> str:
    return str((variables.get(host) or {}).get("ansible_host") or host)
