# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask Ansible, in a child, which variables a scenario's hosts have."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import clean

from ..errors import Stop
from ..private import private_dir, write_private
from ..running import ansible_cfg, collection, environment, extravars, request
from ..running.collection import Collection
from ..running.passwords import prompted
from ..running.request import Request
from ..running.scenarios import Scenario

_TIMEOUT = 120
_MOST_DETAIL = 1500


def read(asked: Request, *, scenario: Scenario, found: Collection, cwd: Path, vault_passwords: Mapping[str, str]) -> dict[str, Any]:
    """What ansible_side.answer() says, for a request that has been checked here.

    Args:
        vault_passwords: those that were asked for, by the label of their identity.

    Raises:
        Stop: the inventory, a file or the playbook cannot be read, or no host is left.
    """
    settings = ansible_cfg.read(environ=os.environ, cwd=cwd)
    request.check_inventory(asked, configured=settings.get("inventory"), cwd=cwd)
    request.check_files(asked, cwd=cwd)
    with private_dir() as private:
        extra = extravars.as_files(asked.extra_vars, directory=private, cwd=cwd)[1::2]
        question = {
            "playbook": scenario.playbook, "inventories": list(asked.inventories), "limit": asked.limit,
            "extra": [
                {"path": path.removeprefix("@"), "label": f"-e {typed}" if typed.startswith("@") else "-e"}
                for typed, path in zip(asked.extra_vars, extra, strict=True)
            ],
            "vault_password_files": list(asked.vault_password_files),
            "vault_ids": [
                *(vault_id for vault_id in asked.vault_ids if not prompted(vault_id)), *_as_files(vault_passwords, private),
            ],
        }
        answer = _ask(question, env=_environ(asked, found, settings, private), cwd=cwd)
    if not answer["hosts"]:
        asked_for = sorted({name for names in answer["nowhere"].values() for name in names})
        raise Stop(
            f"{scenario.name} goes to no host of this inventory{f' within --limit {asked.limit}' if asked.limit else ''}.",
            hint=f"The inventory's groups are: {', '.join(answer['groups']) or 'none'}. "
            + (f"Name the hosts with {' or '.join(f'-e {name}=PATTERN' for name in asked_for)}." if asked_for else ""),
        )
    return answer


def _as_files(passwords: Mapping[str, str], directory: Path) -> list[str]:
    """Vault identities whose passwords Ansible reads from files of our own: the child has no terminal to ask on."""
    paths = {label: directory / f"vault-{number}" for number, label in enumerate(passwords)}
    for label, path in paths.items():
        write_private(path, passwords[label])
    return [f"{label}@{path}" for label, path in paths.items()]


def _environ(asked: Request, found: Collection, settings: Mapping[str, str], private: Path) -> dict[str, str]:
    """What a run's Ansible would get."""
    inventories = asked.inventories or [part.strip() for part in settings.get("inventory", "").split(",") if part.strip()]
    env = environment.allowed(os.environ, also=[*asked.pass_env, *environment.looked_up(inventories, cwd=Path.cwd())])
    linked = collection.link(found, private) if found.root is None else None
    package = str(Path(__file__).resolve().parents[2])
    return {
        **env,
        "ANSIBLE_COLLECTIONS_PATH": collection.search_path(found, linked_root=linked, configured=settings.get("collections_path")),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": settings.get("any_unparsed_is_failed", "true"),
        "ANSIBLE_NOCOLOR": "1", "ANSIBLE_NOCOWS": "1",
        "PYTHONPATH": os.pathsep.join([package, *([env["PYTHONPATH"]] if env.get("PYTHONPATH") else [])]),
    }


def _ask(question: Mapping[str, Any], *, env: Mapping[str, str], cwd: Path) -> dict[str, Any]:
    argv: Sequence[str] = [sys.executable, "-m", "oncall_incident.variables"]
    try:
        done = subprocess.run(
            argv, input=json.dumps(question).encode(), cwd=cwd, env=dict(env), capture_output=True, timeout=_TIMEOUT, check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise Stop(f"The inventory could not be read within {_TIMEOUT} s.", hint="Is one of its sources waiting for an answer?") from exc
    if done.returncode:
        # Ansible quotes the lines that it cannot read.
        said = Redactor(key=secrets.token_bytes(32)).text(clean(done.stderr.decode("utf-8", "surrogateescape"))).strip()
        raise Stop(
            "The variables cannot be read.",
            hint="Correct what Ansible says. For a vault, give --vault-password-file, --vault-id or --ask-vault-password.",
            detail=said[-_MOST_DETAIL:],
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found
