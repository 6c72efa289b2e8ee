# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/rights.md from the data beside the modules and roles; `--check` only says whether it is out of date.

The modules' rights are in plugins/module_utils/_<subject>/rights.py, what an entry point needs beside its modules is in
roles/<role>/meta/rights.yml. Which modules an entry point runs is read from its tasks.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections")]

from ansible_collections.oncall.incident.plugins.module_utils._core.rights import (  # noqa: E402
    ACL,
    CHANGE,
    CONTROLLER,
    LOOK,
    SQL,
    Chapter,
    Needs,
    Right,
)

PAGE = ROOT / "docs" / "rights.md"
_UTILS = "ansible_collections.oncall.incident.plugins.module_utils"
_PURPOSES = {LOOK: "looks", CHANGE: "changes", CONTROLLER: "on the controller"}
_OWN = "oncall.incident."
#: The loop of rungs, as a role imports it.
_LOOP = "../../incident/tasks/rungs.yml"
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


def _chapters() -> list[Chapter]:
    paths = sorted((ROOT / "plugins" / "module_utils").glob("_*/rights.py"))
    found = [importlib.import_module(f"{_UTILS}.{path.parent.name}.rights") for path in paths if path.parent.name != "_core"]
    return sorted((module.CHAPTER for module in found), key=lambda one: one.place)


CHAPTERS = _chapters()
NEEDS = {one.module: one for chapter in CHAPTERS for one in chapter.needs}


def main(argv: Sequence[str] | None = None) -> int:
    """Write, or with --check compare; 1 when the page is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.rights_page", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when the page is out of date")
    check = parser.parse_args(argv).check
    made = page()
    if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == made:
        return 0
    print(f"{'out of date' if check else 'written'}: {PAGE.relative_to(ROOT)}")
    if not check:
        PAGE.write_text(made, encoding="utf-8")
    return 1 if check else 0


def entry_points(role: str) -> dict[str, list[Right]]:
    """What each entry point of a role needs beside its modules."""
    stated = yaml.safe_load((ROOT / "roles" / role / "meta" / "rights.yml").read_text(encoding="utf-8"))
    return {name: [Right(**{"of": (), **one}) for one in rights] for name, rights in stated.items()}


def roles() -> list[str]:
    """All roles."""
    return sorted(path.parents[1].name for path in (ROOT / "roles").glob("*/meta/main.yml"))


def modules_of(role: str, entry_point: str) -> list[str]:
    """The modules of the collection that an entry point may run, those of entry points that it includes too."""
    return sorted({word.removeprefix(_OWN) for word in _run_by(role, entry_point, set()) if word.removeprefix(_OWN) in NEEDS})


def _run_by(role: str, file: str, seen: set[tuple[str, str]]) -> Iterator[str]:
    """Keys and module names of a file of tasks, and of the files that it includes; a name with a template is every file that fits."""
    if (role, file) in seen:
        return
    seen.add((role, file))
    tasks = ROOT / "roles" / role / "tasks"
    for task in _tasks(yaml.safe_load((tasks / f"{file}.yml").read_text(encoding="utf-8"))):
        yield from (str(key) for key in task)
        yield from _measured(task)
        for what in ("include_tasks", "import_tasks"):
            named = task.get(f"ansible.builtin.{what}")
            if named:
                here = (tasks / file).parent
                pattern = _TEMPLATE.sub("*", named if isinstance(named, str) else named["file"])
                if pattern == _LOOP:
                    for rung in _rungs(role):
                        yield from _run_by(role, rung, seen)
                places = [one for one in (here, tasks) if list(one.glob(pattern))][:1]
                for path in sorted(path for place in places for path in place.glob(pattern)):
                    yield from _run_by(role, str(path.relative_to(tasks).with_suffix("")), seen)
        for what in ("include_role", "import_role"):
            other = task.get(f"ansible.builtin.{what}")
            if other:
                its = other["name"].removeprefix(_OWN)
                wanted = _TEMPLATE.sub("*", other.get("tasks_from", "main").removesuffix(".yml"))
                for path in sorted((ROOT / "roles" / its / "tasks").glob(f"{wanted}.yml")):
                    yield from _run_by(its, path.stem, seen)


def _rungs(role: str) -> list[str]:
    """The files of a role's ladder, and the one that asks before a rung."""
    ladder = yaml.safe_load((ROOT / "roles" / role / "vars" / "main.yml").read_text(encoding="utf-8"))[f"__{role}_ladder"]
    files = [ladder["look"], *(path for rung in ladder["rungs"] for path in rung.get("files", {}))]
    return [str(Path(path).with_suffix("")) for path in files]


def _tasks(tasks: Any) -> Iterator[dict[str, Any]]:
    for task in tasks or ():
        yield task
        for part in ("block", "rescue", "always"):
            yield from _tasks(task.get(part))


def _measured(task: dict[str, Any]) -> Iterator[str]:
    """The modules that `act` is given."""
    given = task.get(f"{_OWN}act")
    if given:
        yield from (str(one["module"]) for one in (given, given.get("measure") or {}, given.get("look") or {}) if "module" in one)


def page() -> str:
    """The whole page."""
    lines = [
        "# Rights", "",
        "What each module and each entry point needs, and what is said without it. Looking needs less than changing: where both are",
        "apart, use one login for `investigate` and `verify`, and one for `mitigate`. What differs from system to system stands in angle",
        "brackets.", "",
        "The conformance kit (`tests/conformance/test_rights.py`) runs the modules that judge and those that change something with exactly",
        "these rights, and with each one taken away; what it cannot take away is named there, with the reason. It does not run those of",
        "services, evidence and tunnels, nor what entry points need beside their modules.", "",
        "`python -m tools.rights_page` writes this page from `plugins/module_utils/*/rights.py` and `roles/*/meta/rights.yml`.", "",
    ]
    for chapter in CHAPTERS:
        lines += [f"## {chapter.title}", "", *_said(chapter.text), *_example(chapter), *_table(chapter.needs), *_free(chapter.needs)]
    return "\n".join([*lines, "## Entry points", "", *_entry_points()]) + "\n"


def _said(text: str) -> list[str]:
    return [*text.strip().splitlines(), ""] if text else []


def _example(chapter: Chapter) -> list[str]:
    kinds = {right.kind for one in chapter.needs for right in one.rights}
    if SQL in kinds:
        return ["```sql", *_sql(chapter), "```", ""]
    if ACL in kinds:
        return ["```", *_acl(chapter), "```", ""]
    return ["```", *chapter.example.strip().splitlines(), "```", ""] if chapter.example else []


def rights_of(chapter: Chapter, kind: str, purposes: Sequence[str]) -> list[Right]:
    """The rights of one kind."""
    return [right for one in chapter.needs if one.purpose in purposes for right in one.rights if right.kind == kind]


#: Who is made in the examples, and for which modules.
USERS = {"incident_look": (LOOK,), "incident_change": (LOOK, CHANGE)}


#: Rules that every kind of Redis server knows, and that are needed on each.
EVERYWHERE = ("+ping", "+info", "+client|setname")


def _sql(chapter: Chapter) -> Iterator[str]:
    for role, purposes in USERS.items():
        yield f"CREATE ROLE {role} LOGIN PASSWORD 'change-me';"
        rights = [right for right in rights_of(chapter, SQL, purposes) if right.of != ("probe",)]
        yield from dict.fromkeys(f"GRANT {right.grant} TO {role};" for right in rights)
    # Whose query it is, so are its rights: a role of its own.
    yield "CREATE ROLE incident_probe LOGIN PASSWORD 'change-me';"
    yield from (f"GRANT {right.grant} TO incident_probe;" for right in rights_of(chapter, SQL, (LOOK,)) if right.of == ("probe",))


def _acl(chapter: Chapter) -> Iterator[str]:
    """Commands that are for some keys alone stand in a selector with the pattern of these."""
    for user, purposes in USERS.items():
        rights = [right for right in rights_of(chapter, ACL, purposes) if not right.on]
        limited: dict[str, dict[str, None]] = {}
        for right in rights:
            if right.within:
                limited.setdefault(right.within, {})[right.grant] = None
        rules = dict.fromkeys(right.grant for right in rights if not right.within and right.grant not in limited)
        selectors = [f"({keys} {' '.join(commands)})" for keys, commands in limited.items()]
        yield f"ACL SETUSER {user} reset on >change-me {' '.join([*sorted(rules, key=lambda rule: rule.startswith('+')), *selectors])}"
    special = [right for right in rights_of(chapter, ACL, (LOOK,)) if right.on]
    for place in dict.fromkeys(right.on for right in special):
        rules = dict.fromkeys([*EVERYWHERE, *(right.grant for right in special if right.on == place)])
        yield f"# On {place}:"
        yield f"ACL SETUSER incident_look reset on >change-me {' '.join(rules)}"


def _table(needs: Iterable[Needs]) -> list[str]:
    rows = []
    for one in needs:
        for place, right in enumerate(one.rights):
            name = f"`{one.module}`, {_PURPOSES[one.purpose]}" if place == 0 else ""
            rows.append(f"| {name} | {_grant(right)} | {_of(one, right)} | {_cell(right.without)} |")
    return ["| module | right | needed for | without it |", "|---|---|---|---|", *rows, ""] if rows else []


def _grant(right: Right) -> str:
    # Words for people are no code.
    text = right.grant if right.kind == "root" else f"`{right.grant}`"
    return _cell(text) + (f" (when {_cell(right.when)})" if right.when else "")


def _of(one: Needs, right: Right) -> str:
    if not right.of:
        return "no answer"
    if set(right.of) == set(one.answers):
        return "everything"
    rest = [name for name in one.answers if name not in right.of]
    return f"everything but {', '.join(f'`{name}`' for name in rest)}" if len(rest) < len(right.of) and len(one.answers) > 6 else ", ".join(
        f"`{name}`" for name in right.of)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _free(needs: Iterable[Needs]) -> list[str]:
    found = [f"- `{one.module}` ({_PURPOSES[one.purpose]}): {one.free}" for one in needs if one.free]
    return ["These need no right of their own:", "", *found, ""] if found else []


def _entry_points() -> list[str]:
    rows = []
    for role in roles():
        for place, (name, rights) in enumerate(entry_points(role).items()):
            needing = [one for one in modules_of(role, name) if NEEDS[one].rights or NEEDS[one].purpose != CONTROLLER]
            used = ", ".join(f"`{one}`" for one in needing)
            more = "<br>".join(f"{_grant(right)}. {_cell(right.without)}" for right in rights)
            rows.append(f"| {f'`{role}`' if place == 0 else ''} | `{name}` | {used or '-'} | {more or '-'} |")
    return ["| role | entry point | modules that look or change | beside their rights |", "|---|---|---|---|", *rows]


if __name__ == "__main__":
    sys.exit(main())
