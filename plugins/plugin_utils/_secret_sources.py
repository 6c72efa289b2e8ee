# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a running Ansible keeps secrets, so that the recorder knows what to remove.

This plugin util is PRIVATE to the collection: it may change at any time.

Known afterwards: variables whose names say so (extra vars, inventory, play, facts), everything that came out of a vault,
the connection's and the vault's own passwords, and what a no_log task registered. Not known: a secret under a harmless
name that no vault holds, until a result shows it under a telling one.
"""

from __future__ import annotations

import contextlib
import os
import re
import typing as t
from collections.abc import Mapping

from ansible.errors import AnsibleError
from ansible.parsing.vault import EncryptedString

from ._record.names import is_secret_name
from ._record.redact import Redactor

try:
    from ansible._internal._datatag._tags import Origin, VaultedValue
except ImportError:  # internal to ansible-core: inline vault values are known all the same
    Origin = VaultedValue = None

_VAULT_HEADER = b"$ANSIBLE_VAULT;"
# A lookup of this controller's own is cheap and has no effects; others may ask a server per host, or write.
_LOOKUP = re.compile(r"\b(?:lookup|query|q)\s*\(\s*(['\"])(.+?)\1")
_CHEAP_LOOKUPS = frozenset({"env", "file", "vars", "ini", "config", "varnames"})
_DEEPEST = 32
# Of what a no_log task registered: these say how it went, not what is secret.
_NOT_SECRET = frozenset({
    "start", "end", "delta", "rc", "changed", "failed", "skipped", "uid", "gid", "owner", "group", "mode", "state", "path", "dest", "src",
    "checksum", "md5sum", "ansible_loop_var", "size", "skip_reason", "skipped_reason", "warnings", "deprecations", "exception", "uuid",
})
_SHORTEST_REGISTERED = 6
_MOST_REGISTERED_LINES = 50


class SecretSources:
    """Teaches a redactor what a run's variables hold.

    Args:
        redactor: learns.
        extra_names: lower-case names of variables that hold secrets, beside those whose names say so.
    """

    def __init__(self, redactor: Redactor, *, extra_names: t.Collection[str] = ()) -> None:
        self._redactor = redactor
        self._extra_names = set(extra_names)
        self._scanned: set[str] = set()
        self._vaulted_files: dict[str, bool] = {}
        self._hostvars: t.Any = None
        self._registered: list[tuple[str, str]] = []
        self._changed_hosts: set[str] = set()

    def add_name(self, name: str) -> None:
        """A variable that was asked for without echo."""
        self._extra_names.add(name.lower())

    def from_playbook(self, playbook: t.Any) -> None:
        """Learn the extra vars before anything is written."""
        for play in playbook.get_plays()[:1]:
            inventory = getattr(play.get_variable_manager(), "_inventory", None)
            if inventory is not None:
                self._redactor.leave(list(inventory.hosts))
            self._from_vault_passwords(play)
            self._walk(play.get_variable_manager().extra_vars)

    def from_play(self, play: t.Any) -> None:
        """Learn from a play's own variables and from those of its hosts that were not seen yet."""
        manager = play.get_variable_manager()
        variables = manager.get_vars(play=play)
        self._hostvars = variables.get("hostvars")
        self._walk({key: value for key, value in variables.items() if key not in ("hostvars", "groups", "vars")})
        inventory = getattr(manager, "_inventory", None)
        if inventory is None:
            return
        for host in inventory.get_hosts(play.hosts):
            if host.name not in self._scanned:
                self._redactor.leave([host.name])
                self._scanned.add(host.name)
                self.from_host(host.name)

    def from_host(self, name: str) -> None:
        """Learn from one host's variables as they are now."""
        if self._hostvars is None or name not in self._hostvars:
            return
        try:
            variables = self._hostvars.raw_get(name)
        except AnsibleError:  # a vars file that cannot be read: Ansible says so itself, and runs nothing there
            return
        if not isinstance(variables, Mapping):
            return
        self._walk({key: value for key, value in variables.items() if key not in ("ansible_facts", "groups", "vars")})
        self._from_templates(name, variables)

    def from_connection(self, context: t.Any) -> None:
        """Learn the passwords that were asked for at the start (--ask-pass, --ask-become-pass)."""
        for attribute in ("password", "become_pass"):
            value = getattr(context, attribute, None)
            if value:
                self._redactor.learn(value)

    def from_result(self, host: str, task: t.Any, body: t.Mapping[str, t.Any], *, hidden: bool) -> None:
        """Take note of what a task has brought into the run.

        Args:
            host: the inventory's name.
            task: as it ran.
            body: its result, as callbacks see it.
            hidden: no_log; it does not follow the data, so what was registered is learned before it can be shown.
        """
        action = str(task.resolved_action or task.action)
        if action == "ansible.builtin.include_vars" or (hidden and action == "ansible.builtin.set_fact"):
            self._changed_hosts.add(host)
        if hidden and action == "ansible.builtin.set_fact":
            self._registered += [(host, str(name)) for name in task.args if name != "cacheable"]
        if hidden and task.register:
            # From core 2.21 on a mapping of names to expressions.
            names = [task.register] if isinstance(task.register, str) else list(task.register)
            self._registered += [(host, str(name)) for name in names]
        if action == "ansible.builtin.pause" and not body.get("echo", True):
            self._redactor.learn(body.get("user_input"))

    def learn_registered(self) -> None:
        """Learn what no_log tasks have registered and vars files have brought since the last call."""
        if self._hostvars is None:
            return
        while self._changed_hosts:
            self.from_host(self._changed_hosts.pop())
        if not self._registered:
            return
        waiting, self._registered = self._registered, []
        for host, name in waiting:
            variables = self._hostvars.raw_get(host)
            if isinstance(variables, Mapping) and name in variables:
                self._learn_leaves(variables[name], 0)

    def _learn_leaves(self, value: t.Any, depth: int) -> None:
        if depth > _DEEPEST:
            return
        if isinstance(value, Mapping):
            for key, member in value.items():
                if key not in _NOT_SECRET:
                    self._learn_leaves(member, depth + 1)
        elif isinstance(value, (list, tuple)):
            for member in value[:_MOST_REGISTERED_LINES]:
                self._learn_leaves(member, depth + 1)
        elif isinstance(value, str):
            text = str(value).strip()
            if len(text) < _SHORTEST_REGISTERED or text.startswith(("/", "-")):
                return
            lines = text.splitlines()
            if len(lines) == 1:
                self._redactor.learn(text)
            for line in lines[:_MOST_REGISTERED_LINES] if len(lines) > 1 else ():
                if len(line.strip()) >= _SHORTEST_REGISTERED:
                    self._redactor.learn(line.strip())

    def _from_vault_passwords(self, play: t.Any) -> None:
        vault = getattr(getattr(play, "_loader", None), "_vault", None)
        for _identity, secret in getattr(vault, "secrets", None) or ():
            with contextlib.suppress(Exception):
                self._redactor.learn(secret.bytes)

    def _walk(self, value: t.Any, depth: int = 0, secret: bool = False) -> None:
        """Learn the secrets at any depth: named so, vaulted, or out of a vaulted file."""
        if depth > _DEEPEST or value is None or isinstance(value, (bool, int, float)):
            if secret and isinstance(value, (int, float)):
                self._redactor.learn(value)
            return
        if isinstance(value, EncryptedString):
            # An undecryptable one cannot be shown by anybody.
            with contextlib.suppress(Exception):
                self._redactor.learn(str(value))
        elif isinstance(value, str):
            if secret or self._is_vaulted(value):
                self._redactor.learn(value)
            elif "://" in value:
                self._redactor.learn_named({"": value})
        elif isinstance(value, Mapping):
            for key, member in value.items():
                self._walk(member, depth + 1, secret or (isinstance(key, str) and self._is_secret_name(key)))
        elif isinstance(value, (list, tuple)):
            for member in value:
                self._walk(member, depth + 1, secret)

    def _is_secret_name(self, name: str) -> bool:
        return is_secret_name(name) or name.lower() in self._extra_names

    def _is_vaulted(self, value: str) -> bool:
        if Origin is None:
            return False
        if VaultedValue.is_tagged_on(value):
            return True
        origin = Origin.get_tag(value)
        path: str | None = getattr(origin, "path", None)
        return path is not None and path != "" and self._is_vaulted_file(path)

    def _is_vaulted_file(self, path: str) -> bool:
        known = self._vaulted_files.get(path)
        if known is None:
            try:
                with open(path, "rb") as stream:
                    known = stream.read(len(_VAULT_HEADER)) == _VAULT_HEADER
            except OSError:
                known = False
            self._vaulted_files[os.fspath(path)] = known
        return known

    def _from_templates(self, host: str, variables: t.Mapping[str, t.Any]) -> None:
        """A secret's variable may be a template; render it where that is cheap."""
        templated = [
            key for key, value in variables.items()
            if isinstance(value, str) and "{{" in value and self._is_secret_name(key)
            and all(found[1].rpartition(".")[2] in _CHEAP_LOOKUPS for found in _LOOKUP.findall(value))
        ]
        if not templated:
            return
        rendered = self._hostvars[host]
        for key in templated:
            with contextlib.suppress(Exception):  # undefined here, defined where it is used
                self._redactor.learn(rendered[key])
