# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables without their values on any command line: each `-e` becomes a private file and `-e @file`."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import clean, cleaned

from ..errors import Stop
from ..private import write_private

#: The wrapper sets these; from outside they would detach the approval from the plan.
RESERVED = frozenset({"incident_run_id", "incident_approved_plan", "incident_record", "incident_changes"})
_MOST_READ = 1 << 20
#: The escape of half of a surrogate pair, in JSON, YAML and key=value.
_HALF = re.compile(r"\\(?:u|U0000)[dD][89a-fA-F]")


def as_files(values: Sequence[str], *, directory: Path, cwd: Path) -> list[str]:
    """Ansible's arguments for the `-e` values, in their order, since a later one wins.

    Args:
        values: as typed: key=value pairs, inline YAML or JSON, or @file.
        directory: the run's private directory.
        cwd: what a relative @file is relative to.

    Raises:
        Stop: not readable, not variables, or a variable that is the wrapper's own.
    """
    arguments: list[str] = []
    for number, value in enumerate(values, start=1):
        if value.startswith("@"):
            path = (cwd / Path(value[1:]).expanduser()).resolve()
            if not path.is_file():
                raise Stop(f"-e {value}: there is no file {path}.", hint="Check the path; it is relative to the current directory.")
        elif value.lstrip()[:1] in ("{", "["):
            path = write_private(directory / f"extra-{number}.yml", value)
        else:
            path = write_private(directory / f"extra-{number}.json", json.dumps(_pairs(value)))
        arguments += ["-e", f"@{path}"]
    return arguments


def values(value: str, *, cwd: Path) -> dict[str, Any]:
    """The variables of one `-e`, for the redactor; none where only Ansible can read them, such as vaulted ones."""
    try:
        if value.startswith("@"):
            with (cwd / Path(value[1:]).expanduser()).open(encoding="utf-8") as stream:
                found = yaml.safe_load(stream.read(_MOST_READ))
        elif value.lstrip()[:1] in ("{", "["):
            found = yaml.safe_load(value)
        else:
            found = _pairs(value)
    except (OSError, UnicodeError, yaml.YAMLError, Stop):
        return {}
    return found if isinstance(found, dict) else {}


def not_utf8(value: str, *, cwd: Path) -> str | None:
    """What of one `-e` Ansible could only get changed, or not at all: a file, or a variable without its value; None when all is UTF-8.

    "" stands for an inline value that is more than its variables. Half of a surrogate pair may be written as an escape.
    """
    named = clean(value) if value.startswith("@") else ""
    if clean(value) != value:
        return named or ("" if value.lstrip()[:1] in ("{", "[") else clean(value).partition("=")[0])
    try:
        text = (cwd / Path(value[1:]).expanduser()).read_bytes().decode("utf-8") if named else value
    except UnicodeDecodeError:
        return named
    except OSError:  # as_files() says so
        return None
    found = _escaped(text, pairs=not named and value.lstrip()[:1] not in ("{", "[")) if _HALF.search(text) else None
    if cleaned(found) == found:
        return None
    wrong = [str(key) for key, member in found.items() if cleaned({key: member}) != {key: member}] if isinstance(found, dict) else []
    return named or clean("".join(wrong[:1]))


def _escaped(text: str, *, pairs: bool) -> Any:
    """The variables of a text with escapes, as Ansible reads it: JSON, else YAML; tags of Ansible's stand for their text."""
    try:
        if pairs:
            return _pairs(text)
        with contextlib.suppress(ValueError):
            return json.loads(text)
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, Stop, RecursionError):  # as_files() or Ansible says so
        return None


class _Loader(yaml.SafeLoader):
    """Reads what Ansible's own tags (!vault, !unsafe) are on."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, node: node.value if isinstance(node, yaml.ScalarNode) else None)


def own_file(name: str, variables: dict[str, Any], *, directory: Path) -> list[str]:
    """Ansible's arguments for the wrapper's own variables; last on the command line, so nothing overrides them."""
    return ["-e", f"@{write_private(directory / name, json.dumps(variables))}"]


def _pairs(value: str) -> dict[str, str]:
    from ansible.parsing.splitter import parse_kv  # what people type must mean here what it means to Ansible

    try:
        pairs = {str(key): str(item) for key, item in parse_kv(value).items()}
    except Exception:
        # Ansible's message repeats the value.
        raise Stop(
            f"-e {value.partition('=')[0]}=...: this cannot be taken apart; are the quotes balanced?",
            hint="Write key=value, inline YAML, or @file.",
        ) from None
    if not pairs or "_raw_params" in pairs:
        raise Stop(f"-e {value.partition('=')[0]}: that is not a variable.", hint="Write key=value, inline YAML, or @file.")
    _refuse_reserved(pairs)
    return pairs


def _refuse_reserved(names: Iterable[str]) -> None:
    for name in sorted(RESERVED.intersection(names)):
        raise Stop(f"-e {name}: this variable is set by incident run itself.", hint="Leave it out.")
