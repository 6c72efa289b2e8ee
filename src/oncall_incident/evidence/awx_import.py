# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An AWX job's events as a run's record: the same types, each with the AWX event it came from, and what AWX had dropped."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.oncall.incident.plugins.module_utils._core import hosts
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader, verify
from ansible_collections.oncall.incident.plugins.plugin_utils._record.redact import Redactor
from ansible_collections.oncall.incident.plugins.plugin_utils._record.writer import Segment

from ..errors import Stop
from ..exits import Exit
from ..who import opening
from . import times
from .awx_events import Mapper

_SECONDS = 60.0
#: A page of 200 events, each at most AWX's own limit of a result.
_MOST_BYTES = 512 << 20
_OVER = frozenset({"successful", "failed", "error", "canceled"})

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Imported:
    """An import that is complete.

    Attributes:
        events: of AWX that are in the record; dropped: those of them of which AWX had dropped something.
        missing: numbers of events that AWX does not have.
        notes: what is not whole, in words.
    """

    run: str
    run_dir: Path
    events: int
    dropped: int
    missing: int
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """As data."""
        return {**dataclasses.asdict(self), "run_dir": str(self.run_dir)}


class _StayThere(urllib.request.HTTPRedirectHandler):
    """A redirection to another host would take the token there."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urllib.parse.urlsplit(newurl)[:2] != urllib.parse.urlsplit(req.full_url)[:2]:
            raise urllib.error.URLError(f"it redirects to another host, {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class Client:
    """AWX's API, read only."""

    def __init__(self, url: str, environ: Mapping[str, str]) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise Stop(f"--url: {url} is not an AWX URL.", hint="Write it as https://awx.example.org")
        self._base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._opener = urllib.request.build_opener(_StayThere())
        self._headers = {"Accept": "application/json", **_authorization(environ)}

    def get(self, path: str) -> dict[str, Any]:
        """A JSON object.

        Raises:
            Stop: AWX cannot be reached, refuses, or answers with something else.
        """
        address = urllib.parse.urljoin(self._base, path)
        if not address.startswith(f"{self._base}/"):
            raise Stop(f"AWX's answer leads to another host: {address}.", hint="Find out what answers there.", status=Exit.FAILED)
        try:
            with self._opener.open(urllib.request.Request(address, headers=self._headers), timeout=_SECONDS) as answer:
                text = answer.read(_MOST_BYTES + 1)
        except urllib.error.HTTPError as exc:
            hint = "Set INCIDENT_AWX_TOKEN." if exc.code in (401, 403) else "Check the job's number and the address."
            raise Stop(f"{address}: AWX answers {exc.code} {exc.reason}.", hint=hint, status=Exit.FAILED) from exc
        except (OSError, urllib.error.URLError) as exc:
            raise Stop(
                f"{address} cannot be read: {getattr(exc, 'reason', exc)}.", hint="The same command goes on where this one stopped.",
                status=Exit.FAILED,
            ) from exc
        try:
            value = json.loads(text) if len(text) <= _MOST_BYTES else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise Stop(f"{address} answers with no JSON object that can be read.", hint="Is that AWX?", status=Exit.FAILED)
        return value


def run(job: int, *, url: str, home: Path, page_size: int = 200) -> Imported:
    """Import a job; what an earlier attempt wrote stays.

    Raises:
        Stop: AWX cannot be read, or the job is not over.
        CannotRecord: it cannot be written.
    """
    url = hosts.plain(url)
    client = Client(url, os.environ)
    facts = client.get(f"/api/v2/jobs/{job}/")
    if facts.get("status") not in _OVER:
        raise Stop(f"Job {job} is {facts.get('status')}.", hint="Import it when it is over.")
    try:
        run_id = _run_id(facts, url, job)
    except ValueError as exc:
        raise _strange(f"job {job} has no time when it started") from exc
    run_dir = layout.runs_dir(home) / run_id
    done, following, counters, dropped = _so_far(run_dir)
    if not done:
        redactor = _redactor(home, run_id, facts)
        first = f"/api/v2/jobs/{job}/job_events/?order_by=counter&page_size={page_size}"
        segment = Segment.open(run_dir, run=run_id, redactor=redactor, opening=_opening(facts, url), resume=True)
        try:
            if not counters and following is None:
                segment.append("run.open", _opened(facts))
            dropped += _pages(client, following or first, segment, counters)
            missing = sorted(set(range(1, max(counters, default=0) + 1)) - counters)
            _finish(segment, facts, missing, len(counters), dropped)
        finally:
            segment.abandon()  # what was read stays; the same command goes on from here
    missing = sorted(set(range(1, max(counters, default=0) + 1)) - counters)
    return Imported(run_id, run_dir, len(counters), dropped, len(missing), tuple(_notes(facts, missing)))


def _pages(client: Client, path: str, segment: Segment, counters: set[int]) -> int:
    mapper, dropped = Mapper(), 0
    seen: set[str] = set()
    while path:
        if path in seen:
            raise _strange(f"{path} comes after itself")
        seen.add(path)
        page = client.get(path)
        results = page.get("results")
        if not isinstance(results, list):
            raise Stop(f"{path}: AWX's answer has no results.", hint="Is that AWX?", status=Exit.FAILED)
        if not all(isinstance(item, dict) and isinstance(item.get("counter"), int) for item in results):
            raise _strange(f"{path} has an event without a number")
        for event in sorted(results, key=lambda item: int(item["counter"])):
            number = int(event["counter"])
            mapped = mapper.map(event)
            if number in counters:
                continue
            for position, (kind, payload) in enumerate(mapped, start=1):
                segment.append(kind, payload, sync=False)
                dropped += position == 1 and bool(payload["awx"].get("dropped"))
            counters.add(number)
        path = str(page.get("next") or "")
        segment.append("awx.page", {"next": path, "count": page.get("count")})
    return dropped


def _so_far(run_dir: Path) -> tuple[bool, str | None, set[int], int]:
    """What an earlier attempt left: whether it was complete, the next page, the events, and how many of them were not whole."""
    following: str | None = None
    counters: set[int] = set()
    dropped = 0
    for event in reader.read(run_dir):
        if event.get("type") == "awx.page":
            following = str(event.get("next") or "")
        elif isinstance(event.get("awx"), dict) and "counter" in event["awx"]:
            number = int(event["awx"]["counter"])
            dropped += number not in counters and bool(event["awx"].get("dropped"))
            counters.add(number)
    done = bool(layout.segments(run_dir)) and verify.check(run_dir).status == verify.OK
    return done, following, counters, dropped


def _strange(what: str) -> Stop:
    return Stop(f"AWX's answer is not understood: {what}.", hint="Is that AWX 23 or newer?", status=Exit.FAILED)


def _finish(segment: Segment, facts: Json, missing: list[int], events: int, dropped: int) -> None:
    if missing:
        segment.append("record.degraded", {"lost": len(missing), "why": f"AWX has no events with the numbers {_ranges(missing)}"})
    segment.append("import.end", {
        "events": events, "dropped": dropped, "missing": len(missing), "status": facts.get("status"), "finished": facts.get("finished"),
        "at": str(facts.get("finished") or facts.get("modified")), "elapsed": facts.get("elapsed"),
    })
    segment.close({"ended": "normal"})


def _notes(facts: Json, missing: list[int]) -> Iterator[str]:
    if missing:
        yield f"AWX does not have {len(missing)} of the job's events: {_ranges(missing)}"
    if not facts.get("event_processing_finished", True):
        yield "AWX has not finished taking in the job's events: there may be more"


def _ranges(numbers: list[int]) -> str:
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found[:20])
    return shown + (f" and {len(found) - 20} more ranges" if len(found) > 20 else "")


def _run_id(facts: Json, url: str, job: int) -> str:
    """The same for the same job, so that an import goes on where it stopped."""
    started = times.parse(str(facts.get("started") or facts.get("created")))
    fresh = layout.new_run_id(f"awx-{job}-{str(facts.get('name') or 'job').replace('.', '-')}", now=started.timestamp())
    host = urllib.parse.urlsplit(url).netloc.rpartition("@")[2]
    return f"{fresh.rpartition('-')[0]}-{hashlib.sha256(f'{host}/{job}'.encode()).hexdigest()[:6]}"


def _redactor(home: Path, run_id: str, facts: Json) -> Redactor:
    redactor = Redactor.for_run(home, run_id)
    redactor.leave([run_id])
    redactor.learn_environment(os.environ)
    for text in (facts.get("extra_vars"), facts.get("artifacts")):
        try:
            value = json.loads(text) if isinstance(text, str) else text
        except ValueError:
            continue
        if isinstance(value, dict):
            redactor.learn_named(value)
    environment = facts.get("job_env")
    if isinstance(environment, dict):
        redactor.learn_environment({str(key): str(value) for key, value in environment.items()})
    return redactor


def _opening(facts: Json, url: str) -> dict[str, Any]:
    return {
        **opening({}), "kind": "awx", "imported_from": urllib.parse.urlsplit(url).netloc.rpartition("@")[2],
        "playbook": facts.get("playbook"), "argv": facts.get("job_args"), "check_mode": facts.get("job_type") == "check",
        "limit": facts.get("limit"), "tags": facts.get("job_tags"), "skip_tags": facts.get("skip_tags"),
    }


def _opened(facts: Json) -> dict[str, Any]:
    launched = facts.get("launched_by")
    return {
        "scenario": facts.get("name"), "playbook": facts.get("playbook"), "check": facts.get("job_type") == "check",
        "by": launched.get("name") if isinstance(launched, dict) else "", "at": str(facts.get("started") or facts.get("created")),
        "awx": {key: facts.get(key) for key in (
            "id", "name", "status", "launch_type", "created", "started", "finished", "scm_revision", "execution_node", "controller_node",
            "inventory", "project", "execution_environment", "job_explanation",
        )},
        "lacks": ["task arguments where a result has no invocation", "reasons of skipped tasks", "results over AWX's limit"],
    }


def _authorization(environ: Mapping[str, str]) -> dict[str, str]:
    token = environ.get("INCIDENT_AWX_TOKEN")
    if token:
        return {"Authorization": f"Bearer {token}"}
    name, secret = environ.get("INCIDENT_AWX_USER"), environ.get("INCIDENT_AWX_PASSWORD")
    if name and secret:
        return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode("ascii")}
    return {}
