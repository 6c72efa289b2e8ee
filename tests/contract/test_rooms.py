# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies point one way, and every file keeps the rules of its room: docs/architecture.md."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "plugins"
UTILS = PLUGINS / "module_utils"
WRAPPER = ROOT / "src" / "oncall_incident"
TARGET_SIDE = sorted([*UTILS.rglob("*.py"), *(PLUGINS / "modules").glob("*.py")])
PYTHON_FILES = sorted(
    path for room in ("plugins", "src", "demo", "tools", "tests") for path in (ROOT / room).rglob("*.py") if "output" not in path.parts
)
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"

#: How a filter names the function that is imported when it is called.
DEFERRED = re.compile(r"[\w.]+:\w+")

#: What every subject may use: the contracts, and what the hands of all modules share.
SHARED = ("_core", "_module")
#: Which subject uses another. Both directions at once are a circle, and an arrow that nothing needs is an offender.
ARROWS = {
    "_bans": {"_firewall", "_host"},
    "_certificate": {"_probe"},
    "_firewall": {"_host"},
    "_maintenance": {"_probe"},
    "_postgresql": {"_host", "_service", "_snapshot"},
    "_redis": {"_host", "_service"},
    "_release": {"_service"},
    "_service": {"_probe", "_snapshot"},
}
#: Which subject's decisions use another's.
DECISIONS = {"_bans": {"_firewall"}, "_postgresql": {"_service"}, "_redis": {"_service"}, "_release": {"_service"}}
#: Files of `_core` that one subject alone uses, and why they are there all the same.
SINGLE: dict[str, str] = {}
#: Python's own ways out of the process: a decision takes none, nor does a contract.
OUTSIDE = (
    "asyncio", "ftplib", "http", "multiprocessing", "os.system", "pathlib", "select", "shutil", "smtplib", "socket", "ssl", "subprocess",
    "tempfile", "threading", "urllib",
)
#: The one contract that opens what a module names, bounded: the end of a log.
READING = {"excerpt"}
#: The wrapper's rooms, the highest first. Each may use those below it; what stands beside a room in its line may not use the other.
LADDER = ("__main__", "cli", "commands", "drill", "variables", "setup", "running", "reporting", "evidence", "record", "terminal")
#: What all rooms of the wrapper may use; these use none of them.
GROUND = {"errors", "exits", "private", "texts", "who"}


@cache
def imports(path: Path) -> tuple[str, ...]:
    """The absolute names that a file imports, down to the name itself, those of the collection from `plugins.` on.

    What a filter imports when it is called counts too.
    """
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += (node.module or "").removeprefix("ansible_collections.oncall.incident.").split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)
        elif isinstance(node, ast.Constant) and package == ("plugins", "filter") and DEFERRED.fullmatch(str(node.value)):
            yield f"plugins.{str(node.value).replace(':', '.')}"


def within(name: str, *rooms: str) -> bool:
    """Whether a dotted name is one of these rooms, or below one."""
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def standard(name: str) -> bool:
    """Whether a module belongs to Python itself."""
    return name.split(".", 1)[0] in sys.stdlib_module_names


def told(path: Path, name: str) -> str:
    """One offender, for the message."""
    return f"{path.relative_to(ROOT)} imports {name}"


def importing(paths: Iterable[Path], forbidden: Callable[[str], bool]) -> list[str]:
    """Which of these files import something forbidden."""
    return [told(path, name) for path in paths for name in imports(path) if forbidden(name)]


def subject(path: Path) -> str:
    """The room of a file of module_utils."""
    return path.relative_to(UTILS).parts[0]


def test_contracts_and_decisions_are_pure() -> None:
    """Without a server, a socket or Ansible they can be read, tested and trusted by themselves."""
    core = "plugins.module_utils._core"
    offenders = []
    for path in [*(UTILS / "_core").rglob("*.py"), *UTILS.glob("*/decisions/**/*.py")]:
        room = subject(path)
        offenders += importing([path], lambda name: within(name, *OUTSIDE))
        if path.stem not in READING and re.search(r"(?<![\w.])open\(|\bos\.(?:open|stat|listdir|unlink|environ)\b", path.read_text()):
            offenders.append(f"{path.relative_to(ROOT)} opens or changes files")
        allowed = [core] if room == "_core" else [
            core, *(f"plugins.module_utils.{one}.decisions" for one in (room, *sorted(DECISIONS.get(room, ())))),
        ]
        offenders += importing([path], lambda name, allowed=tuple(allowed): not standard(name) and not within(name, *allowed))
    assert not offenders, "\n".join(offenders)


def test_a_subject_uses_another_only_by_a_named_arrow() -> None:
    used: dict[str, set[str]] = defaultdict(set)
    decided: dict[str, set[str]] = defaultdict(set)
    offenders = []
    for path in UTILS.rglob("*.py"):
        room = subject(path)
        for name in imports(path):
            other = name.split(".")[2] if name.startswith("plugins.module_utils._") else room
            if other == room or other in SHARED:
                continue
            if room in SHARED or other not in ARROWS.get(room, ()):
                offenders.append(told(path, name))
            used[room].add(other)
            if "decisions" in path.parts:
                decided[room].add(other)
    assert not offenders, "\n".join(offenders)
    assert {room: others for room, others in used.items() if others} == ARROWS, "an arrow that nothing needs"
    assert decided == DECISIONS, "an arrow of decisions that nothing needs"
    assert not [(room, other) for room, others in ARROWS.items() for other in others if room in ARROWS.get(other, ())], "a circle"


def test_core_holds_nothing_of_one_subject() -> None:
    """A file of `_core` serves two subjects, or the frame that serves all. What another contract needs serves whom that one serves."""
    users: dict[str, set[str]] = defaultdict(set)
    inside: dict[str, set[str]] = defaultdict(set)
    for path in [*PLUGINS.rglob("*.py"), *WRAPPER.rglob("*.py")]:
        for name in imports(path):
            if within(name, "plugins.module_utils._core"):
                users[name.split(".")[3]] |= set(_serving(path))
                if path.parent == UTILS / "_core":
                    inside[path.stem].add(name.split(".")[3])
    files = {path.stem for path in (UTILS / "_core").glob("*.py")} - {"__init__"}
    for _step in files:
        for one, needed in inside.items():
            for other in needed:
                users[other] |= users[one]
    offenders = {name: sorted(users[name]) for name in files if len(users[name]) < 2}
    assert set(offenders) == set(SINGLE), offenders


def _serving(path: Path) -> Iterator[str]:
    """For whom a file works: its subject; of a module, the subjects that it calls; of all else, everybody."""
    if path.is_relative_to(PLUGINS / "modules"):
        found = {name.split(".")[2] for name in imports(path) if name.startswith("plugins.module_utils._")} - set(SHARED)
        yield from found or {path.stem}
    elif path.is_relative_to(UTILS / "_core"):
        return  # whom another contract serves is counted where it is used
    elif path.is_relative_to(UTILS):
        yield subject(path)
    elif path.is_relative_to(PLUGINS / "filter") and (UTILS / f"_{path.stem}").is_dir():
        yield f"_{path.stem}"
    else:
        yield from ("the frame", "every subject")


def test_filters_are_decisions() -> None:
    decisions = [f"plugins.module_utils.{path.parent.name}.decisions" for path in UTILS.glob("*/decisions")]
    frame = [f"plugins.plugin_utils.{room}" for room in ("_frame", "_drill")]
    allowed = ("typing", "__future__", "plugins.module_utils._core", *decisions, *frame)
    offenders = importing((PLUGINS / "filter").glob("*.py"), lambda name: not within(name, *allowed))
    assert not offenders, "\n".join(offenders)


def test_a_filter_imports_what_it_calls_when_it_is_called() -> None:
    """Ansible imports each of these files in each worker that needs one filter, and compiles anew whatever they import."""
    allowed = ("from __future__ import annotations", "import typing as t", "from ..plugin_utils._frame.deferred import deferred")
    offenders = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node)}"
        for path in (PLUGINS / "filter").glob("*.py") for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom)) and ast.unparse(node) not in allowed
    ]
    assert not offenders, "\n".join(offenders)


def test_the_recorder_is_standard_library() -> None:
    allowed = ("plugins.plugin_utils._record", "plugins.module_utils._core")
    room = PLUGINS / "plugin_utils" / "_record"
    offenders = importing(room.rglob("*.py"), lambda name: not standard(name) and not within(name, *allowed))
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize(("room", "others"), [("_files", ()), ("_drill", ("_files",))])
def test_what_drills_and_files_are_is_plain(room: str, others: tuple[str, ...]) -> None:
    allowed = ("plugins.module_utils._core", "yaml", *(f"plugins.plugin_utils.{one}" for one in (room, *others)))
    paths = (PLUGINS / "plugin_utils" / room).rglob("*.py")
    offenders = importing(paths, lambda name: not standard(name) and not within(name, *allowed))
    assert not offenders, "\n".join(offenders)


def test_what_runs_on_hosts_stays_there() -> None:
    """Neither the controller's helpers nor the wrapper are there on a managed host."""
    controller = ("plugin_utils", "action", "callback", "filter")
    forbidden = (*(f"plugins.{room}" for room in controller), "oncall_incident", "demo", "ansible.plugins")
    offenders = importing(TARGET_SIDE, lambda name: within(name, *forbidden))
    assert not offenders, "\n".join(offenders)


@pytest.mark.parametrize("version", [(3, 9)])
def test_what_runs_on_hosts_is_of_their_python(version: tuple[int, int]) -> None:
    offenders = []
    for path in TARGET_SIDE:
        try:
            ast.parse(path.read_text(), feature_version=version)
        except SyntaxError as exc:
            offenders.append(f"{path.relative_to(ROOT)}:{exc.lineno}: {exc.msg}")
    assert not offenders, "\n".join(offenders)


def test_plugins_know_no_wrapper() -> None:
    offenders = importing(PLUGINS.rglob("*.py"), lambda name: within(name, "oncall_incident", "demo", "tests"))
    assert not offenders, "\n".join(offenders)


def test_the_wrapper_is_a_ladder() -> None:
    """Screens above runs, runs above reports, reports above evidence, evidence above the record, and no arrow back up."""
    offenders = []
    for path in WRAPPER.rglob("*.py"):
        inside = path.relative_to(WRAPPER).with_suffix("").parts
        room = inside[0]
        for name in imports(path):
            parts = name.removeprefix("src.").split(".")
            other = parts[1] if parts[0] == "oncall_incident" and len(parts) > 1 else room
            if other == room or other in GROUND or other == "__version__":
                continue
            if room not in LADDER or other not in LADDER or LADDER.index(other) <= LADDER.index(room):
                offenders.append(told(path, name))
    assert not offenders, "\n".join(offenders)
    rooms = {path.stem for path in WRAPPER.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert rooms - {"__init__"} == {*LADDER, *GROUND}


def test_every_file_states_its_licence() -> None:
    silent = [path for path in PYTHON_FILES if path.stat().st_size and SPDX not in path.read_text()[:600]]
    rooms = ("roles", "playbooks", "incident", "inventories", "meta", "collections")
    silent += [path for room in rooms for path in (ROOT / room).rglob("*.yml") if SPDX not in path.read_text()[:200]]
    assert not silent


def test_house_packages_are_empty() -> None:
    assert not [path for path in PLUGINS.rglob("__init__.py") if path.stat().st_size]
