# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The faults of drills: where they are, what each says about itself, and whether parameters fit.

A fault is two files: a program `<name>.py`, and its description `<name>.yml`. Ours are in the role drill, those of another collection in
its directory `faults`.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._core.suggest import suggest
from ansible_collections.oncall.incident.plugins.plugin_utils._files.schema import TYPES, Options, Unfit, convert, fit

_OURS = ("oncall", "incident")
_NAME = re.compile(r"(?:[a-z_][a-z0-9_]*\.){0,2}[a-z][a-z0-9_]*")
_SEE = "docs/drills.md"
_NAMES: Mapping[str, Any] = {"type": "list", "elements": "str"}
_PARAMETER: Options = {"type": {"choices": tuple(TYPES)}, "required": {"type": "bool"}, "default": {"type": "raw"}, "description": {}}
_FAULT: Options = {
    "description": {"required": True}, "root": {"type": "bool"},
    "needs": {"type": "dict", "options": {"modules": _NAMES, "programs": _NAMES}},
    "parameters": {"type": "dict", "elements": "dict", "options": _PARAMETER},
}


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One parameter of a fault, as its description has it."""

    type: str
    description: str
    required: bool = False
    default: Any = None

    def convert(self, value: Any) -> Any:
        """The value as the fault gets it. A template that is given alone makes a number of a text.

        Raises:
            Unfit: it is of another type.
        """
        return convert(value, self.type, templated=True)


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault.

    Attributes:
        program: the file that is copied to the host.
        root: whether only root can run it.
        modules: Python modules that the host's Python has to have.
        programs: programs that the host has to have.
    """

    program: Path
    description: str
    parameters: Mapping[str, Parameter]
    root: bool = True
    modules: Sequence[str] = ()
    programs: Sequence[str] = ()

    def files(self) -> dict[str, str]:
        """The text of each file that is copied to the host, by name: the program, and what it shares with others.

        A file whose name begins with an underscore is shared: those beside the program, and our `_common.py` with each fault.
        """
        paths = [self.program, *sorted(self.program.parent.glob("_*.py"))]
        found = {"_common.py": (own_directory(_collection()) / "_common.py").read_text(encoding="utf-8")}
        return {**found, **{path.name: path.read_text(encoding="utf-8") for path in paths}}


def _collection() -> Path:
    return Path(__file__).resolve().parents[3]


def own_directory(collection: Path) -> Path:
    """Where this collection has its faults."""
    return collection / "roles" / "drill" / "files" / "faults"


def named(directory: Path) -> list[str]:
    """The names of a directory's faults."""
    return sorted(path.stem for path in directory.glob("*.py") if not path.name.startswith("_"))


def find(name: str, *, roots: Iterable[Path], collection: Path | None = None) -> Fault:
    """The fault of that name.

    Args:
        name: one of ours, or `namespace.collection.fault`.
        roots: directories in which ansible_collections/ is looked for.
        collection: this collection; where this file is by default.

    Raises:
        BadInput: there is none, or its description is not one.
    """
    words = name.split(".")
    if not _NAME.fullmatch(name) or len(words) == 2:
        raise BadInput(f"{name}: this is not a fault's name.", hint="Write fault_name, or namespace.collection.fault_name.")
    own = own_directory(collection or _collection())
    if len(words) == 1 or tuple(words[:2]) == _OURS:
        return _in(own, words[-1], name)
    tried = [root / "ansible_collections" / words[0] / words[1] for root in dict.fromkeys(roots)]
    installed = [path for path in tried if path.is_dir()]
    if not installed:
        raise BadInput(
            f"{name}: the collection {'.'.join(words[:2])} is not installed.",
            hint=f"Install it, or set ANSIBLE_COLLECTIONS_PATH. Looked for {', '.join(map(str, tried))}.",
        )
    return _in(installed[0] / "faults", words[2], name)


def _in(directory: Path, stem: str, name: str) -> Fault:
    program = directory / f"{stem}.py"
    if not program.is_file():
        known = named(directory)
        raise BadInput(f"{name}: there is no such fault.", hint=f"{_meant(stem, known)}{directory} has {', '.join(known) or 'none'}.")
    return read(program)


def read(program: Path) -> Fault:
    """A fault with what its description says.

    Raises:
        BadInput: there is no description beside the program, or it is not one; the message names the key.
    """
    path = program.with_suffix(".yml")
    try:
        return _described(program, yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeError, yaml.YAMLError) as exc:
        raise BadInput(f"{path}: the fault's description cannot be read: {exc}", hint=f"See {_SEE} for what it says.") from exc
    except BadInput as exc:
        raise BadInput(f"{path}: this does not describe a fault: {exc.message}", hint=exc.hint) from exc


def _described(program: Path, given: Any) -> Fault:
    data = fit(given, _FAULT, where="the description", see=_SEE)
    needs = data.get("needs", {})
    return Fault(
        program=program, description=" ".join(data["description"].split()), root=data.get("root", True),
        modules=tuple(needs.get("modules", ())), programs=tuple(needs.get("programs", ())),
        parameters={name: _parameter(entry, f"parameters.{name}") for name, entry in data.get("parameters", {}).items()},
    )


def _parameter(data: Mapping[str, Any], where: str) -> Parameter:
    required = data.get("required", False)
    if required and "default" in data:
        raise BadInput(f"{where}: a parameter that is required has no default.", hint="Leave one of the two out.")
    found = Parameter(type=data.get("type", "str"), description=data.get("description", ""), required=required)
    if "default" not in data:
        return found
    try:
        return dataclasses.replace(found, default=found.convert(data["default"]))
    except Unfit as exc:
        raise BadInput(f"{where}.default: {exc}.", hint=f"See {_SEE} for its form.") from exc


def problems(fault: Fault, params: Any) -> dict[str, str]:
    """What is wrong with parameters, by name. A value with a template in it is looked at when the drill knows it."""
    if not isinstance(params, Mapping):
        return {"": "has to be a mapping of parameters"}
    found = {}
    takes = f"It takes {', '.join(fault.parameters) or 'none'}."
    for name, value in params.items():
        parameter = fault.parameters.get(name)
        if parameter is None:
            found[str(name)] = f"the fault has no such parameter. {_meant(str(name), fault.parameters)}{takes}"
        elif value is not None and not _is_template(value):
            try:
                parameter.convert(value)
            except Unfit as exc:
                found[name] = str(exc)
    for name, parameter in fault.parameters.items():
        if parameter.required and params.get(name) is None:
            found[name] = f"is required: {parameter.description}"
    return found


def filled(fault: Fault, params: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of the fault, as it gets them; None for one that was not given and has no default.

    Raises:
        BadInput: they do not fit.
    """
    wrong = problems(fault, params)
    if wrong:
        said = "; ".join(f"{name or 'params'}: {what}" for name, what in wrong.items())
        raise BadInput(f"Fault {fault.program.stem}: {said}")
    given = {name: value for name, value in params.items() if value is not None}
    return {
        name: parameter.convert(given[name]) if name in given else parameter.default for name, parameter in fault.parameters.items()
    }


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _meant(word: str, known: Iterable[str]) -> str:
    return suggest(word, known, likeness=0.5)
