# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a fault is, what its description says, and which parameters fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.plugin_utils._drill import faults

from tests.support import own_faults

ROOT = Path(__file__).resolve().parents[5]
OURS = faults.own_directory(ROOT)


def test_every_fault_has_a_description_in_words() -> None:
    names = faults.named(OURS)
    assert "pg_sessions" in names and len(names) == 15
    assert sorted(path.stem for path in OURS.glob("*.yml")) == names
    for name in names:
        fault = faults.find(name, roots=[])
        assert fault.description and all(parameter.description for parameter in fault.parameters.values()), name
        assert {"_common.py", f"{name}.py"} <= set(fault.files())
        assert faults.find(f"oncall.incident.{name}", roots=[]) == fault
        # The role's README has a row for it, with all parameters.
        (row,) = [line for line in (ROOT / "roles/drill/README.md").read_text().splitlines() if line.startswith(f"| `{name}` ")]
        assert all(f"`{parameter}`" in row for parameter in fault.parameters), row


def test_those_that_can_do_without_root() -> None:
    assert [name for name in faults.named(OURS) if not faults.find(name, roots=[]).root] == [
        "failed_logins", "fill_disk", "pg_sessions", "redis_poison", "touch_file",
    ]


@pytest.mark.parametrize(("name", "message", "hint"), [
    ("fill_dsk", "fill_dsk: there is no such fault", "Did you mean fill_disk?"),
    ("../fill_disk", "this is not a fault's name", "namespace.collection.fault_name"),
    ("shop.full_spool", "this is not a fault's name", "namespace.collection.fault_name"),
    ("_common", "this is not a fault's name", ""),
    ("acme.shop.full_spol", "acme.shop.full_spol: there is no such fault", "Did you mean full_spool?"),
    ("acme.other.full_spool", "the collection acme.other is not installed", "ANSIBLE_COLLECTIONS_PATH"),
])
def test_a_fault_that_is_not_there(tmp_path: Path, name: str, message: str, hint: str) -> None:
    own_faults.written(tmp_path)
    with pytest.raises(BadInput) as raised:
        faults.find(name, roots=[tmp_path])
    assert message in raised.value.message and hint in (raised.value.hint or "")


def test_a_fault_of_another_collection(tmp_path: Path) -> None:
    own_faults.written(tmp_path)
    (tmp_path / own_faults.COLLECTION / "faults" / "_shared.py").write_text("SHARED = 1\n")
    fault = faults.find("acme.shop.full_spool", roots=[tmp_path / "elsewhere", tmp_path])
    assert (fault.root, fault.programs) == (False, ("sh",))
    assert sorted(fault.files()) == ["_common.py", "_shared.py", "full_spool.py"]
    assert fault.files()["_common.py"] == (OURS / "_common.py").read_text()
    assert faults.filled(fault, {"path": "/srv/x"}) == {"path": "/srv/x", "mebibytes": 64}


@pytest.mark.parametrize(("changes", "said", "hint"), [
    ({"description": None}, "the description: description is missing.", "See docs/drills.md"),
    ({"description": ["d"]}, "description: a list is not of type str.", "See docs/drills.md"),
    ({"parmeters": {}}, "the description: 'parmeters' is not known.", "Did you mean parameters? Known are description, needs, par"),
    ({"needs": {"python": []}}, "needs: 'python' is not known.", "Known are modules, programs."),
    ({"needs": {"modules": "psycopg"}}, "needs.modules is not a list.", "See docs/drills.md"),
    ({"root": "no"}, "root: 'no' is not of type bool.", "See docs/drills.md"),
    (
        {"parameters": {"p": {"type": "text"}}}, "parameters.p.type: 'text' is not a valid value.",
        "It is str, path, int, bool, list or dict.",
    ),
    ({"parameters": {"p": "x"}}, "parameters.p is not a mapping.", "See docs/drills.md"),
    ({"parameters": {"p": {"defalt": 1}}}, "parameters.p: 'defalt' is not known.", "Did you mean default?"),
    ({"parameters": {"p": {"required": "yes"}}}, "parameters.p.required: 'yes' is not of type bool.", "See docs/drills.md"),
    ({"parameters": {"p": {"type": "int", "default": "x"}}}, "parameters.p.default: has to be of type int, and is 'x'.", "See docs"),
    ({"parameters": {"p": {"required": True, "default": "x"}}}, "parameters.p: a parameter that is required has no default.", "Leave"),
])
def test_a_file_that_describes_no_fault(tmp_path: Path, changes: dict[str, Any], said: str, hint: str) -> None:
    data = {key: value for key, value in {"description": "d", **changes}.items() if value is not None}
    (tmp_path / "mine.yml").write_text(yaml.safe_dump(data))
    with pytest.raises(BadInput) as raised:
        faults.read(tmp_path / "mine.py")
    assert raised.value.message == f"{tmp_path / 'mine.yml'}: this does not describe a fault: {said}"
    assert (raised.value.hint or "").startswith(hint)


def test_an_empty_default_is_one(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("description: d\nparameters: {p: {default: ''}, q: {default: null}, r: {}}\n")
    found = faults.read(tmp_path / "mine.py").parameters
    assert {name: one.default for name, one in found.items()} == {"p": "", "q": None, "r": None}


def test_a_description_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"mine\.yml: the fault's description cannot be read"):
        faults.read(tmp_path / "mine.py")


@pytest.mark.parametrize(("name", "params", "wrong"), [
    ("fill_disk", {"path": "/x"}, {}), ("fill_disk", {"path": "/x", "age": None}, {}),
    ("fill_disk", {}, {"path": "is required: The file."}), ("fill_disk", {"path": None}, {"path": "is required"}),
    ("fill_disk", {"path": "/x", "agee": 1}, {"agee": "Did you mean age? It takes path, age."}),
    ("fill_disk", {"path": "/x", "age": "soon"}, {"age": "has to be of type int, and is 'soon'"}),
    ("fill_disk", {"path": "/x", "age": True}, {"age": "has to be of type int"}),
    ("fill_disk", {"path": "/x", "age": "{{ age }}"}, {}),
    ("fill_disk", {"path": ["/x"]}, {"path": "has to be of type path, and is a list"}),
    ("fill_disk", ["/x"], {"": "has to be a mapping"}), ("fail2ban_daemon", {"addresses": "192.0.2.1"}, {"addresses": "type list"}),
    ("failed_logins", {"go_on": "perhaps"}, {"go_on": "has to be of type bool"}),
])
def test_parameters_that_fit_and_that_do_not(name: str, params: Any, wrong: dict[str, str]) -> None:
    found = faults.problems(faults.find(name, roots=[]), params)
    assert found.keys() == wrong.keys() and all(what in found[key] for key, what in wrong.items()), found


def test_a_fault_gets_all_its_parameters() -> None:
    fault = faults.find("cut_off", roots=[])
    assert faults.filled(fault, {"file": "/x/*"}) == {"file": "/x/*", "seconds": 15, "litter": False}
    # What a template came to may be text.
    assert faults.filled(fault, {"file": "/x/*", "seconds": "5", "litter": "yes"}) == {"file": "/x/*", "seconds": 5, "litter": True}
    touch = faults.find("touch_file", roots=[])
    assert faults.filled(touch, {"path": "/x", "undo": "true"}) == {"path": "/x", "seen": None, "undo": "true"}
    with pytest.raises(BadInput, match="Fault cut_off: file: is required"):
        faults.filled(fault, {})
