# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only Ansible knows, read with Ansible's own inventory, playbooks and variables in a process of its own.

Ansible's plugin loader takes over the import of collections, which would not go with the wrapper's own binding. So this runs in
a child, with the environment that a run's Ansible would get.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PREFIX = "oncall.incident."
#: Ansible's own lookups that ask nobody: these values can be shown as they would be. Others stay templates.
_CHEAP = frozenset(
    f"{collection}{name}" for name in ("env", "file", "vars", "ini", "config", "varnames")
    for collection in ("", "ansible.builtin.", "ansible.legacy.")
)
_HOSTS = re.compile(r"\bincident_\w+")
_TOKEN = re.compile(r"\[redacted:[0-9a-f]{12}\]")
_DEEPEST = 32
HIDDEN = "(hidden)"


class Unreadable(Exception):
    """Ansible cannot read the inventory, the playbook or the variables; the text is Ansible's own."""


@dataclasses.dataclass
class _Use:
    """A role of the scenario: on which hosts, by which entry points, and who says on which.

    Attributes:
        hosts: with the variables that the playbook gives the role there.
        asked: the variables that a play takes its hosts from, as incident_db.
    """

    entry_points: set[str] = dataclasses.field(default_factory=set)
    hosts: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    asked: set[str] = dataclasses.field(default_factory=set)


def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the hosts that a scenario goes to.

    Args:
        question: playbook, inventories, limit, extra (path and label of each -e), vault_password_files, vault_ids.

    Raises:
        Unreadable: Ansible cannot make sense of one of them.
    """
    from ansible.errors import AnsibleError
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
    try:
        return _Reader(question).answer()
    except AnsibleError as exc:
        raise Unreadable(" ".join([str(exc), *_at(exc)])) from exc


class _Reader:
    """One question's inventory, variables and plays."""

    def __init__(self, question: Mapping[str, Any]) -> None:
        from ansible import context
        from ansible.cli import CLI
        from ansible.inventory.manager import InventoryManager
        from ansible.module_utils.common.collections import ImmutableDict
        from ansible.parsing.dataloader import DataLoader
        from ansible.vars.hostvars import HostVars
        from ansible.vars.manager import VariableManager

        self._question = question
        extra = [f"@{one['path']}" for one in question["extra"]]
        context.CLIARGS = ImmutableDict(extra_vars=tuple(extra))
        self._loader = DataLoader()
        self._loader.set_vault_secrets(CLI.setup_vault_secrets(
            self._loader, vault_ids=list(question["vault_ids"]), vault_password_files=list(question["vault_password_files"]),
            auto_prompt=False,
        ))
        self._inventory = InventoryManager(loader=self._loader, sources=list(question["inventories"]) or None)
        if question["limit"]:
            self._inventory.subset(question["limit"])
        self._manager = VariableManager(loader=self._loader, inventory=self._inventory)
        # It makes itself known to the manager: inventories may speak of hostvars, and the recorder learns secrets from them.
        self._hostvars = HostVars(inventory=self._inventory, variable_manager=self._manager, loader=self._loader)
        self._extra = [(one["label"], self._file(one["path"])) for one in question["extra"]]
        # The inventory's own plugins have done their work, with whatever they look up.
        _refuse_lookups()

    def _file(self, path: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._loader.load_from_file(path, trusted_as_template=True) or {}
        return found

    def answer(self) -> dict[str, Any]:
        """Everything, hidden where it is secret."""
        from ansible_collections.oncall.incident.plugins.plugin_utils._frame import specs

        uses = self._uses()
        documented = {role: specs.load_options(self._roles, role) for role in uses}
        hide = self._hiding(documented)
        hosts: dict[str, Any] = {}
        for role, use in sorted(uses.items()):
            for host, given in use.hosts.items():
                entry = hosts.setdefault(host, {"groups": self._groups(host), "roles": {}})
                entry["roles"][role] = self._values(host, given, names=documented[role], role=role, hide=hide)
        for host, entry in hosts.items():
            entry["given"] = self._given(host, [use.hosts[host] for use in uses.values() if host in use.hosts])
        groups = sorted(name for name in self._inventory.groups if name not in ("all", "ungrouped"))
        return {
            "hosts": hosts, "groups": groups, "entry_points": {role: sorted(use.entry_points) for role, use in uses.items()},
            "nowhere": {role: sorted(use.asked) for role, use in sorted(uses.items()) if not use.hosts},
        }

    # The plays: which role goes where.

    @property
    def _roles(self) -> Path:
        import ansible_collections.oncall.incident.plugins.plugin_utils._frame.specs as inside

        return Path(inside.__file__).resolve().parents[3] / "roles"

    def _plays(self) -> list[Any]:
        from ansible.playbook import Playbook
        from ansible.utils.collection_loader._collection_finder import _get_collection_playbook_path

        named = str(self._question["playbook"])
        found = None if "/" in named else _get_collection_playbook_path(named)
        self._playbook = Playbook.load(found[1] if found else named, variable_manager=self._manager, loader=self._loader)
        plays: list[Any] = self._playbook.get_plays()
        return plays

    def _uses(self) -> dict[str, _Use]:
        from ansible.template import Templar

        uses: dict[str, _Use] = {}
        self._seen = self._plays()
        for play in self._seen:
            templar = Templar(loader=self._loader, variables=self._manager.get_vars(play=play))
            asked = set(_HOSTS.findall(str(play.hosts)))
            play.hosts = templar.template(play.hosts)
            hosts = [host.name for host in self._inventory.get_hosts(play.hosts)]
            for role, entry_point, given in _roles_of(play, templar):
                use = uses.setdefault(role, _Use())
                use.entry_points.add(entry_point)
                use.asked |= asked
                for host in hosts:
                    use.hosts.setdefault(host, {}).update(given)
        # Every host of the inventory is guarded; what matters are those that something is done on.
        busy = {host for role, use in uses.items() if role != "incident" for host in use.hosts}
        for use in uses.values():
            use.hosts = {host: given for host, given in use.hosts.items() if host in busy}
        return uses

    # The variables: layers as Ansible stacks them.

    def _groups(self, host: str) -> list[str]:
        return sorted(group.name for group in self._inventory.get_host(host).get_groups() if group.name not in ("all", "ungrouped"))

    def _layers(self, host: Any, playbook: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Who says what, in the order of precedence, a later one wins; by group and host, so that every value has its file."""
        from ansible import constants
        from ansible.inventory.helpers import sort_groups
        from ansible.vars.plugins import get_vars_from_inventory_sources, get_vars_from_path

        every = self._inventory.groups["all"]
        groups = sort_groups([group for group in host.get_groups() if group.name != "all"])
        beside_play = self._loader.get_basedir()

        def of(entity: Any, kind: str) -> Mapping[str, Any]:
            if kind == "inventory":
                return dict(entity.get_vars())
            if kind == "plugins_inventory":
                return dict(get_vars_from_inventory_sources(self._loader, self._inventory._sources, [entity], "task"))
            return dict(get_vars_from_path(self._loader, beside_play, [entity], "task"))

        for entry in constants.VARIABLE_PRECEDENCE:
            scope, _, kind = entry.partition("_")
            for entity in {"all": [every], "groups": groups}.get(scope, []):
                yield f"group {entity.name}", of(entity, kind)
        for kind in ("inventory", "plugins_inventory", "plugins_play"):
            yield f"host {host.name}", of(host, kind)
        yield "playbook", playbook
        yield from self._extra

    def _defaults(self, role: str) -> Mapping[str, Any]:
        path = self._roles / role / "defaults" / "main.yml"
        return self._file(str(path)) if path.is_file() else {}

    def _stacked(self, host: str, playbook: Mapping[str, Any]) -> dict[str, tuple[Any, dict[str, Any]]]:
        """The variables of a host with the place that each comes from."""
        stacked: dict[str, tuple[Any, dict[str, Any]]] = {}
        for label, layer in self._layers(self._inventory.get_host(host), playbook):
            for name, value in layer.items():
                kind = label if label == "playbook" else "-e" if label.startswith("-e") else "inventory"
                stacked[str(name)] = (value, {"kind": kind, "of": label, **_place(name, value)})
        return stacked

    def _given(self, host: str, playbooks: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        """All names that somebody gives a host, with where from: to find those that nobody reads."""
        merged = {name: value for given in playbooks for name, value in given.items()}
        return {name: source for name, (_value, source) in self._stacked(host, merged).items() if not name.startswith("ansible_")}

    def _values(
        self, host: str, playbook: Mapping[str, Any], *, names: Iterable[str], role: str, hide: Any,
    ) -> dict[str, dict[str, Any]]:
        """The documented variables of a role on a host: value, default, source. Raw templates are kept where they differ."""
        from ansible.template import Templar

        defaults = self._defaults(role)
        stacked = self._stacked(host, playbook)
        known = self._manager.get_vars(host=self._inventory.get_host(host))
        templar = Templar(loader=self._loader, variables={**defaults, **known, **playbook, **self._manager.extra_vars})
        found: dict[str, dict[str, Any]] = {}
        for name in names:
            written, source = stacked.get(name, (defaults.get(name), {"kind": "default"}))
            value = _rendered(templar, written)
            default = _rendered(templar, defaults.get(name))
            found[name] = {
                "set": name in stacked or name in defaults, "source": source, "differs": name in stacked and value != default,
                **hide(name, value, default, written),
            }
        return found

    # Secrets.

    def _hiding(self, documented: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Any:
        """What makes values fit to be shown: the recorder's own knowledge of secrets, before anything leaves this process."""
        import secrets

        from ansible_collections.oncall.incident.plugins.plugin_utils._record.names import is_secret_name
        from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
        from ansible_collections.oncall.incident.plugins.plugin_utils._secret_sources import SecretSources

        hidden = {name for options in documented.values() for name, option in options.items() if option.get("no_log")}
        redactor = Redactor(key=secrets.token_bytes(32), names=hidden)
        sources = SecretSources(redactor, extra_names=hidden)
        sources.from_playbook(self._playbook)
        for play in self._seen:
            sources.from_play(play)

        def shown(name: str, value: Any) -> Any:
            return _unmarked(redactor.clean({name: _plain(value)})[0][name])

        def hide(name: str, value: Any, default: Any, written: Any) -> dict[str, Any]:
            if name in hidden or is_secret_name(name) or _is_vaulted(written):
                return {"value": HIDDEN if value not in (None, "") else value, "default": None, "template": None, "secret": True}
            plain = _plain(value)
            template = shown(name, written) if isinstance(written, str) and "{{" in written and _plain(written) != plain else None
            return {"value": shown(name, value), "default": shown(name, default), "template": template, "secret": False}

        return hide


def _roles_of(play: Any, templar: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Role of ours, entry point, and what the playbook gives it, for each that a play enters by itself."""
    own = dict(play.get_vars())
    for role in play.roles:
        if role.get_name().startswith(PREFIX):
            yield role.get_name().removeprefix(PREFIX), _stem(role._from_files.get("tasks")), {**own, **role.get_role_params()}
    for task in _tasks([*play.pre_tasks, *play.tasks, *play.post_tasks]):
        if task._role is None and getattr(task, "_role_name", None):  # include_role
            name, entry_point = str(templar.template(task._role_name)), _stem(task._from_files.get("tasks"))
            given = dict(task.get_vars())
        elif (outermost := _outermost(task)) is not None:
            role, given = outermost
            name, entry_point = role.get_name(), _stem(role._from_files.get("tasks"))
        else:
            continue
        if name.startswith(PREFIX):
            yield name.removeprefix(PREFIX), entry_point, {**own, **given}


def _tasks(blocks: Iterable[Any]) -> Iterator[Any]:
    for entry in blocks:
        inner = [*getattr(entry, "block", []), *getattr(entry, "rescue", []), *getattr(entry, "always", [])]
        if inner:
            yield from _tasks(inner)
        elif not hasattr(entry, "block"):
            yield entry


def _outermost(task: Any) -> tuple[Any, dict[str, Any]] | None:
    """The role that the play itself enters, of a task that may be several roles deep, and the variables it is entered with."""
    found, given = None, dict[str, Any]()
    entry = task
    while entry is not None:
        role = getattr(entry, "_role", None)
        if role is not None:
            found, given = role, {}
        elif getattr(entry, "vars", None):
            given = {**entry.vars, **given}
        entry = getattr(entry, "_parent", None)
    return (found, given) if found is not None else None


def _stem(name: Any) -> str:
    return Path(str(name or "main")).stem


def _place(name: Any, value: Any) -> dict[str, Any]:
    """File and line of a variable: a value's, or its name's where values carry none, as true and false do."""
    try:
        from ansible._internal._datatag._tags import Origin
    except ImportError:  # internal to ansible-core: then only the group or host is known
        return {}
    for member in (name, value):
        tag = Origin.get_tag(member)
        if tag is not None and tag.path:
            return {"path": str(tag.path), "line": tag.line_num}
    return {}


def _at(exc: BaseException | None) -> list[str]:
    """The file and line that an error is about, which its text leaves out."""
    while exc is not None:
        obj: Any = getattr(exc, "obj", None)
        found = {"path": obj.path, "line": obj.line_num} if hasattr(obj, "line_num") else _place("", obj)
        if found.get("path"):
            return [f"({found['path']}{f':{line}' if (line := found.get('line')) else ''})"]
        exc = exc.__cause__ or exc.__context__
    return []


def _rendered(templar: Any, value: Any) -> Any:
    """The value as a task would see it, where that asks nobody and needs nothing that is known only later; else as it is written."""
    with contextlib.suppress(Exception):
        return templar.template(value)
    return value


def _refuse_lookups() -> None:
    """From here on no template of this process can run a lookup that asks somebody, however it comes to it.

    What a value's text says is not enough: it may name another variable, or compute the lookup's name.
    """
    from ansible.errors import AnsibleError
    from ansible.plugins.loader import lookup_loader

    finding, finding_with_context = lookup_loader.get, lookup_loader.get_with_context

    def allowed(name: str) -> None:
        if name not in _CHEAP:
            raise AnsibleError(f"The lookup {name} is not run to show a variable.")

    def get(name: str, *args: Any, **kwargs: Any) -> Any:
        allowed(name)
        return finding(name, *args, **kwargs)

    def get_with_context(name: str, *args: Any, **kwargs: Any) -> Any:
        allowed(name)
        return finding_with_context(name, *args, **kwargs)

    lookup_loader.get, lookup_loader.get_with_context = get, get_with_context


def _is_vaulted(value: Any, depth: int = 0) -> bool:
    from ansible.parsing.vault import EncryptedString

    if isinstance(value, EncryptedString):
        return True
    members = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return depth < _DEEPEST and any(_is_vaulted(member, depth + 1) for member in members)


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON's own types, without Ansible's tags."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value + 0
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {str(key): _plain(member, depth + 1) for key, member in value.items()}
    if isinstance(value, (list, tuple)) and depth < _DEEPEST:
        return [_plain(member, depth + 1) for member in value]
    return "".join(str(value))


def _unmarked(value: Any) -> Any:
    """The recorder's tokens tell a reader nothing here."""
    if isinstance(value, str):
        return _TOKEN.sub(HIDDEN, value)
    if isinstance(value, Mapping):
        return {_unmarked(key): _unmarked(member) for key, member in value.items()}
    return [_unmarked(member) for member in value] if isinstance(value, list) else value
