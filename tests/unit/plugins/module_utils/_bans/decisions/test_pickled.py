# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of a reply is imported or executed, and what a server sends is understood."""

from __future__ import annotations

import os
import pickle
import typing as t
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions import pickled
from ansible_collections.oncall.incident.plugins.module_utils._bans.decisions.pickled import NewerProtocol, NotData, Stub, Truncated, read

VALUES: list[t.Any] = [
    [0, "pong"], [0, [["Number of jail", 2], ["Jail list", "sshd, recidive"]]], [0, None], [0, -1], [0, 1795519092], [0, 1.5], [1, True],
    {"sshd": ["192.0.2.7"]}, "x" * 300, "x" * 70000, "ünïcode", [], {}, 2**40, -(2**40), list(range(3000)),
]


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES, ids=lambda value: str(value)[:20])
def test_data_is_read(value: t.Any, protocol: int) -> None:
    assert read(pickle.dumps(value, protocol=protocol)) == value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_tuples_and_sets_are_lists(protocol: int) -> None:
    assert read(pickle.dumps((0, ("a", "b"), {"c"}, frozenset({"d"})), protocol=protocol)) == [0, ["a", "b"], ["c"], ["d"]]


class Wrapped:
    """fail2ban's IPAddr pickles itself as str(text)."""

    def __reduce__(self) -> tuple[t.Any, ...]:
        return (str, ("192.0.2.7",))


def test_addresses_are_texts() -> None:
    assert read(pickle.dumps((0, [Wrapped()]))) == [0, ["192.0.2.7"]]


def test_what_python_2_sends() -> None:
    """fail2ban 0.11 on Python 2.7: protocol 2, byte strings and unicode(...). Written by hand after pickletools.py."""
    reply = b"\x80\x02K\x00]q\x00(U\t192.0.2.7c__builtin__\nunicode\nX\x09\x00\x00\x00192.0.2.8\x85Re\x86."
    assert read(reply) == [0, ["192.0.2.7", "192.0.2.8"]]


class UnknownJailException(KeyError):
    """As fail2ban has it."""


def test_an_exception_is_a_name_with_what_it_says() -> None:
    found = read(pickle.dumps((1, UnknownJailException("nix"))))
    assert isinstance(found[1], Stub)
    assert str(found[1]) == "UnknownJailException: nix"


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[t.Any, ...]:
        return (os.system, (f"touch {self.path}",))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    target = tmp_path / "executed"
    data = pickle.dumps((0, Evil(target)), protocol=protocol)
    pickle.loads(data)
    assert target.exists(), "the standard unpickler does run it, or this test shows nothing"
    target.unlink()
    found = read(data)
    assert not target.exists()
    assert isinstance(found[1], Stub) and found[1].name.endswith("system")


def test_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "oncall_trap.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\nclass Trap: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for data in (b"\x80\x02concall_trap\nTrap\n)R.", b"\x80\x04\x8c\x0boncall_trap\x8c\x04Trap\x93)\x81}b."):
        assert isinstance(read(data), Stub)
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("data", [
    b"", b"\x80\x02", b"\x80\x05]", b"\x80\x05\x8c\x05ab", b"\x80\x05X\xff\xff\xff\x7fab", b"\x80\x04\x95\x01",
])
def test_half_of_it_is_truncated(data: bytes) -> None:
    with pytest.raises(Truncated):
        read(data)


@pytest.mark.parametrize("data", [
    b".", b"\x80\x02a.", b"\x80\x02(.", b"\x80\x02K\x01e.", b"I1\n.", b"\x80\x02P1\n.", b"\x80\x02]K\x01u.", b"\x80\x02h\x05.", b"\xff",
    b"\x80\x02}(]]u0.", b"\x80\x02K\x01)R.", b"\x80\x02\x8b\xff\xff\xff\x7f.", b"\x80\x02T\xff\xff\xff\xff.", b"\x80\x02(ib\nc\n.",
    b"\x80\x02\x82\x01.",
])
def test_what_is_no_data_is_refused(data: bytes) -> None:
    with pytest.raises(NotData):
        read(data)


def test_a_newer_protocol_is_told_apart() -> None:
    with pytest.raises(NewerProtocol):
        read(b"\x80\x06N.")


def test_small_data_never_becomes_large() -> None:
    """A thousand laughs: each list holds the one before it twice, a billion elements in a few bytes."""
    bomb = b"\x80\x02]q\x00K\x01a" + b"".join(b"0](h%ch%ceq%c" % (n, n, n + 1) for n in range(35)) + b"."
    with pytest.raises(NotData):
        read(bomb)


def test_data_that_holds_itself_is_refused() -> None:
    loop: list[t.Any] = []
    loop.append(loop)
    with pytest.raises(NotData):
        read(pickle.dumps(loop))


def test_a_huge_memo_index_costs_nothing() -> None:
    assert read(b"\x80\x02K\x01r\xff\xff\xff\xff.") == 1


def test_depth_is_bounded() -> None:
    with pytest.raises(NotData):
        read(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".")
    assert pickled.MAX_DEPTH < 100
