# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nothing of a reply is imported or executed, and what a server sends is understood."""

from __future__ import annotations

import builtins
import copyreg
import os
import pickle
import sys
import tracemalloc
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


@pytest.mark.parametrize("data", [b"garbage", b"I1", b"L1", b"p0", b"g0", b"Pid", b"ios", b"\x80\x04Q", b"\x80\x04N0N0a", b"\x80\x04\xff"])
def test_garbage_is_not_waited_for(data: bytes) -> None:
    with pytest.raises(NotData) as caught:
        read(data)
    assert not isinstance(caught.value, Truncated)


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


@pytest.mark.parametrize("data", [
    pytest.param(b"\x80\x02K\x01r\xff\xff\xff\xff.", id="memo"),
    *(pytest.param(b"\x80\x05" + code + (2**length - 1).to_bytes(8, "little") + b"N.", id=f"{code!r}-{length}")
      for code in (b"\x8d", b"\x8e", b"\x96", b"\x95") for length in (36, 46, 64)),
])
def test_what_is_only_declared_costs_nothing(data: bytes) -> None:
    """The standard unpickler fills 64 GiB for the memo alone, and allocates what a length declares."""
    tracemalloc.start()
    try:
        with pytest.raises(NotData):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [2**128, -(2**128), 2**2000])
def test_numbers_have_a_size(value: int) -> None:
    with pytest.raises(NotData, match="number"):
        read(pickle.dumps(value))


def test_a_reply_has_a_size() -> None:
    with pytest.raises(NotData, match="more than"):
        read(b"\x80\x02N." + bytes(pickled.MAX_BYTES))


def test_depth_is_bounded() -> None:
    with pytest.raises(NotData):
        read(b"\x80\x02" + b"]" * 5000 + b"a" * 4999 + b".")
    assert pickled.MAX_DEPTH < 100


#: Deeper than any stack, and few enough opcodes to be unpickled.
DEEP = b")" + b"\x85" * (pickled.MAX_NODES - 100)


@pytest.mark.parametrize("data", [
    pytest.param(b")" + b"\x85" * 3_000_000 + b".", id="more"),
    pytest.param(DEEP + b".", id="value"), pytest.param(b"}" + DEEP + b"Ns.", id="key"),
    pytest.param(b"\x8f(" + DEEP + b"\x90.", id="member"),
    pytest.param(b"cbuiltins\nset\n(" + DEEP + b"t\x85R.", id="wrapped"),
])
def test_deep_tuples_do_not_end_the_process(data: bytes) -> None:
    """hash() follows tuples without a limit: as a key in the standard unpickler, such data is a segmentation fault."""
    with pytest.raises(NotData):
        read(b"\x80\x04" + data)


@pytest.mark.parametrize("again", [b"2\x86", b"q\x00h\x00\x86", b"\x942\x86", b"Nb2\x86", b"(e2\x86", b"(u2\x86", b"(\x902\x86"])
@pytest.mark.parametrize("around", [b"}%sNs.", b"\x8f(%s\x90.", b"(%s\x91.", b"%s."])
def test_a_tuple_that_holds_itself_often_is_no_key(around: bytes, again: bytes) -> None:
    """A hash of it would visit 2 ** 60 elements. What leaves it in its place, such as an empty state, does not hide that."""
    with pytest.raises(NotData):
        read(b"\x80\x04" + around % (b"K\x01\x85" + again * 60))


def test_names_are_few() -> None:
    with pytest.raises(NotData, match="names"):
        read(b"\x80\x02]" + b"".join(b"cm\n%x\na" % number for number in range(2000)) + b".")


@pytest.mark.parametrize("instance", [
    b"cos\nsystem\n\x8c\x04true\x85R", b"cos\nsystem\n\x8c\x04true\x85\x81", b"cos\nsystem\n)}\x92", b"cos\nsystem\n",
])
@pytest.mark.parametrize("state", [
    b"N", b"}\x8c\x04name\x8c\x01xs", b"N}\x8c\x09argumentsNs\x86", b"}\x8c\x09__class__cos\n_Environ\ns",
])
def test_a_state_changes_nothing(instance: bytes, state: bytes) -> None:
    """BUILD calls __setstate__, or else sets attributes; neither may reach anything of ours."""
    found = read(b"\x80\x04" + instance + state + b"b.")
    assert isinstance(found, Stub) and found.name == "os.system"
    assert found.arguments in ([], ["true"])


@pytest.mark.parametrize("data", [
    b"c__builtin__\neval\n(\x8c\x011tR.", b"(\x8c\x04trueios\nsystem\n.", b"(cos\nsystem\n\x8c\x04trueo.",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85\x81.", b"Ptrue\n.", b"\x8c\x04trueQ.",
    b"\x82\x01.", b"\x83\x01\x00.", b"\x84\x01\x00\x00\x00.", b"\x97.", b"]\x98.",
    b"cbuiltins\n__import__\n\x8c\x0concall_trap2\x85R.", b"ccopyreg\n_reconstructor\n(cos\n_Environ\ncbuiltins\nobject\nNtR.",
])
def test_no_way_to_a_call(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name, a call and an instance in every spelling; also when copyreg's registry knows the number of a function that acts."""
    called: list[object] = []
    monkeypatch.setattr(os, "system", called.append)
    monkeypatch.setattr(copyreg, "_inverted_registry", {1: ("os", "system")})
    monkeypatch.setattr(copyreg, "_extension_cache", {1: os.system})
    monkeypatch.setattr(builtins, "eval", called.append)
    before = set(sys.modules)
    try:
        found = read(b"\x80\x04" + data)
    except NotData:
        found = Stub("refused")
    assert isinstance(found, Stub)
    assert not called
    assert set(sys.modules) == before
