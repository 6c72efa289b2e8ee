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
from oncall_incident.running.extravars import as_files, not_utf8, own_file


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
    ("@missing.yml", "there is no file"), ("word", "not a variable"), ("incident_approved_plan=x", "set by incident run itself"),
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


@pytest.mark.parametrize(("value", "wrong"), [
    ("note=caf\udce9", "note"), ("{note: caf\udce9}", ""), ("@caf\udce9.yml", "@caf\\xe9.yml"), ("@latin.yml", "@latin.yml"),
    ("@half.yml", "@half.yml"), ("@half.json", "@half.json"), (r'{"a": 1, "b": {"c": ["\ud800"]}}', "b"), (r'["\ud800"]', ""),
    (r'{a: 1, b: "\U0000dfff"}', "b"), (r'a=1 b="\ud800"', "b"), (r'{a: !unsafe "\ud800"}', "a"), (r'{"\ud800": 1}', r"\ud800"),
])
def test_what_is_not_utf8_is_named_without_its_value(value: str, wrong: str, tmp_path: Path) -> None:
    (tmp_path / "latin.yml").write_bytes(b"note: caf\xe9\n")
    (tmp_path / "half.yml").write_text('note: "\\ud800"\nkey: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n')
    (tmp_path / "half.json").write_text('{"note": "\\uD800"}')
    assert not_utf8(value, cwd=tmp_path) == wrong


@pytest.mark.parametrize("value", [
    "note=café", "a={{ name }}", r'{"a": "\ud83d\ude00"}', r"{a: '\ud800'}", "{a: [", r'{"a": "\ud800', "@missing.yml", "@good.yml", "@.",
])
def test_what_is_utf8_is_not_named(value: str, tmp_path: Path) -> None:
    """A whole pair in JSON is one character; in YAML's single quotes an escape is none. What cannot be read is for others to say."""
    (tmp_path / "good.yml").write_text("note: caf\u00e9\nkey: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6162\n", encoding="utf-8")
    assert not_utf8(value, cwd=tmp_path) is None
