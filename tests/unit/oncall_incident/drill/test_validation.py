# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident drill --validate`: what is wrong with a drill, named by file and key, before anything is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from oncall_incident import cli
from oncall_incident.commands import drill as command
from oncall_incident.drill import definition, validation
from oncall_incident.errors import Stop
from oncall_incident.evidence import policy
from oncall_incident.exits import Exit
from oncall_incident.running.collection import Collection
from oncall_incident.running.request import Request
from tests.support import own_faults

ROOT = Path(__file__).resolve().parents[4]
FOUND = Collection(ROOT, None, "checkout")


def written(place: Path, *faults: dict[str, Any], **changes: Any) -> Path:
    part = {"name": "r", "faults": [{"hosts": "app", **fault} for fault in faults], "findings": ["blocking"], "actions": []}
    data = {"description": "d", "scenario": "db-recovery", "rounds": [part], **changes}
    path = place / "mine.yml"
    path.write_text(yaml.safe_dump(data))
    return path


def wrong(path: Path, *roots: Path) -> list[str]:
    found = validation.problems(
        definition.load(path), collection=ROOT, roots=roots, cwd=path.parent, policy=policy.load("default"),
    )
    return [str(problem) for problem in found]


GOOD = {"fault": "fill_disk", "params": {"path": "/srv/x"}}


@pytest.mark.parametrize("path", sorted(definition.directory(ROOT).glob("*.yml")), ids=lambda path: path.stem)
def test_the_drills_that_are_shipped_are_valid(path: Path) -> None:
    assert wrong(path) == []


@pytest.mark.parametrize(("faults", "changes", "said"), [
    ([GOOD], {}, []),
    ([{"fault": "fill_dsk"}], {}, ["rounds[0].faults[0].fault: fill_dsk: there is no such fault. Did you mean fill_disk?"]),
    ([GOOD, {"fault": "fill_disk"}], {}, ["rounds[0].faults[1].params.path: fault fill_disk: is required: The file."]),
    ([{"fault": "fill_disk", "params": {"path": "{{ x }}", "age": "old", "agee": 1}}], {}, [
        "rounds[0].faults[0].params.age: fault fill_disk: has to be of type int, and is 'old'",
        "rounds[0].faults[0].params.agee: fault fill_disk: the fault has no such parameter. Did you mean age?",
    ]),
    ([{"fault": "redis_frozen", "user": "shop"}], {}, ["rounds[0].faults[0].user: fault redis_frozen cannot run as shop: it needs root."]),
    ([{**GOOD, "user": "shop"}], {}, []),
    ([], {}, ["rounds[0].faults: round r has no fault"]),
    ([GOOD], {"scenario": "db-recovry"}, ["scenario: db-recovry: there is no such scenario. Did you mean db-recovery?"]),
    ([GOOD], {"scenario": "mine/recover.yml"}, ["scenario: mine/recover.yml: there is no such playbook file"]),
    ([GOOD], {"severity": "SEV9"}, ["severity: SEV9: policy default has no such level. It has SEV1"]),
    ([GOOD], {"severity": "critical"}, []),
])
def test_everything_that_is_wrong_is_named_with_its_key(
    tmp_path: Path, faults: list[dict[str, Any]], changes: dict[str, Any], said: list[str],
) -> None:
    found = wrong(written(tmp_path, *faults, **changes))
    assert len(found) == len(said) and all(one.startswith(what) for one, what in zip(found, said, strict=True)), found


def test_rounds_have_names_of_their_own_and_see_something(tmp_path: Path) -> None:
    part = {"name": "r", "faults": [{**GOOD, "hosts": "a"}], "findings": [], "actions": []}
    assert [one.split(":")[0] for one in wrong(written(tmp_path, rounds=[part, part]))] == [
        "rounds", "rounds[0].findings", "rounds[1].findings",
    ]


def test_the_example_of_a_fault_of_one_s_own_is_valid(tmp_path: Path) -> None:
    path = own_faults.written(tmp_path)
    assert wrong(path, tmp_path) == []
    assert wrong(path, tmp_path / "elsewhere")[0].startswith(
        "rounds[0].faults[0].fault: acme.shop.full_spool: the collection acme.shop is not installed.",
    )


def validate(path: Path, capsys: pytest.CaptureFixture[str], *, as_json: bool = False) -> tuple[Exit, str]:
    ended = command.validate_and_show(str(path), found=FOUND, policy="", as_json=as_json)
    return ended, capsys.readouterr().out


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nobody's settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("INCIDENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ANSIBLE_COLLECTIONS_PATH", str(tmp_path))


def test_what_the_command_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own_faults.written(tmp_path)
    assert validate(tmp_path / "my-drill.yml", capsys) == (
        Exit.RECOVERED, f"{tmp_path}/my-drill.yml: valid. Rounds: spool; recovered by disk-full. Nothing was touched.\n",
    )
    path = written(tmp_path, {"fault": "fill_disk"}, severity="SEV9")
    ended, said = validate(path, capsys)
    assert ended == 2 and [line.split(": ")[1] for line in said.splitlines()] == ["severity", "rounds[0].faults[0].params.path"]
    ended, said = validate(path, capsys, as_json=True)
    told = json.loads(said)
    assert ended == 2 and (told["drill"], told["file"], told["valid"]) == ("mine", str(path), False)
    assert [problem["key"] for problem in told["problems"]] == ["severity", "rounds[0].faults[0].params.path"]


@pytest.mark.parametrize(("text", "said"), [
    ("rounds: [", "cannot be read"), ("", "the drill is not a mapping"), ("- x", "the drill is not a mapping"),
    ("description: d\nscenario: db-recovery", "rounds is missing"),
])
def test_a_file_that_cannot_be_read_as_a_drill(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    (tmp_path / "mine.yml").write_text(text)
    ended, told = validate(tmp_path / "mine.yml", capsys)
    assert ended == 2 and told.startswith(f"{tmp_path}/mine.yml: ") and said in told


def test_a_drill_that_is_not_valid_touches_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, {"fault": "fill_disk"}, {"fault": "fill_dsk"})
    asked = Request(scenario=str(path), inventories=["nowhere"])
    with pytest.raises(Stop) as raised:
        command.drill_and_show(asked, found=FOUND, lifetime="30m", rounds=[], severity="", policy="", as_json=False)
    assert raised.value.message.startswith(f"{path}: rounds[0].faults[0].params.path: ") and raised.value.status == 2
    assert raised.value.hint == f"Nothing was touched. 2 things are wrong; incident drill --validate {path} lists them."


def test_something_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_bind", lambda: FOUND)
    with pytest.raises(Stop, match="--validate: no drill is named"):
        cli.drill(validate=True)
