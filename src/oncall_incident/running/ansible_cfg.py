# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The few settings of the user's ansible.cfg that ansible-runner's environment would otherwise override.

Reading them here costs a millisecond; asking `ansible-config` costs a responder most of a second.
"""

from __future__ import annotations

import configparser
import os
import stat
from collections.abc import Mapping
from pathlib import Path

#: setting -> (environment variable, section, keys in the file)
_SETTINGS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "callbacks_enabled": ("ANSIBLE_CALLBACKS_ENABLED", "defaults", ("callbacks_enabled",)),
    "callback_plugins": ("ANSIBLE_CALLBACK_PLUGINS", "defaults", ("callback_plugins",)),
    "collections_path": ("ANSIBLE_COLLECTIONS_PATH", "defaults", ("collections_path",)),
    "host_key_checking": ("ANSIBLE_HOST_KEY_CHECKING", "defaults", ("host_key_checking",)),
    "no_target_syslog": ("ANSIBLE_NO_TARGET_SYSLOG", "defaults", ("no_target_syslog",)),
    "inventory": ("ANSIBLE_INVENTORY", "defaults", ("inventory",)),
    "any_unparsed_is_failed": ("ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED", "inventory", ("any_unparsed_is_failed",)),
}
_PATHS = frozenset({"callback_plugins", "collections_path"})


def find_file(*, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The ansible.cfg that Ansible will read, by Ansible's own order; a world-writable directory's is not trusted."""
    named = environ.get("ANSIBLE_CONFIG")
    if named:
        path = Path(os.path.expandvars(os.path.expanduser(named)))
        path = path / "ansible.cfg" if path.is_dir() else path
        if path.is_file():
            return path
    candidates = [Path(environ.get("HOME", "~")).expanduser() / ".ansible.cfg", Path("/etc/ansible/ansible.cfg")]
    try:
        if not cwd.stat().st_mode & stat.S_IWOTH:
            candidates.insert(0, cwd / "ansible.cfg")
    except OSError:
        pass
    return next((path for path in candidates if os.access(path, os.R_OK) and path.is_file()), None)


def read(*, environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """What the user has set, by environment or file; settings that are not set are absent. Paths are absolute.

    A file that cannot be parsed is left to Ansible, whose message about it is the better one.
    """
    found: dict[str, str] = {}
    path = find_file(environ=environ, cwd=cwd)
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    if path is not None:
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeError):
            parser = configparser.ConfigParser()
    for name, (variable, section, keys) in _SETTINGS.items():
        if environ.get(variable):
            found[name] = environ[variable]
            continue
        for key in keys:
            value = parser.get(section, key, fallback="").strip()
            if value and path is not None:
                found[name] = _absolute(value, base=path.parent) if name in _PATHS else value
                break
    return found


def _absolute(value: str, *, base: Path) -> str:
    parts = [part.strip().replace("{{CWD}}", os.getcwd()) for part in value.split(":") if part.strip()]
    return ":".join(str((base / os.path.expandvars(os.path.expanduser(part))).resolve()) for part in parts)
