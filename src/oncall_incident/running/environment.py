# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the caller's environment variables Ansible gets.

ansible-runner copies the whole environment into its `command` file, and fact gathering on the controller puts it into
`ansible_env`: so only what Ansible, SSH and the clients of managed systems need goes along.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ALLOWED = frozenset({
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR", "NO_COLOR", "VIRTUAL_ENV", "PYTHONPATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
    "KUBECONFIG", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "AZURE_CONFIG_DIR", "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "GNUPGHOME",
})
ALLOWED_PREFIXES = ("LC_", "ANSIBLE_", "INCIDENT_", "ONCALL_", "SSH_", "KRB5", "XDG_", "PG")
#: Would match a prefix, and holds a secret: only with --pass-env.
NOT_ALLOWED = frozenset({"PGPASSWORD", "INCIDENT_AWX_PASSWORD", "INCIDENT_AWX_TOKEN", "INCIDENT_PUSH_URL"})


def allowed(environ: Mapping[str, str], *, also: Iterable[str] = ()) -> dict[str, str]:
    """The part of the environment that goes along; `also` are the names of --pass-env."""
    extra = set(also)
    return {
        name: value for name, value in environ.items()
        if name in extra or (name not in NOT_ALLOWED and (name in ALLOWED or name.startswith(ALLOWED_PREFIXES)))
    }


def scrub(env: Mapping[str, str], *, parent: Mapping[str, str], keep: Mapping[str, str]) -> dict[str, str]:
    """Take out of ansible-runner's environment what came from the parent and must not be kept.

    Args:
        env: what ansible-runner made: the parent's, overlaid with its own and our variables.
        parent: the parent's environment.
        keep: the allowed part of it, and our own variables.
    """
    return {name: value for name, value in env.items() if name in keep or parent.get(name) != value}


_LOOKUP = re.compile(r"""(?:lookup|query|q)\(\s*['"](?:ansible\.builtin\.)?env['"]\s*,\s*['"](\w+)['"]""")
_MOST_FILES, _MOST_BYTES = 500, 1 << 20


def looked_up(inventories: Iterable[str], *, cwd: Path) -> set[str]:
    """The variables that the inventories themselves ask for with `lookup('env', NAME)`: they are passed on as well.

    Without this an inventory that works with ansible-playbook would quietly get empty passwords here.
    """
    found: set[str] = set()
    for inventory in inventories:
        if "," not in inventory:
            for path in _files(cwd / Path(inventory).expanduser()):
                try:
                    with path.open("r", encoding="utf-8", errors="replace") as stream:
                        found.update(_LOOKUP.findall(stream.read(_MOST_BYTES)))
                except OSError:
                    continue  # Ansible says so, in its own words
    return found


def _files(inventory: Path) -> Iterator[Path]:
    directory = inventory if inventory.is_dir() else inventory.parent
    if not inventory.is_dir():
        yield inventory
    roots = [directory] if inventory.is_dir() else [directory / "group_vars", directory / "host_vars"]
    number = 0
    for root in roots:
        for path in sorted(root.rglob("*")) if root.is_dir() else ():
            if path.is_file() and not path.name.startswith("."):
                number += 1
                if number > _MOST_FILES:
                    return
                yield path
