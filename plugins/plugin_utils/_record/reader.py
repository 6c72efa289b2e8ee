# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading a record: one event at a time, however long it is.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import functools
import hashlib
import json
import typing as t
from pathlib import Path

from . import layout
from .utf8 import cleaned

#: What the first line of a record carries as `prev`.
GENESIS = "0" * 64
#: A line longer than this is not ours; the writer spills far earlier.
MAX_LINE_BYTES = 16 * 1024 * 1024

Event = dict[str, t.Any]


_decode = json.JSONDecoder().decode
_raw_decode = json.JSONDecoder().raw_decode


class Line(t.NamedTuple):
    """One line of a segment as it is on disk.

    Attributes:
        segment: the number in the file's name, from 1.
        number: line number in that file, from 1.
        raw: the bytes without the newline.
        ended: whether a newline follows; the last line of a killed writer has none.
        event: the JSON object, or None when the bytes are not one.
    """

    segment: int
    number: int
    raw: bytes
    ended: bool
    event: Event | None

    @property
    def digest(self) -> str:
        """SHA-256 in hex of the bytes without the newline: the next line's `prev`."""
        return hashlib.sha256(self.raw).hexdigest()


def parse(raw: bytes) -> Event | None:
    """The JSON object of a line, or None. What is not UTF-8 in it is spelled out: version 0.1.0 wrote lone surrogates."""
    event = _parsed(raw)
    if event is not None and (b"\\ud" in raw or b"\\uD" in raw or b"\xed" in raw):
        cleaned_event: Event = cleaned(event)
        return cleaned_event
    return event


def _parsed(raw: bytes) -> Event | None:
    try:
        # What json.loads() does, without guessing the encoding.
        text = raw.decode("utf-8", "surrogatepass")
        if text.startswith("{"):
            # As the writer writes it, without blanks around it: then there is no need to look for some, which costs as much again.
            event: Event
            event, end = _raw_decode(text)
            if end == len(text):
                return event
        value = _decode(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def segment_lines(path: Path, number: int) -> t.Iterator[Line]:
    """The lines of one segment file, in order; one line in memory at a time."""
    with path.open("rb") as stream:
        for count, raw in enumerate(raw_lines(stream), start=1):
            ended = raw.endswith(b"\n")
            body = raw[:-1] if ended else raw
            yield Line(segment=number, number=count, raw=body, ended=ended, event=parse(body))


def raw_lines(stream: t.BinaryIO) -> t.Iterator[bytes]:
    """The lines of a stream with their newlines; one without end comes in pieces."""
    return iter(functools.partial(stream.readline, MAX_LINE_BYTES), b"")


def lines(run_dir: Path, name: str = layout.RECORD) -> t.Iterator[Line]:
    """The lines of all segments of a run, in order."""
    for number, path in layout.segments(run_dir, name):
        yield from segment_lines(path, number)


def read(run_dir: Path, name: str = layout.RECORD) -> t.Iterator[Event]:
    """The events of a run in order, with bounded memory.

    A torn last line and lines that are not events are passed over: verify.check() names them.

    Args:
        run_dir: the run's directory, the one that contains `record/`.
        name: of the directory of segments, where it is not `record`.
    """
    for _number, path in layout.segments(run_dir, name):
        with path.open("rb") as stream:
            for raw in raw_lines(stream):
                if raw.endswith(b"\n") and (event := parse(raw[:-1])) is not None:
                    yield event


def blob(run_dir: Path, reference: t.Mapping[str, t.Any]) -> bytes:
    """The bytes of a spilled value.

    Args:
        run_dir: the run's directory.
        reference: the value found in an event: {"$blob": {"sha256": ..., "bytes": ...}}.
    """
    return layout.blob_path(run_dir, str(reference["$blob"]["sha256"])).read_bytes()


class Follower:
    """The events of a record that is being written, for a progress display.

    Each call of new_events() gives what was completed since the call before; it never waits.
    """

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._offsets: dict[int, int] = {}

    def new_events(self) -> t.Iterator[Event]:
        """Events completed since the last call, in order. A half-written line is left for the next call."""
        for number, path in layout.segments(self._run_dir):
            offset = self._offsets.get(number, 0)
            if path.stat().st_size <= offset:
                continue
            with path.open("rb") as stream:
                stream.seek(offset)
                while (raw := stream.readline(MAX_LINE_BYTES)).endswith(b"\n"):
                    offset += len(raw)
                    self._offsets[number] = offset
                    if (event := parse(raw[:-1])) is not None:
                        yield event
