# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dependencies point one way, and every file keeps the rules of its room."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UTILS = ROOT / "plugins" / "module_utils"
TARGET_SIDE = sorted([*UTILS.rglob("*.py"), *(ROOT / "plugins" / "modules").glob("*.py")])
PYTHON_FILES = sorted(
    path for room in ("plugins", "src", "demo", "tools", "tests") for path in (ROOT / room).rglob("*.py") if "output" not in path.parts
)
SPDX = "SPDX-License-Identifier: GPL-3.0-or-later"


def imports(path: Path) -> Iterator[str]:
    """The absolute names of the modules that a file imports, relative ones made absolute from plugins/ on."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").removeprefix("ansible_collections.oncall.incident.")
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1])
            yield f"{base}.{node.module}" if node.module else base


def ours_or_standard(name: str, *, allowed: tuple[str, ...]) -> bool:
    """Whether an import is of the standard library or of one of the allowed rooms."""
    return name.split(".", 1)[0] in sys.stdlib_module_names or name.startswith(allowed)


@pytest.mark.parametrize("path", sorted((UTILS / "_core").glob("*.py")), ids=lambda path: path.stem)
def test_core_is_pure(path: Path) -> None:
    assert not [name for name in imports(path) if not ours_or_standard(name, allowed=("plugins.module_utils._core",))]


@pytest.mark.parametrize("path", sorted((ROOT / "plugins" / "plugin_utils" / "_record").rglob("*.py")), ids=lambda path: path.stem)
def test_the_recorder_is_standard_library(path: Path) -> None:
    allowed = ("plugins.plugin_utils._record", "plugins.module_utils._core")
    assert not [name for name in imports(path) if not ours_or_standard(name, allowed=allowed)]


@pytest.mark.parametrize("path", TARGET_SIDE, ids=lambda path: path.stem)
def test_what_runs_on_hosts_stays_there(path: Path) -> None:
    """Neither the controller's helpers nor the wrapper are there on a managed host."""
    forbidden = ("plugins.plugin_utils", "plugins.action", "plugins.callback", "oncall_incident", "demo", "ansible.plugins")
    assert not [name for name in imports(path) if name.startswith(forbidden)]


@pytest.mark.parametrize("path", TARGET_SIDE, ids=lambda path: path.stem)
def test_what_runs_on_hosts_is_python_3_9(path: Path) -> None:
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", sorted((ROOT / "plugins").rglob("*.py")), ids=str)
def test_plugins_know_no_wrapper(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] in {"oncall_incident", "demo", "tests"}]


def test_every_file_states_its_licence() -> None:
    silent = [path for path in PYTHON_FILES if path.stat().st_size and SPDX not in path.read_text()[:600]]
    rooms = ("roles", "playbooks", "incident", "inventories", "meta", "collections")
    silent += [path for room in rooms for path in (ROOT / room).rglob("*.yml") if SPDX not in path.read_text()[:200]]
    assert not silent


def test_house_packages_are_empty() -> None:
    assert not [path for path in (ROOT / "plugins").rglob("__init__.py") if path.stat().st_size]
