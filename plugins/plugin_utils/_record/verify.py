# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rechecking a record: is it whole, and if not, where does it break?

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import hashlib
import typing as t
from pathlib import Path

from . import layout, reader
from .line import closing_line_is_whole

#: Every line is there and unchanged, and every segment was closed or recovered.
OK = "ok"
#: What is there is unchanged, but the last writer did not finish.
INCOMPLETE = "incomplete"
#: Something was changed, removed or added after it was written.
BROKEN = "broken"

_CHUNK = 1024 * 1024
#: Types of lines that end a file or are asked for by one that did not end.
_MORE_THAN_PLAIN = ("segment.close", "recovered")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        kind: a stable word: chain, checkpoint, cut, not_json, torn, sequence, identity, missing_segment, empty_segment, unclosed,
            after_close, missing_blob, changed_blob, no_record.
        segment: number of the segment, 0 when it is about the whole record.
        line: line number in the segment, 0 when it is about the whole segment.
        message: for people.
        status: BROKEN or INCOMPLETE.
    """

    kind: str
    segment: int
    line: int
    message: str
    status: str = BROKEN

    def as_dict(self) -> dict[str, t.Any]:
        """The problem as data."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class Report:
    """What check() found.

    Attributes:
        status: OK, INCOMPLETE or BROKEN.
        problems: in the order of the record.
        run: the run's id as the record says it.
        segments, events, blobs: how many were checked.
        head: SHA-256 of the last whole line: what a seal covers.
        recovered: numbers of segments whose writer died and that a later one closed.
    """

    status: str
    problems: tuple[Problem, ...]
    run: str
    segments: int
    events: int
    blobs: int
    head: str
    recovered: tuple[int, ...]

    def as_dict(self) -> dict[str, t.Any]:
        """The report as data."""
        return {**dataclasses.asdict(self), "problems": [problem.as_dict() for problem in self.problems],
                "recovered": list(self.recovered)}


def check(
    run_dir: Path, name: str = layout.RECORD, *, heads: t.Mapping[int, str] | None = None,
    seen: t.Callable[[reader.Event], object] | None = None, digest: t.Callable[[Path], str] | None = None,
) -> Report:
    """Recheck the chain, the numbering and the blobs of a run's record, with bounded memory.

    A record of which whole segments were cut off at its end, or that was rewritten from its first line, shows no
    break: only a seal over its head shows that.

    Args:
        run_dir: the run's directory, the one that contains `record/`.
        name: of the directory of segments, where it is not `record`.
        heads: SHA-256 that lines must have by their seq: what checkpoints elsewhere say.
        seen: is given every event that reader.read() would give: whoever wants them as well need not read all of it twice.
        digest: the SHA-256 in hex of a blob's file, where somebody has it already; raises OSError when it cannot be read.
    """
    walk = _Walk(run_dir, heads or {}, seen, digest or _digest)
    found = layout.segments(run_dir, name)
    if not found:
        walk.add("no_record", 0, 0, f"There is no record under {run_dir}.")
    for position, (number, path) in enumerate(found, start=1):
        if number != walk.expected_segment:
            walk.add("missing_segment", walk.expected_segment, 0, f"Segment {walk.expected_segment:06d} is missing; {number:06d} follows.")
        walk.segment(number, path, is_last=position == len(found))
    walk.after_all()
    return walk.report(len(found))


class _Walk:
    """The state that goes from line to line."""

    def __init__(
        self, run_dir: Path, heads: t.Mapping[int, str], seen: t.Callable[[reader.Event], object] | None,
        digest: t.Callable[[Path], str],
    ) -> None:
        self._run_dir = run_dir
        self._heads = dict(heads)
        self._seen = seen
        self._digest = digest
        self._problems: list[Problem] = []
        self._run = ""
        self._head = reader.GENESIS
        self._seq = 0
        self._events = 0
        self._blobs: set[str] = set()
        self._recovered: list[int] = []
        self._unclosed: list[int] = []
        self.expected_segment = 1

    def add(self, kind: str, segment: int, line: int, message: str, status: str = BROKEN) -> None:
        self._problems.append(Problem(kind=kind, segment=segment, line=line, message=message, status=status))

    def report(self, segments: int) -> Report:
        statuses = {problem.status for problem in self._problems}
        status = BROKEN if BROKEN in statuses else INCOMPLETE if statuses else OK
        return Report(
            status=status, problems=tuple(self._problems), run=self._run, segments=segments, events=self._events,
            blobs=len(self._blobs), head=self._head, recovered=tuple(self._recovered),
        )

    def after_all(self) -> None:
        """A checkpoint saw more lines than there are."""
        if self._heads:
            self.add("cut", self.expected_segment - 1, 0, f"A checkpoint saw line {max(self._heads)}; the record ends at {self._seq}.")

    def segment(self, number: int, path: Path, *, is_last: bool) -> None:
        self.expected_segment = number + 1
        last_line, torn, closed_at = 0, 0, 0
        kind = ""
        with path.open("rb") as stream:
            lines = reader.raw_lines(stream)
            while True:
                plain, raw, event = self._plain(lines, number) if not closed_at else (0, next(lines, b""), None)
                last_line += plain
                kind = "" if plain else kind
                if not raw:
                    break
                last_line += 1
                ended = raw.endswith(b"\n")
                body = raw[:-1] if ended else raw
                line = reader.Line(segment=number, number=last_line, raw=body, ended=ended, event=event or reader.parse(body))
                if not ended and not closed_at:
                    torn = last_line
                    break
                if closed_at == last_line - 1 and closed_at:
                    self.add("after_close", number, last_line, "A line follows segment.close.")
                kind = self._line(line) or kind
                # "continued" promises a next file.
                if kind == "segment.close" and not (is_last and (line.event or {}).get("ended") == "continued"):
                    closed_at = last_line
                self._show(line)
            # What follows a line without end is not checked any more, but it is there for whoever reads.
            for raw in lines:
                if raw.endswith(b"\n"):
                    self._show(reader.Line(segment=number, number=0, raw=raw, ended=True, event=reader.parse(raw[:-1])))
        if closed_at and not torn:
            return
        if torn:
            message = f"Line {torn} is torn: its writer was killed or the disk was full while it wrote."
        elif last_line:
            message = f"The segment ends after line {last_line} without segment.close: its writer did not finish."
        else:
            message = "The segment is empty: its writer died before its first line."
        if is_last:
            self.add("torn" if torn else "unclosed" if last_line else "empty_segment", number, torn or last_line, message, INCOMPLETE)
        else:
            self._unclosed.append(number)

    def _show(self, line: reader.Line) -> None:
        if self._seen is not None and line.ended and line.event is not None:
            self._seen(line.event)

    def _plain(self, lines: t.Iterator[bytes], segment: int) -> tuple[int, bytes, reader.Event | None]:
        """Take in lines as long as each is as it must be and asks for nothing else.

        Nearly all are, and there may be very many: this asks in one go what _line() asks, and leaves every other line to it.

        Returns:
            How many were taken in, the line after them (b"" at the end), and its event where it was parsed already.
        """
        if self._unclosed or not self._run:
            return 0, next(lines, b""), None
        run, head, seq, heads, seen, parse, sha256 = self._run, self._head, self._seq, self._heads, self._seen, reader.parse, hashlib.sha256
        first = seq
        raw, event = b"", None
        for raw in lines:
            body = raw[:-1]
            event = parse(body)
            if (
                event is None or not raw.endswith(b"\n") or event.get("prev") != head or event.get("seq") != seq + 1
                or event.get("segment") != segment or event.get("run") != run or event.get("type") in _MORE_THAN_PLAIN
                or seq + 1 in heads or b'"$blob"' in body
            ):
                break
            seq += 1
            head = sha256(body).hexdigest()
            if seen is not None:
                seen(event)
        else:
            raw, event = b"", None
        self._head, self._seq = head, seq
        self._events += seq - first
        return seq - first, raw, event if raw.endswith(b"\n") else None

    def _line(self, line: reader.Line) -> str:
        """Check one whole line; its type."""
        event, where = line.event, (line.segment, line.number)
        if event is None:
            self.add("not_json", *where, "The line is not a JSON object: it was changed.")
            self._head = line.digest
            return ""
        self._events += 1
        self._run = self._run or str(event.get("run", ""))
        kind = str(event.get("type", ""))
        if event.get("prev") != self._head:
            self.add(
                "chain", *where, f"The line before was changed, removed or added: this line carries {str(event.get('prev'))[:12]}, "
                f"the line before it gives {self._head[:12]}.",
            )
        elif event.get("seq") != self._seq + 1:
            self.add("sequence", *where, f"seq is {event.get('seq')}, expected {self._seq + 1}.")
        if event.get("segment") != line.segment or event.get("run") != self._run:
            self.add("identity", *where, f"The line says run {event.get('run')}, segment {event.get('segment')}: it belongs elsewhere.")
        if self._unclosed:
            self._expect_recovery(event, kind, line)
        seq = event.get("seq")
        self._seq = seq if isinstance(seq, int) else self._seq + 1
        self._head = line.digest
        if self._heads and self._heads.pop(self._seq, self._head) != self._head:
            self.add("checkpoint", *where, "The line is not the one that a checkpoint saw: it, or one before it, was rewritten.")
        if kind == "segment.close" and not closing_line_is_whole(line.raw):
            self.add("chain", *where, "The closing line was changed: it does not give the hash that it carries of itself.")
        if b'"$blob"' in line.raw:
            for reference in _blob_references(event):
                self._check_blob(reference, *where)
        return kind

    def _expect_recovery(self, event: reader.Event, kind: str, line: reader.Line) -> None:
        """The first segment with lines after unclosed ones must close them in its second line."""
        last = self._unclosed[-1]
        if kind == "recovered" and event.get("of") == last:
            self._recovered += self._unclosed
            self._unclosed = []
        elif line.number >= 2:
            self.add("unclosed", last, 0, f"Segment {last:06d} was not closed, and {line.segment:06d} does not recover it.")
            self._unclosed = []

    def _check_blob(self, reference: t.Mapping[str, t.Any], segment: int, line: int) -> None:
        digest = str(reference.get("sha256", ""))
        if digest in self._blobs:
            return
        self._blobs.add(digest)
        try:
            actual = self._digest(layout.blob_path(self._run_dir, digest))
        except (OSError, ValueError):
            self.add("missing_blob", segment, line, f"Blob {digest[:12]} of this line is missing.")
            return
        if actual != digest:
            self.add("changed_blob", segment, line, f"Blob {digest[:12]} of this line was changed: it is {actual[:12]} now.")


def _blob_references(value: t.Any) -> t.Iterator[t.Mapping[str, t.Any]]:
    if isinstance(value, dict):
        reference = value.get("$blob")
        if isinstance(reference, dict):
            yield reference
        else:
            for member in value.values():
                yield from _blob_references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _blob_references(member)


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
