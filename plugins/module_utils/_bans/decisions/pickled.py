# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the pickled reply of a fail2ban server as data: nothing is imported and nothing is called.

This module util is PRIVATE to the collection: it may change at any time.

Python's own unpickler does the reading, with a find_class() that never looks anything up: every name becomes an inert class.
Three things it does not bound by itself are checked before it starts, with pickletools: the memo (one opcode can ask for 64 GiB),
lengths (memory is allocated for what is only declared), and tuples used as keys (hash() follows them without any limit).
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import pickletools
import typing as t

#: Numbers larger than this are none of fail2ban's.
MAX_INT_BYTES = 16
#: Of a whole reply: bytes, and values. The parts of a tuple count again for every tuple that they are in.
MAX_BYTES = 64 * 1024 * 1024
MAX_NODES = 2_000_000
MAX_DEPTH = 40
NEWEST_PROTOCOL = 5
#: A reply has a handful of names.
_MAX_LINE = 1000
_MAX_NAMES = 1000

#: Opcodes that reach outside of the data: persistent ids, copyreg's registry, buffers. Instances are made in newer ways.
_REFUSED = frozenset(("OBJ", "BINPERSID", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"))
#: Opcodes that leave an element of the stack in its place, whatever they put into it.
_SAME = frozenset(("APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD", "DUP", "MEMOIZE"))
#: On the stack, where a run of elements begins.
_MARK = None
_TEXTS = ("builtins.str", "__builtin__.str", "__builtin__.unicode")
_COLLECTIONS = tuple(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "frozenset", "list", "tuple"))


class NotData(ValueError):
    """The bytes are no pickled data of the kind a fail2ban server sends."""


class Truncated(NotData):
    """The bytes end before the data does."""


class NewerProtocol(NotData):
    """Written by a newer pickle protocol than is known here."""


@dataclasses.dataclass
class Stub:
    """Something of a class that is not known here, such as an exception: its name and what it was made of."""

    name: str
    arguments: list[t.Any] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        short = self.name.rpartition(".")[2]
        said = ", ".join(str(one) for one in self.arguments if isinstance(one, (str, int, float)))
        return f"{short}: {said}" if said else short


def read(data: bytes) -> t.Any:
    """The value that pickled bytes hold: numbers, texts, lists (of tuples and sets too), mappings and Stubs.

    Raises:
        Truncated: more bytes are needed.
        NewerProtocol: another way to ask has to be found.
        NotData: anything else that is not data.
    """
    if len(data) > MAX_BYTES:
        raise NotData(f"more than {MAX_BYTES} bytes")
    source = _Source(data)
    try:
        _check(source)
        return _Plain().of(_Unpickler(io.BytesIO(data), encoding="utf-8", errors="replace").load())
    except NotData:
        raise
    except Exception as exc:  # pickle promises no particular exceptions for data that is damaged
        if source.ended:
            raise Truncated("the data ends too early") from exc
        raise NotData(f"not pickled data: {exc}"[:200]) from exc


class _Source:
    """The bytes as a file, that knows whether more was wanted than there is."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)
        self._last = b""
        self.ended = False

    def read(self, count: int) -> bytes:
        found = self._last = self._file.read(count)
        self.ended = self.ended or len(found) < count
        return found

    def readline(self) -> bytes:
        if self._last != b"c":
            raise NotData(f"opcode {self._last!r} is not data: only a name is a line of text")
        found = self._file.readline(_MAX_LINE)
        self.ended = self.ended or (not found.endswith(b"\n") and len(found) < _MAX_LINE)
        return found


def _check(source: _Source) -> None:
    """Follow the opcodes without their values: all bytes are there, each opcode is harmless, and what it makes is bounded.

    On the stack is the number of values that a hash of the element would visit. An opcode that finds something else there than it
    needs is refused by the unpickler.
    """
    stack: list[t.Any] = []
    memo: dict[t.Any, t.Any] = {}
    left = MAX_NODES
    for opcode, argument, _position in pickletools.genops(t.cast("t.IO[bytes]", source)):
        name = opcode.name
        if name == "PROTO" and isinstance(argument, int) and argument > NEWEST_PROTOCOL:
            raise NewerProtocol(f"pickle protocol {argument}")
        if name in _REFUSED or opcode.proto > NEWEST_PROTOCOL:
            raise NotData(f"opcode {name} is not data")
        if isinstance(argument, int) and argument.bit_length() > MAX_INT_BYTES * 8:
            raise NotData("a number that is too large")
        taken = _take(stack, opcode.stack_before)
        weight = 1
        if name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            index = argument if isinstance(argument, int) else len(memo)
            if index > MAX_NODES:
                raise NotData("too much is remembered")
            memo[index] = taken[0] if taken else stack[-1]
        if name in ("BINGET", "LONG_BINGET"):
            weight = memo[argument]
        elif name in _SAME:
            weight = taken[-1]
        elif name.startswith("TUPLE"):
            weight = 1 + sum(taken)
        for made in opcode.stack_after:
            stack.append(_MARK if made is pickletools.markobject else weight)
            left -= weight
        if left < 0:
            raise NotData("too large")


def _take(stack: list[t.Any], wanted: t.Sequence[t.Any]) -> list[t.Any]:
    """Take off the stack what an opcode uses: so many elements, or all to the mark and some below it."""
    taken = []
    count = len(wanted)
    if pickletools.markobject in wanted:
        while (one := stack.pop()) is not _MARK:
            taken.append(one)
        count = list(wanted).index(pickletools.markobject)
    return taken + [stack.pop() for _number in range(count)]


class _Named:
    """Stands for whatever a pickle names. It takes any arguments and any state, and does nothing with them."""

    name: t.ClassVar[str] = ""
    arguments: tuple[t.Any, ...]
    __slots__ = ("arguments",)

    def __new__(cls, *arguments: t.Any, **_keywords: t.Any) -> _Named:
        made = object.__new__(cls)
        made.arguments = arguments
        return made

    def __setstate__(self, *_state: t.Any) -> None:
        """A state is not used."""


class _Unpickler(pickle.Unpickler):
    def __init__(self, *arguments: t.Any, **keywords: t.Any) -> None:
        super().__init__(*arguments, **keywords)
        self._names: dict[str, type[_Named]] = {}

    def find_class(self, module: str, name: str) -> type[_Named]:
        # Cut before they are joined: a name may be as long as the reply, and be named again and again.
        full = f"{module[:200]}.{name[:200]}"[:200]
        if full not in self._names:
            if len(self._names) >= _MAX_NAMES:
                raise NotData("too many names")
            self._names[full] = type("_Named", (_Named,), {"name": full, "__slots__": ()})
        return self._names[full]

    def persistent_load(self, _pid: t.Any) -> t.NoReturn:
        raise NotData("something that is kept elsewhere")


class _Plain:
    """Makes a copy of plain values that shares nothing: data that holds itself, or one part a billion times, is refused."""

    def __init__(self) -> None:
        self._left = MAX_NODES
        #: By id, while what was unpickled is held: one long text may be there under many references.
        self._texts: dict[int, str] = {}

    def of(self, value: t.Any, *, depth: int = 0) -> t.Any:
        self._left -= 1
        if depth > MAX_DEPTH or self._left < 0:
            raise NotData("too deep or too large")
        if isinstance(value, dict):
            return {self._key(key, depth=depth): self.of(one, depth=depth + 1) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.of(one, depth=depth + 1) for one in value]
        if isinstance(value, (set, frozenset)):
            return sorted((self.of(one, depth=depth + 1) for one in value), key=str)
        if isinstance(value, _Named):
            return self._named(value, depth=depth)
        if isinstance(value, type) and issubclass(value, _Named):
            return Stub(value.name)
        return self._text(value) if isinstance(value, (str, bytes, bytearray)) else value

    def _text(self, value: t.Union[str, bytes, bytearray]) -> str:
        if id(value) not in self._texts:
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            self._texts[id(value)] = data.decode("utf-8", "replace")
        return self._texts[id(value)]

    def _key(self, value: t.Any, *, depth: int) -> t.Any:
        key = self.of(value, depth=depth + 1)
        return str(key) if isinstance(key, (list, Stub)) else key

    def _named(self, value: _Named, *, depth: int) -> t.Any:
        """What Python's own text and collections hold; fail2ban wraps its addresses so."""
        arguments = self.of(value.arguments, depth=depth + 1)
        first = arguments[0] if len(arguments) == 1 else None
        if value.name in _TEXTS and isinstance(first, (str, int, float)):
            return str(first)
        return first if value.name in _COLLECTIONS and isinstance(first, list) else Stub(value.name, arguments)
