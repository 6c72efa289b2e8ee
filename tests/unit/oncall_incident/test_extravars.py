# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Extra variables never reach a command line."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from oncall_incident.errors import Stop
from oncall_incident.extravars import as_files, own_file


def test_every_form_becomes_a_private_file_in_order(tmp_path: Path) -> None:
    user_file = tmp_path / "limits.yml"
    user_file.write_text("a: 1\n")
    values = ["password=s3cret name='two words'", "@limits.yml", '{"deep": {"password": "s3cret"}}', "later={{ name }}"]
    arguments = as_files(values, directory=tmp_path, cwd=tmp_path)
    assert arguments[::2] == ["-e"] * 4
    assert "s3cret" not in " ".join(arguments)
    paths = [Path(argument.removeprefix("@")) for argument in arguments[1::2]]
    assert json.loads(paths[0].read_text()) == {"password": "s3cret", "name": "two words"}
    assert paths[1] == user_file
    assert json.loads(paths[2].read_text()) == {"deep": {"password": "s3cret"}}
    assert json.loads(paths[3].read_text()) == {"later": "{{ name }}"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in paths if path != user_file)


@pytest.mark.parametrize(("value", "said"), [
    ("@missing.yml", "there is no file"), ("word", "no variable"), ("incident_approved_plan=x", "set by incident run itself"),
    ("a=1 incident_record=off", "set by incident run itself"),
])
def test_bad_values_are_named(value: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Stop, match=said):
        as_files([value], directory=tmp_path, cwd=tmp_path)


def test_a_bad_value_is_not_repeated_in_the_message(tmp_path: Path) -> None:
    with pytest.raises(Stop) as stopped:
        as_files(["password='s3cret"], directory=tmp_path, cwd=tmp_path)
    assert "s3cret" not in stopped.value.message + stopped.value.hint


def test_own_variables(tmp_path: Path) -> None:
    option, name = own_file("own.json", {"incident_run_id": "r"}, directory=tmp_path)
    assert option == "-e"
    assert json.loads(Path(name[1:]).read_text()) == {"incident_run_id": "r"}
