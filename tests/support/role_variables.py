# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a role's variables reach its tasks: an entry point's tasks rendered by Ansible's own templating, no Ansible started.

A variable is proven when what some task gets (arguments with module_defaults, when, loop, delegate_to, become, environment, the
variables of a role it includes) differs between the variable's default and another value, all else being equal, and the task runs with
one of the two: no condition around it is false. A condition that needs what only a run knows says nothing. What only people read (debug,
a failure's message, where a look goes) proves nothing. Where a task runs only with another choice (a tunnel's arguments, with a tunnel),
the caller says with which: the company. Where another value must be of a form (a path, a URL), the company has the variable itself too.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import init_plugin_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.collection_loader import AnsibleCollectionConfig

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "roles"
PREFIX = "oncall.incident."
#: What a task does with everything but its action.
CONTROL = (
    "when", "loop", "delegate_to", "become", "become_user", "environment", "until", "retries", "delay", "failed_when", "changed_when",
    "timeout", "check_mode", "ignore_unreachable",
)
CONDITIONS = frozenset({"when", "until", "failed_when", "changed_when"})
INHERITED = ("delegate_to", "become", "become_user", "environment", "check_mode", "ignore_unreachable")
#: People read their arguments; no module acts on them.
TOLD = frozenset({"ansible.builtin.debug", "ansible.builtin.fail", f"{PREFIX}place"})
INCLUDE_TASKS = frozenset({"ansible.builtin.include_tasks", "ansible.builtin.import_tasks"})
INCLUDE_ROLE = frozenset({"ansible.builtin.include_role", "ansible.builtin.import_role"})
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")
_ALONE = re.compile(r"{{ (\w+) }}\Z")
_EXPRESSION = re.compile(r"{{.*?}}")
MARK = "sentinel"
NUMBER = 7077
#: What a loop over the results of a run is at.
ITEM = f"{MARK}-a"
_FAILED = object()
#: How a variable is proven: with the default choices of all others, with the company that was given, or not: some task's value depends
#: on it, and nothing shows; or no task's does.
ALONE, COMPANY, NAMED, UNREAD = "alone", "company", "named", "unread"

#: What facts would say. A group, a host and a way of the sentinel's name, so that what goes by one does not stay empty.
FACTS: Mapping[str, Any] = {
    "inventory_hostname": "h1", "ansible_host": "192.0.2.1", "group_names": [f"{MARK}-a"], "groups": {"all": ["h1"]},
    "hostvars": {"h1": {"service_pool_share": 5}}, "ansible_play_hosts_all": ["h1"], "ansible_check_mode": False,
    "ansible_failed_result": {"msg": "failed"}, "__reach_found": {f"{MARK}-a": {"handle": "/run/way"}},
    "__incident_permit": {"approved": None, "actions": None, "rungs": []},
}
#: What tasks register, by module: of ours what the RETURN documentation has as samples, and this.
RESULTS: Mapping[str, Mapping[str, Any]] = {
    "ansible.builtin.command": {
        "rc": 0, "stdout": '{"first": {"IPAddress": "192.0.2.7"}, "sentinel-a": {"IPAddress": "192.0.2.8"}}', "stdout_lines": ["1"],
        "stderr": "",
    },
    "ansible.builtin.stat": {"stat": {"exists": True}},
    "ansible.builtin.find": {"files": [{"path": "/srv/file"}]},
    "ansible.builtin.uri": {"status": 200},
    f"{PREFIX}redis_health": {"recovery": "maxclients"},
    f"{PREFIX}act": {"changed": False},
    f"{PREFIX}disk_survey": {"full": ["/srv"]},
    f"{PREFIX}release_health": {"schema": "the schema has changed since"},
    f"{PREFIX}http_health": {"findings": [{"check": "application", "subject": "www", "status": "ok"}]},
    f"{PREFIX}service_health": {
        "findings": [
            {"check": "health", "subject": "shop", "status": "critical"},
            {"check": "running", "subject": f"{MARK}-b", "status": "critical", "observed": 1},
        ],
        "instances": [{"service": f"{MARK}-b", "running": True}],
    },
    f"{PREFIX}service_instances": {"starts_lately": {"shop": 5}},
}

Scope = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Site:
    """Something a task gets: a value with templates, and the variables that stand around it.

    Attributes:
        when: the conditions under which it does, its own and those of everything around it.
        known: what was rendered before, by what was set.
    """

    where: str
    value: Any
    scope: Scope
    when: tuple[Any, ...] = ()
    known: dict[str, Any] = dataclasses.field(default_factory=dict)


def load_filters() -> None:
    """Let Ansible's own loader find the collection's filters, once in a process."""
    if AnsibleCollectionConfig.collection_finder is None:
        init_plugin_loader([str(ROOT / ".collections")])


def entry_points(roles: Path = ROLES) -> list[tuple[str, str]]:
    """Role and entry point of all that do something; `main` only says which there are."""
    return [(role, name) for role in _roles(roles) for name in _specs(roles, role) if name != "main"]


def documented(role: str, entry_point: str, *, roles: Path = ROLES) -> list[str]:
    """The variables that an entry point documents."""
    return list(_specs(roles, role)[entry_point].get("options") or {})


def proofs(companies: Mapping[str, Mapping[str, Scope]], *, roles: Path = ROLES) -> dict[str, dict[str, str]]:
    """How each documented variable of entry points is proven, by entry point: ALONE, COMPANY, NAMED or UNREAD.

    By a Python of its own, since Ansible's loader finds the collection's filters only where nobody has imported the collection before.

    Args:
        companies: by `role/entry point` and variable, what is set beside it where it is not proven alone.
        roles: the directory of the roles.
    """
    argv = [sys.executable, "-m", __name__]
    given = json.dumps({"roles": str(roles), "companies": companies})
    done = subprocess.run(argv, cwd=ROOT, input=given, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def _serve() -> None:
    given = json.load(sys.stdin)
    load_filters()
    found = {}
    for name, companies in given["companies"].items():
        role, _, entry_point = name.partition("/")
        judge = _EntryPoint(role, entry_point, roles=Path(given["roles"]))
        found[name] = {variable: judge.proof(variable, companies.get(variable)) for variable in judge.options}
    json.dump(found, sys.stdout)


class _EntryPoint:
    """The sites of an entry point, and what can be said of its conditions before a run."""

    def __init__(self, role: str, entry_point: str, *, roles: Path) -> None:
        self.options: dict[str, dict[str, Any]] = _specs(roles, role)[entry_point].get("options") or {}
        required = {name: others(option, None)[0] for name, option in self.options.items() if option.get("required")}
        walk = _Walk(roles, role)
        registered = walk.registered()
        base = {
            **FACTS, **registered, **required,
            **_yaml(roles / role / "defaults" / "main.yml"), **_yaml(roles / role / "vars" / "main.yml"),
        }
        self._of_a_run = frozenset(FACTS) | frozenset(registered)
        self._said: dict[tuple[str, int, str], Any] = {}
        self._sites = [
            (dataclasses.replace(site, when=tuple(one for one in site.when if not _reached(one, site.scope) & self._of_a_run)),
             _reached(site.value, site.scope))
            for site in walk.file(roles / role / "tasks" / f"{entry_point}.yml", {"vars": base})
        ]

    def proof(self, name: str, company: Scope | None) -> str:
        """How a variable is proven."""
        near = [site for site, _ in sorted(((site, names) for site, names in self._sites if name in names), key=lambda one: len(one[1]))]
        if any(self._makes_a_difference(site, {}, name) for site in near):
            return ALONE
        if company and any(self._makes_a_difference(site, company, name) for site in near):
            return COMPANY
        return NAMED if near else UNREAD

    def _makes_a_difference(self, site: Site, company: Scope, name: str) -> bool:
        without = {key: value for key, value in company.items() if key != name}
        for other in [company[name]] if name in company else others(self.options[name], site.scope.get(name)):
            changed = {**company, name: other}
            if _differs(site, without, changed) and (self._runs(site, without) or self._runs(site, changed)):
                return True
        return False

    def _runs(self, site: Site, chosen: Scope) -> bool:
        for condition in site.when:
            key = (str(condition), id(site.scope), repr(chosen))
            if key not in self._said:
                self._said[key] = _rendered(condition, {**site.scope, **chosen})
            if self._said[key] is False:
                return False
        return True


def _differs(site: Site, one: Scope, other: Scope) -> bool:
    key = repr(one)
    if key not in site.known:
        site.known[key] = _rendered(site.value, {**site.scope, **one})
    left, right = site.known[key], _rendered(site.value, {**site.scope, **other})
    if right is _FAILED or left is right:
        return False
    if left is _FAILED:  # not set, for example, and so not used: then the value itself has to show
        return MARK in str(right) or str(NUMBER) in str(right)
    return bool(left != right)


def _rendered(value: Any, scope: Scope) -> Any:
    try:
        # A copy without Ansible's laziness: comparing it must not raise.
        return _plain(Templar(loader=_loader(), variables=dict(scope)).template(value))
    except Exception:
        return _FAILED


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, (list, tuple)) else value


def _reached(value: Any, scope: Scope) -> frozenset[str]:
    """All names that a value depends on, through the variables that stand around it."""
    found: set[str] = set()
    waiting = set(_names(value))
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name in scope:
            waiting |= set(_names(scope[name])) - found
    return frozenset(found)


def _names(value: Any) -> Iterator[str]:
    for text in _texts(value):
        if "{" in text:
            yield from _WORD.findall(text)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield from _texts(key)
            yield from _texts(member)
    elif isinstance(value, (list, tuple)):
        for member in value:
            yield from _texts(member)


def others(option: Mapping[str, Any], default: Any) -> list[Any]:
    """Values of an option's type that are not its default."""
    kind = option.get("type", "str")
    if option.get("choices"):
        return [choice for choice in option["choices"] if choice != default] or [MARK]
    if kind == "bool":
        return [default is not True] if isinstance(default, bool) else [True, False]
    if kind in ("int", "float"):
        return [NUMBER, 0]
    if kind == "dict":
        return [_filled(option)]
    if kind == "list":
        if option.get("elements") == "dict":
            return [[_filled(option)], [_filled(option, least=True)], []]
        return [[NUMBER]] if option.get("elements") == "int" else [[f"{MARK}-a", f"{MARK}-b"], []]
    return [f"{MARK}-a", "77s", ""]


def _filled(option: Mapping[str, Any], *, least: bool = False) -> dict[str, Any]:
    inside = option.get("options") or {}
    wanted = {name: others(sub, None)[0] for name, sub in inside.items() if sub.get("required") or not least}
    return wanted or {MARK: f"{MARK}-a", "name": f"{MARK}-b"}


class _Walk:
    """The tasks of an entry point with everything that blocks and includes give them."""

    def __init__(self, roles: Path, role: str) -> None:
        self._roles = roles
        self._tasks = roles / role / "tasks"
        self._open: list[Path] = []

    def registered(self) -> dict[str, Any]:
        """What the tasks of the role register, by plausible results."""
        found: dict[str, Any] = {}
        for path in sorted(self._tasks.rglob("*.yml")):
            for task in _flat(_yaml(path)):
                if isinstance(task.get("register"), str):
                    result = _result(next(key for key in task if "." in key))
                    found[task["register"]] = {"results": [result]} if "loop" in task else result
        return found

    def file(self, path: Path, outer: Mapping[str, Any]) -> Iterator[Site]:
        """All sites of a file and of those it includes."""
        if path in self._open:
            return
        self._open.append(path)
        yield from self._entries(_yaml(path), outer, path)
        self._open.pop()

    def _entries(self, entries: Iterable[Mapping[str, Any]], outer: Mapping[str, Any], path: Path) -> Iterator[Site]:
        for entry in entries:
            around = _around(entry, outer)
            if "block" in entry:
                for part in ("block", "rescue", "always"):
                    yield from self._entries(entry.get(part) or [], around, path)
            else:
                yield from self._task(entry, around, path)

    def _task(self, task: Mapping[str, Any], around: Mapping[str, Any], path: Path) -> Iterator[Site]:
        conditions = tuple(_as_templates(around.get("when")))
        for site in self._given(task, around, path):
            yield site if site.when else dataclasses.replace(site, when=conditions)

    def _given(self, task: Mapping[str, Any], around: Mapping[str, Any], path: Path) -> Iterator[Site]:
        where = f"{path.relative_to(self._tasks)}: {task.get('name')}"
        action = next(key for key in task if "." in key)
        for scope in _scopes(task, around["vars"]):
            for key in CONTROL:
                value = around.get(key) if key in INHERITED else task.get(key)
                if key == "when":
                    value = around.get("when")
                if value not in (None, []) and action not in (f"{PREFIX}place", "ansible.builtin.debug"):
                    yield from _sites(f"{where} ({key})", _as_templates(value) if key in CONDITIONS else value, scope)
            if action in INCLUDE_TASKS:
                if isinstance(task[action], Mapping):
                    yield from _sites(f"{where} (apply)", task[action].get("apply"), scope)
                yield from self._included(task[action], {**around, "vars": scope}, path)
            elif action in INCLUDE_ROLE:
                yield from self._entered(where, task, task[action], scope, around)
            elif action not in TOLD:
                given = {"that": _as_templates(task[action]["that"])} if action == "ansible.builtin.assert" else task[action]
                yield from _sites(where, _arguments(action, given, around), scope)

    def _included(self, argument: Any, around: Mapping[str, Any], path: Path) -> Iterator[Site]:
        name = _EXPRESSION.sub("*", argument if isinstance(argument, str) else argument["file"])
        if name == "*" and "incident_ladder" in around["vars"]:
            yield from self._rungs(around)
            return
        for included in sorted({*self._tasks.glob(name), *path.parent.glob(name)}):
            yield from self.file(included, around)

    def _rungs(self, around: Mapping[str, Any]) -> Iterator[Site]:
        """The files of the rungs, and the one that asks before them; its checks and its wait are the role's."""
        scope = around["vars"]
        stated = _ALONE.match(scope["incident_ladder"])
        ladder = scope[stated[1]] if stated else {}
        files = [ladder["look"], *(path for rung in ladder["rungs"] for path in rung.get("files", {}))]
        for path in files:
            yield from self.file(self._tasks / path, {**around, "vars": {**scope, "incident_rung": ladder}})

    def _entered(
        self, where: str, task: Mapping[str, Any], role: Mapping[str, Any], scope: Scope, around: Mapping[str, Any],
    ) -> Iterator[Site]:
        """Another role: what reaches its documented variables; that those reach a module is its own test's."""
        short = str(role["name"]).removeprefix(PREFIX)
        if short not in _roles(self._roles):
            return
        entry_point = str(role.get("tasks_from", "main"))
        entered = [spec for name, spec in _specs(self._roles, short).items() if name == entry_point or "{" in entry_point]
        given = {**(around.get("given") or {}), **(task.get("vars") or {})}
        for name in dict.fromkeys(name for spec in entered for name in spec.get("options") or {}):
            # What nobody renames is read there under the same name.
            documented = [(spec.get("options") or {}).get(name) or {} for spec in entered]
            default = next((option["default"] for option in documented if "default" in option), "")
            value = given.get(name, trust_as_template("{{ " + name + " }}"))
            yield Site(f"{where} ({name})", value, scope if name in scope else {**scope, name: default})
        if role.get("apply"):
            yield Site(f"{where} (apply)", role["apply"], scope)


def _around(entry: Mapping[str, Any], outer: Mapping[str, Any]) -> dict[str, Any]:
    """What a task or block hands down: its own, and what it got."""
    own = entry.get("vars") or {}
    conditions = [*(outer.get("when") or []), *_as_list(entry.get("when"))]
    return {
        **outer, **{key: entry[key] for key in INHERITED if key in entry}, "when": conditions,
        "vars": {**outer["vars"], **own}, "given": {**(outer.get("given") or {}), **own},
        "module_defaults": {**(outer.get("module_defaults") or {}), **(entry.get("module_defaults") or {})},
    }


def _scopes(task: Mapping[str, Any], scope: Scope) -> Iterator[Scope]:
    """The variables of each round of a loop: of a list that is written out all, else the first that is there."""
    loop = task.get("loop")
    if loop is None:
        yield scope
        return
    name = (task.get("loop_control") or {}).get("loop_var", "item")
    index = (task.get("loop_control") or {}).get("index_var", "__index")
    if isinstance(loop, str):
        yield {**scope, "__looped": loop, name: trust_as_template("{{ __looped | first }}"), index: 0}
        yield {**scope, name: ITEM, index: 0}
        return
    for number, item in enumerate(loop):
        yield {**scope, name: item, index: number}


def _sites(where: str, value: Any, scope: Scope) -> Iterator[Site]:
    """Every argument by itself: one that needs what only a run knows says nothing about the others."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _sites(f"{where} ({key})", member, scope)
    elif isinstance(value, list):
        for member in value:
            yield from _sites(where, member, scope)
    elif isinstance(value, str) and (alone := _ALONE.match(value)) and scope.get(alone[1]) and isinstance(scope[alone[1]], Mapping):
        yield from _sites(where, scope[alone[1]], scope)
    elif isinstance(value, str) and "{" in value:
        yield Site(where, value, scope)


def _arguments(action: str, given: Any, around: Mapping[str, Any]) -> list[Any]:
    """The arguments of a task with what module_defaults add; those may be one template for all, or one dictionary in a variable."""
    groups = _yaml(ROOT / "meta" / "runtime.yml")["action_groups"]
    names = [f"group/{PREFIX}{name}" for name, members in groups.items() if action.removeprefix(PREFIX) in members] + [action]
    defaults = [around["module_defaults"][name] for name in names if name in around["module_defaults"]]
    own = given if isinstance(given, Mapping) else {"_raw": given}
    return [*([value for value in defaults if isinstance(value, str)]), {
        **{key: value for entry in defaults if isinstance(entry, Mapping) for key, value in entry.items()}, **own,
    }]


def _as_templates(value: Any) -> list[Any]:
    return [trust_as_template("{{ (" + str(one) + ") | bool }}") if isinstance(one, str) else one for one in _as_list(value)]


def _as_list(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list) else [value]


def _flat(entries: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        if "block" in entry:
            yield from _flat([task for part in ("block", "rescue", "always") for task in entry.get(part) or []])
        else:
            yield entry


@functools.cache
def _result(module: str) -> dict[str, Any]:
    """A plausible result of a module: the samples of its RETURN documentation."""
    path = ROOT / "plugins" / "modules" / f"{module.removeprefix(PREFIX)}.py"
    found: dict[str, Any] = {}
    for node in ast.parse(path.read_text()).body if module.startswith(PREFIX) and path.is_file() else []:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "RETURN":
            found = {name: _sample(key) for name, key in (yaml.safe_load(ast.literal_eval(node.value)) or {}).items()}
    return {**found, **RESULTS.get(module, {})}


def _sample(key: Mapping[str, Any]) -> Any:
    if "sample" in key:
        return key["sample"]
    inside = {name: _sample(member) for name, member in (key.get("contains") or {}).items()}
    empty = {"list": [inside] if inside else [], "dict": inside, "bool": True, "int": 1, "float": 1.0}
    return empty.get(key.get("type", "str"), "")


@functools.cache
def _loader() -> DataLoader:
    return DataLoader()


@functools.cache
def _yaml(path: Path) -> Any:
    return (_loader().load_from_file(str(path), trusted_as_template=True) or {}) if path.is_file() else {}


@functools.cache
def _specs(roles: Path, role: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((roles / role / "meta" / "argument_specs.yml").read_text())["argument_specs"]
    return found


@functools.cache
def _roles(roles: Path) -> tuple[str, ...]:
    return tuple(sorted(path.parents[1].name for path in roles.glob("*/meta/argument_specs.yml")))


if __name__ == "__main__":
    _serve()
