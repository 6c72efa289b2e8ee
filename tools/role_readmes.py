# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write the tables of variables in the roles' READMEs from their argument specs; `--check` only says which are out of date.

The basic variables come first, as each entry point's description names them; all others are advanced. What stands outside the two
marks of a README is written by hand.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / ".collections")]

from ansible_collections.oncall.incident.plugins.plugin_utils._frame import specs  # noqa: E402

BEGIN = "<!-- The variables: python -m tools.role_readmes writes them from meta/argument_specs.yml. -->"
END = "<!-- End of the variables. -->"
_MARKUP = re.compile(r"[OCVEMP]\(((?:[^()]|\([^()]*\))*)\)")
_SENTENCE = re.compile(r"(?<=[.])\s+(?=[A-Z`])")


def main(argv: Sequence[str] | None = None) -> int:
    """Write, or with --check compare; 1 when something is out of date."""
    parser = argparse.ArgumentParser(prog="python -m tools.role_readmes", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; end with 1 when a README is out of date")
    check = parser.parse_args(argv).check
    stale = []
    for role in roles(ROOT / "roles"):
        path = ROOT / "roles" / role / "README.md"
        made = page(path.read_text(encoding="utf-8"), ROOT / "roles", role)
        if made != path.read_text(encoding="utf-8"):
            stale.append(str(path.relative_to(ROOT)))
            if not check:
                path.write_text(made, encoding="utf-8")
    if stale:
        print(f"{'out of date' if check else 'written'}: {', '.join(stale)}")
    return 1 if stale and check else 0


def roles(directory: Path) -> list[str]:
    """The roles that document variables."""
    return sorted(path.parents[1].name for path in directory.glob("*/meta/argument_specs.yml"))


def page(text: str, directory: Path, role: str) -> str:
    """A README with the part between the marks as the argument specs have it; it is added at the end where the marks are missing."""
    made = f"{BEGIN}\n\n{_tables(directory, role)}\n{END}\n"
    if BEGIN not in text:
        return f"{text.rstrip()}\n\n{made}"
    before, rest = text.split(BEGIN, 1)
    return before + made + rest.split(f"{END}\n", 1)[1]


def _tables(directory: Path, role: str) -> str:
    entry_points = yaml.safe_load((directory / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    options = specs.load_options(directory, role)
    basic = list(dict.fromkeys(name for names in specs.load_basic(directory, role).values() for name in names))
    taken = {point: spec["options"] for point, spec in entry_points.items() if point != "main" and spec.get("options")}
    where = {name: [point for point, its in taken.items() if name in its] for name in options}
    every = list(taken)
    rest = [name for name in options if name not in basic]
    found = ["## Variables", "", "The basic ones are what most systems set.", "", *_table(basic, options, where, every)]
    if rest:
        found += ["", "### Advanced", "", *_table(rest, options, where, every)]
    found += ["", f"In full: `ansible-doc -t role oncall.incident.{role}`."]
    return "\n".join(found) + "\n"


def _table(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]], where: Mapping[str, Sequence[str]], every: Sequence[str],
) -> list[str]:
    rows = ["| variable | default | entry points | meaning |", "|---|---|---|---|"]
    for name in names:
        points = "all" if list(where[name]) == list(every) else ", ".join(where[name])
        rows.append(f"| `{name}` | {_default(options[name])} | {points} | {_meaning(options[name])} |")
    return rows


def _default(option: Mapping[str, Any]) -> str:
    if "default" not in option:
        return "required" if option.get("required") else "not set"
    value = option["default"]
    if value == "":
        return "empty"
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _meaning(option: Mapping[str, Any]) -> str:
    """The first sentence of the description, and the choices."""
    said = option["description"]
    text = " ".join(str(said if isinstance(said, str) else said[0]).split())
    first = _SENTENCE.split(_MARKUP.sub(r"`\1`", text))[0]
    choices = f" One of {', '.join(f'`{choice}`' for choice in option['choices'])}." if option.get("choices") else ""
    return (first + choices).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
