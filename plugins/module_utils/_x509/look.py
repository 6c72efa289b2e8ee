# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at everything that cert_expiry was asked about, at the same time, and judges it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import time
import typing as t

from .._core.cert_model import ENDPOINT, FILE, KUBECONFIG, Seen
from .._core.cert_report import report
from .._core.cert_targets import Endpoint, Pair, Place, Targets, Terms
from .._core.cert_verdict import Judged, Skew, compare_pair, expect, judge
from . import endpoint as endpoints
from . import files
from .endpoint import Address, Means, Resolver
from .pool import run_all


@dataclasses.dataclass(frozen=True)
class Request:
    """What is to be looked at and how.

    Attributes:
        max_seconds: for everything together: a hard wall.
        passphrases: by path or pattern.
    """

    targets: Targets
    means: Means
    workers: int = 64
    max_seconds: float = 300.0
    passphrases: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    skew: Skew = dataclasses.field(default_factory=Skew)
    resolver: Resolver = endpoints.resolve
    now: t.Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.timezone.utc)


@dataclasses.dataclass(frozen=True)
class _Job:
    """A thing to look at: `work` gives what was seen, by whose terms it is judged, and whether the names count."""

    label: str
    terms: Terms
    names: tuple[str, ...]
    work: t.Callable[[], list[Seen]]
    kind: str


def look(request: Request) -> dict[str, t.Any]:
    """One look at all targets; the module's result without what Ansible adds."""
    until = time.monotonic() + request.max_seconds
    judged, pairs = _look(request, until)
    now = request.now()
    for endpoint, file, reload in pairs:
        for one in endpoint:
            compare_pair(one, file[0], reload=reload, now=now)
    for one in judged:
        expect(one)
    return report(judged, now=now)


def _look(request: Request, until: float) -> tuple[list[Judged], list[tuple[list[Judged], list[Judged], str]]]:
    targets = request.targets
    jobs = [_endpoint_job(one, request) for one in targets.endpoints]
    jobs += [job for place in targets.files for job in _file_jobs(place, request)]
    jobs += [_Job(one.label, one.terms, one.terms.names, _bind(files.look_at_content, one), "content") for one in targets.contents]
    jobs += [job for place in targets.kubeconfigs for job in _kubeconfig_jobs(place)]
    paired = [(len(jobs) + 2 * index, pair) for index, pair in enumerate(targets.pairs)]
    for _index, pair in paired:
        jobs += [_endpoint_job(pair.endpoint, request), *_pair_file_jobs(pair, request)]

    def late(job: _Job) -> list[Seen]:
        return [dataclasses.replace(endpoints.too_late(job.label, seconds=request.max_seconds), kind=job.kind)]

    seen = run_all(jobs, lambda job: job.work(), workers=request.workers, until=until, late=late)
    now = request.now()
    judged = [
        [judge(one, job.terms, names=job.names, now=now, skew=request.skew) for one in found] for job, found in zip(jobs, seen)
    ]
    pairs = [(judged[index], judged[index + 1], pair.reload) for index, pair in paired]
    return [one for found in judged for one in found], pairs


def _endpoint_job(endpoint: Endpoint, request: Request) -> _Job:
    def work() -> list[Seen]:
        try:
            where = endpoints.addresses(endpoint, resolver=request.resolver, timeout=request.means.timeout)
        except (OSError, UnicodeError) as exc:
            return [endpoints.unresolved(endpoint.label, exc, timeout=request.means.timeout)]
        if endpoint.resolve != "all" or len(where) == 1:
            return [endpoints.look(endpoint, where, target=endpoint.label, means=request.means)]
        return [_look_at(endpoint, address, request) for address in where]

    return _Job(endpoint.label, endpoint.terms, endpoint.names, work, ENDPOINT)


def _look_at(endpoint: Endpoint, address: Address, request: Request) -> Seen:
    """One address of several behind a name."""
    return endpoints.look(endpoint, [address], target=f"{endpoint.label} at {address.shown}", means=request.means)


def _file_jobs(place: Place, request: Request) -> list[_Job]:
    paths = files.expand(place)
    if not paths:
        return [_Job(place.path, place.terms, place.terms.names, lambda: [files.no_match(place, FILE)], FILE)]
    return [
        _Job(path, place.terms, place.terms.names, _bind(_look_at_file, path, place, request), FILE) for path in paths
    ]


def _pair_file_jobs(pair: Pair, request: Request) -> list[_Job]:
    names = pair.file.terms.names or pair.endpoint.names
    return [_Job(pair.file.path, pair.file.terms, names, _bind(_look_at_file, pair.file.path, pair.file, request), FILE)]


def _look_at_file(path: str, place: Place, request: Request) -> list[Seen]:
    return files.look_at_file(path, place, passphrase=passphrase_for(path, request.passphrases))


def passphrase_for(path: str, passphrases: t.Mapping[str, str]) -> str:
    """The passphrase of a file, by its path or the first pattern that it matches; "" for none."""
    import fnmatch

    if path in passphrases:
        return passphrases[path]
    return next((secret for pattern, secret in passphrases.items() if fnmatch.fnmatch(path, pattern)), "")


def _kubeconfig_jobs(place: Place) -> list[_Job]:
    paths = files.expand(place)
    if not paths:
        return [_Job(place.path, place.terms, (), lambda: [files.no_match(place, KUBECONFIG)], KUBECONFIG)]
    return [_Job(path, place.terms, place.terms.names, _bind(files.look_at_kubeconfig, path), KUBECONFIG) for path in paths]


def _bind(call: t.Callable[..., list[Seen]], *args: t.Any) -> t.Callable[[], list[Seen]]:
    return lambda: call(*args)
