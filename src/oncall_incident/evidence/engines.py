# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines said of services when a host's snapshot was taken, as moments: containers, pods and apps that started and ended.

What is read came from hosts: a line that is not as its engine writes it is left out, and everything is bounded.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.plugin_utils._record import keeping, reader

from ..terminal import words
from . import times

#: Of one file so much is read, from its end, and so many moments of a host and a run are told, the last ones.
MOST_BYTES, MOST_TOLD = 4 << 20, 500
_ITEM = re.compile(r"services[0-9]{1,4}_(compose|kubernetes|pm2)_(events|state)\Z")
#: As the format of the snapshot asks for it: seconds, action, name, exit code, id.
_OF_DOCKER = re.compile(r"([0-9]{9,11}) (\S.*) (\S+) ([0-9]{0,3}) [0-9a-f]{12,64}\Z")
_CALLED = {"compose": "container engine", "kubernetes": "Kubernetes", "pm2": "pm2"}
_LONGEST = 400
#: Beyond it there is no date: seconds since the epoch.
_MOST_SECONDS = 2e11
_NONE = "<none>"
#: What Docker and Kubernetes say of a moment that there was none of.
_NEVER = "0001-01-01"

#: Seconds since the epoch by the engine's clock, what happened, and whether it is a failure.
Moment = tuple[float, str, bool]


@dataclasses.dataclass(frozen=True)
class Told:
    """One moment.

    Attributes:
        at: by our clock, as far as the host's is known; of Kubernetes by the cluster's.
        host: in whose snapshot it is.
        engine: who says it.
        text: what happened.
        bad: whether it is a failure.
        path: the file that says it, below the run's directory or the bag's data.
    """

    at: str
    host: str
    engine: str
    text: str
    bad: bool
    path: str


def of_run(run_dir: Path) -> list[Told]:
    """The moments of the snapshots of a run, in the order of time: where it was recorded, or in an incident's bag."""
    own, bag = run_dir / keeping.HOSTS, run_dir.parent.parent / keeping.HOSTS
    found = [(place, own.parent) for place in (sorted(own.iterdir()) if own.is_dir() else [])]
    found += [(place, bag.parent) for place in (sorted(bag.glob(f"*/{run_dir.name}")) if bag.is_dir() else [])]
    told = [one for place, root in found if place.is_dir() and not place.is_symlink() for one in _of_host(place, root)]
    return sorted(told, key=lambda one: one.at)


def of_all(runs: Iterable[Path]) -> list[Told]:
    """The same of several runs, each moment once: engines tell what they know in every snapshot."""
    found: dict[tuple[str, str, str, str], Told] = {}
    for run_dir in runs:
        for one in of_run(run_dir):
            found.setdefault((one.at[:19], one.host, one.engine, one.text), one)
    return sorted(found.values(), key=lambda one: one.at)


def moments(item: str, text: str) -> list[Moment]:
    """What an item of a snapshot tells of, as its engine has it; nothing for other items.

    Args:
        item: its name.
        text: what was kept of it.
    """
    found = _ITEM.match(item)
    read = _READ.get((found.group(1), found.group(2))) if found is not None else None
    return [one for one in read(text) if 0 < one[0] < _MOST_SECONDS] if read is not None else []


def _of_host(place: Path, root: Path) -> list[Told]:
    """The last moments of one host's snapshot."""
    found: dict[tuple[float, str, str], Told] = {}
    ahead = 0.0
    for line in _index(place):
        if line.get("kind") == "begin":
            offset = line.get("clock_offset")
            ahead = float(offset) if isinstance(offset, (int, float)) else 0.0
        item = _ITEM.match(str(line.get("name", "")))
        if line.get("kind") != "item" or item is None or not line.get("path"):
            continue
        folder, name = ("", *Path(str(line["path"])).parts)[-2:]
        engine = item.group(1)
        for at, text, bad in moments(item.group(), _text(place / folder / name)):
            ours = at if engine == "kubernetes" else at - ahead
            said = words.one_line(text, limit=_LONGEST)
            found.setdefault((round(ours), engine, said), Told(
                times.text(datetime.datetime.fromtimestamp(ours, tz=times.UTC)), str(line.get("host", "")), _CALLED[engine], said, bad,
                (place.relative_to(root) / folder / name).as_posix(),
            ))
    last = sorted(found.values(), key=lambda one: one.at)
    if len(last) <= MOST_TOLD:
        return last
    kept = last[-MOST_TOLD:]
    left = f"{len(last) - MOST_TOLD} earlier moments of this host are in its snapshot only"
    return [dataclasses.replace(kept[0], text=left, bad=False), *kept]


def _index(place: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with (place / keeping.INDEX).open("rb") as stream:
            for raw in iter(lambda: stream.readline(reader.MAX_LINE_BYTES), b""):
                line = reader.parse(raw.rstrip(b"\n"))
                if line is not None:
                    yield line
    except OSError:
        return


def _text(path: Path) -> str:
    """The end of a kept output, from the beginning of a line; nothing of what is not a file of ours."""
    try:
        if path.is_symlink() or not path.is_file():
            return ""
        with path.open("rb") as stream:
            size = path.stat().st_size
            stream.seek(max(size - MOST_BYTES, 0))
            data = stream.read(MOST_BYTES)
    except OSError:
        return ""
    whole = data if size <= MOST_BYTES else data.partition(b"\n")[2]
    return whole.decode("utf-8", "replace")


def _events_of_docker(text: str) -> Iterator[Moment]:
    for line in text.splitlines():
        found = _OF_DOCKER.match(line)
        if found is not None:
            at, action, name, code = found.groups()
            bad = action in ("oom", "health_status: unhealthy") or (action == "die" and code not in ("", "0"))
            yield float(at), f"container {name}: {action}{f' with {code}' if action == 'die' and code else ''}", bad


def _state_of_docker(text: str) -> Iterator[Moment]:
    """As the format of looks has it: id, name, restarts, state, ..."""
    for line in text.splitlines():
        given = _json(line)
        if not (isinstance(given, list) and len(given) > 3 and isinstance(given[1], str) and isinstance(given[3], dict)):
            continue
        name, restarts, state = given[1].lstrip("/"), given[2], given[3]
        started, ended = (_seconds(state.get(key)) for key in ("StartedAt", "FinishedAt"))
        often = f", restarted {restarts} times" if isinstance(restarts, int) and restarts else ""
        if started is not None:
            yield started, f"container {name}: started{often}", False
        if ended is not None:
            code, killed = state.get("ExitCode"), state.get("OOMKilled") is True
            # Of a container that was started again the code is that of now, 0.
            after = f" with {code}" if isinstance(code, int) and state.get("Running") is not True else ""
            yield ended, f"container {name}: ended{after}{', out of memory' if killed else ''}", killed or after not in ("", " with 0")


def _events_of_kubernetes(text: str) -> Iterator[Moment]:
    for row in _rows(text):
        at = _seconds(row.get("LAST")) or _seconds(row.get("AT"))
        if at is not None:
            count = row.get("COUNT", "")
            often = f" ({count} times)" if count.isdecimal() and count != "1" else ""
            kind, name, reason = (row.get(key, "") for key in ("KIND", "NAME", "REASON"))
            yield at, f"{kind} {name}: {reason}{often}: {row.get('MESSAGE', '')}", row.get("TYPE") == "Warning"


def _state_of_kubernetes(text: str) -> Iterator[Moment]:
    for row in _rows(text):
        if row.get("KIND") != "Pod":
            continue
        name = f"pod {row.get('NAME', '')}"
        created, leaving = _seconds(row.get("CREATED")), _seconds(row.get("ENDS"))
        if created is not None:
            yield created, f"{name}: created", False
        if leaving is not None:
            yield leaving, f"{name}: to be deleted", False
        for at in row.get("STARTED", "").split(","):
            started = _seconds(at)
            if started is not None:
                yield started, f"{name}: container started", False
        reasons, codes = row.get("WHY", "").split(","), row.get("STATUS", "").split(",")
        for number, at in enumerate(row.get("ENDED", "").split(",")):
            ended = _seconds(at)
            if ended is not None:
                why, code = (said[number] if number < len(said) else "" for said in (reasons, codes))
                yield ended, f"{name}: container ended{f' with {code}' if code else ''}{f', {why}' if why else ''}", code != "0"


def _state_of_pm2(text: str) -> Iterator[Moment]:
    for line in text.splitlines():
        app = _json(line)
        if not isinstance(app, dict) or not isinstance(app.get("since"), (int, float)) or app["since"] <= 0:
            continue
        restarts, state = app.get("restarts"), str(app.get("state", ""))
        often = f", restarted {restarts} times" if isinstance(restarts, int) and restarts else ""
        yield app["since"] / 1000, f"app {app.get('name')} {app.get('number')}: started, {state} now{often}", state == "errored"


#: How what an engine said is read, by engine and kind of item.
_READ: Mapping[tuple[str, str], Callable[[str], Iterator[Moment]]] = {
    ("compose", "events"): _events_of_docker, ("compose", "state"): _state_of_docker,
    ("kubernetes", "events"): _events_of_kubernetes, ("kubernetes", "state"): _state_of_kubernetes, ("pm2", "state"): _state_of_pm2,
}


def _rows(text: str) -> Iterator[dict[str, str]]:
    """The rows of kubectl's columns, of which only the last one may have spaces; a table of another kind has a header of its own."""
    header: list[str] = []
    for line in text.splitlines():
        cells = line.split(None, max(len(header) - 1, 0)) if header else line.split()
        if not header or line.split() == header:
            header = line.split()
        elif len(cells) == len(header):
            yield {name: "" if cell.strip() == _NONE else cell.strip() for name, cell in zip(header, cells, strict=True)}


def _json(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _seconds(value: Any) -> float | None:
    """A moment of RFC 3339, in seconds since the epoch; None where there is none."""
    if not isinstance(value, str) or not value or value.startswith(_NEVER):
        return None
    try:
        return times.parse(value).timestamp()
    except (ValueError, OverflowError):
        return None
