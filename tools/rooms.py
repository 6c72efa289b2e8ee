# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print how large each room of plugins/module_utils is, and how many imports cross from one into another.

The figures of docs/architecture.md come from here: python -m tools.rooms [DIRECTORY]
"""

from __future__ import annotations

import ast
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What every room may import.
FOUNDATION = ("_core", "_module")


def imported(node: ast.ImportFrom, *, file: Path, top: Path) -> str:
    """The room that a relative import goes to; empty where it goes elsewhere."""
    if not node.level:
        return ""
    start = file.parents[node.level - 1]
    target = start.joinpath(*(node.module or "").split(".")) if node.module else start
    if not target.is_relative_to(top):
        return ""
    parts = target.relative_to(top).parts
    return parts[0] if parts else node.names[0].name


def measure(top: Path) -> tuple[Counter[str], Counter[str], Counter[tuple[str, str]]]:
    """Files, lines and crossing imports, by room.

    Args:
        top: plugins/module_utils of some tree.
    """
    files: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    crossing: Counter[tuple[str, str]] = Counter()
    for file in sorted(top.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        if not text.strip():
            continue
        room = file.relative_to(top).parts[0]
        files[room] += 1
        lines[room] += len(text.splitlines())
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (other := imported(node, file=file, top=top)) not in ("", room):
                crossing[room, other] += 1
    return files, lines, crossing


def main() -> int:
    """Command line."""
    top = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "plugins" / "module_utils").resolve()
    files, lines, crossing = measure(top)
    print("room           files   lines  share  imports from other rooms")
    for room in sorted(files, key=lambda one: -lines[one]):
        out = sum(count for (start, _end), count in crossing.items() if start == room)
        print(f"{room:14} {files[room]:5} {lines[room]:7} {lines[room] / lines.total():5.0%} {out:6}")
    base = sum(count for (_start, end), count in crossing.items() if end in FOUNDATION)
    print(f"{'all':14} {files.total():5} {lines.total():7}        {crossing.total():6}, {base} of them from {' and '.join(FOUNDATION)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
