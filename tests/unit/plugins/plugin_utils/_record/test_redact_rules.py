# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each rule has examples that are its tests, real logs stay as they are, and no text makes a rule search without end."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.plugin_utils._record import carriers, keeping, patterns
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor

FIXTURES = Path(__file__).resolve().parents[4] / "fixtures" / "redaction"
EXAMPLES: dict[str, dict[str, list[str]]] = yaml.safe_load((FIXTURES / "rules.yml").read_text(encoding="utf-8"))
CORPUS = sorted((FIXTURES / "corpus").glob("*.log"))
VALUE = "qW7zUvT03xKpe"
RULES = {rule.name: rule for rule in (*patterns.RULES, *patterns.SCANNERS)}


def texts(kind: str) -> Iterator[Any]:
    """Every example of a kind."""
    for name, examples in EXAMPLES.items():
        for number, text in enumerate(examples[kind]):
            yield pytest.param(name, text.replace("@S@", VALUE), id=f"{name} {number}")


def kept_of(text: str) -> list[str]:
    """What is kept of a text, by each way into a record: as a text, a file, a module's output, and JSON in it."""
    def redactor() -> Redactor:
        return Redactor(key=b"k" * 32)

    blocks = keeping.blocks(io.BytesIO(text.encode()), redactor().data)
    return [
        redactor().text(text), b"".join(blocks).decode(), redactor().clean({"result": {"stdout": text}})[0]["result"]["stdout"],
    ]


def test_every_rule_has_examples() -> None:
    assert sorted(RULES) == sorted(EXAMPLES)
    assert [name for name, examples in EXAMPLES.items() if not examples["found"] or not examples["kept"]] == []


@pytest.mark.parametrize(("name", "text"), list(texts("found")))
def test_a_rule_finds_its_examples(name: str, text: str) -> None:
    found: list[str] = []

    def mask(secret: str) -> str:
        found.append(secret)
        return "[redacted:000000000000]"

    RULES[name].replace(text, mask)
    assert found and (VALUE not in text or any(VALUE in secret for secret in found)), found
    assert [kept for kept in kept_of(text) if VALUE in kept or "[redacted:" not in kept] == []


@pytest.mark.parametrize(("name", "text"), list(texts("kept")))
def test_what_is_like_it_stays(name: str, text: str) -> None:
    assert set(kept_of(text)) == {text}


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_real_lines_stay_as_they_are(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) >= 12
    redactor = Redactor(key=b"k" * 32)
    assert [(line, redactor.text(line)) for line in text.splitlines() if redactor.text(line) != line] == []
    assert set(kept_of(text)) == {text}


@pytest.mark.parametrize("words", [
    ["htpasswd", "-b", "f", "ann", f"{VALUE} and blanks"], ["docker", "login", "-p", VALUE, "registry.example.org"],
    ["vault", "write", "secret/x", f"pin={VALUE}"], ["smbclient", "-U", f"ann%{VALUE}", "//x/y"],
    ["AUTH", "ann", VALUE], ["AUTH", VALUE], ["ACL", "SETUSER", "ann", "on", f">{VALUE}"],
])
def test_commands_as_lists(words: list[str]) -> None:
    cleaned = Redactor(key=b"k" * 32).clean({"cmd": words})[0]["cmd"]
    assert VALUE not in json.dumps(cleaned) and len(cleaned) == len(words)
    assert [word for word in words if VALUE not in word] == [word for word in cleaned if "[redacted:" not in word]


@pytest.mark.parametrize("depth", range(7))
def test_json_within_json_at_any_depth(depth: int) -> None:
    text = json.dumps({"password": f'{VALUE}"{VALUE}', "host": "db1"})
    for _ in range(depth):
        text = json.dumps({"msg": text})
    kept = Redactor(key=b"k" * 32).text(text)
    assert VALUE not in kept and "db1" in kept


def test_a_secret_on_two_lines_is_found_where_a_block_ends_between_them() -> None:
    filler = "x" * 79 + "\n"
    for shift in range(0, 60, 7):
        text = (filler * (keeping.CHUNK // 80))[shift:-1 - 9] + f"\npassword:\n  {VALUE}\n" + filler * 90
        assert VALUE.encode() not in b"".join(keeping.blocks(io.BytesIO(text.encode()), Redactor(key=b"k" * 32).data))


HOSTILE: dict[str, Callable[[int], str]] = {
    "quotes": lambda size: "password=\"'" * (size // 11),
    "backslashes": lambda size: "password" + "\\" * size,
    "nested quotes": lambda size: 'password\\\\": \\\\"x' * (size // 18),
    "commands": lambda size: "docker login -p " * (size // 16),
    "one word": lambda size: "htpasswd -b " + "a" * size,
    "pipes": lambda size: "echo x | passwd --stdin " * (size // 24),
    "open quotes": lambda size: "vault write '\"" * (size // 14),
    "calls": lambda size: "crypt(" * (size // 6),
    "calls with quotes": lambda size: "hmac('," * (size // 7),
    "dollars": lambda size: "crypt($" * (size // 7),
    "hashes": lambda size: "$6$aaaa" * (size // 7),
    "users": lambda size: "SETUSER a > " * (size // 12),
    "indentation": lambda size: "password:\n " * (size // 11),
    "blanks": lambda size: "password:" + " " * size,
    "block": lambda size: "password: |\n" + "  a\n" * (size // 4),
    "AUTH": lambda size: '"AUTH" ' * (size // 7),
    "AUTH numbers": lambda size: '"AUTH"' + "\n 2) " * (size // 5),
    "netrc": lambda size: "login a password" + " " * size,
    "pgpass": lambda size: "a:" * (size // 2),
    "colons": lambda size: ("*:*:*:" * (size // 6)),
}


def steps(text: str) -> int:
    """How many lines of Python the scanners take for a text: what does not depend on the machine."""
    count = 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        count += event == "line"
        return trace if frame.f_code.co_filename == carriers.__file__ else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        for scanner in patterns.SCANNERS:
            scanner.spans(text)
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_the_scanners_take_steps_in_proportion_to_the_text(name: str) -> None:
    small, large = (steps(HOSTILE[name](size)) for size in (1_000, 8_000))
    assert large <= 8 * small + 2_000


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_megabyte_of_a_hostile_text_comes_to_an_end(name: str) -> None:
    """A rule that looks back and forth would take days; this ends or the suite's own limit ends it."""
    text = HOSTILE[name](1 << 20)
    assert Redactor(key=b"k" * 32).text(text)


def test_no_expression_repeats_what_repeats() -> None:
    """(a+)+ and its like: the one kind of expression that takes exponential time."""
    nested = re.compile(r"\((?:\?:|\?P<\w+>)?[^()|]*[^\\(][+*]\)[+*](?!\+)")
    assert [rule.name for rule in patterns.RULES if nested.search(rule.pattern.pattern)] == []
