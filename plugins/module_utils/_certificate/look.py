# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at everything that cert_expiry was asked about, at the same time, and judges it.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import time
import typing as t

from .._core.judging import Judged
from . import asking as after
from . import endpoint as endpoints
from . import files
from .asking import Asking
from .decisions.model import CONTENT, ENDPOINT, FILE, KUBECONFIG, Seen
from .decisions.report import Group, decide
from .decisions.targets import Endpoint, Pair, Place, Targets, Terms
from .decisions.time import ACME
from .decisions.verdict import Skew
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
    asking: Asking
    workers: int = 64
    max_seconds: float = 300.0
    passphrases: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    skew: Skew = dataclasses.field(default_factory=Skew)
    resolver: Resolver = endpoints.resolve
    now: t.Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.timezone.utc)


@dataclasses.dataclass(frozen=True)
class _Job:
    """A thing to look at.

    Attributes:
        names: that its certificate must be for.
        work: gives what was seen: several targets where an address, a file or a pattern is more than one.
        again: looks at one of them again, as if these intermediates were served as well; None where that makes no sense.
    """

    label: str
    terms: Terms
    names: tuple[str, ...]
    work: t.Callable[[], list[Seen]]
    kind: str
    again: t.Optional[t.Callable[[Seen, tuple[bytes, ...]], Seen]] = None


def look(request: Request, *, seconds: t.Optional[float] = None, asked: t.Optional[t.Sequence[str]] = None) -> Judged:
    """One look at all targets.

    Args:
        asked: the checks that must be answered; None: all that a target is judged by.
        seconds: for it, where that is less than the request's max_seconds; never less than one target may take.
    """
    wall = request.max_seconds if seconds is None else min(request.max_seconds, max(seconds, request.means.timeout))
    until = time.monotonic() + wall
    jobs, pairs = _jobs(request)
    seen = run_all(jobs, lambda job: job.work(), workers=request.workers, until=until, late=lambda job: [_late(job, request)])
    learnt = _ask(request, jobs, seen, until)
    groups = [Group(job.terms, job.names, tuple(found)) for job, found in zip(jobs, learnt)]
    return decide(groups, [(index, pair.reload) for index, pair in pairs], skew=request.skew, now=request.now(), asked=asked)


def _jobs(request: Request) -> tuple[list[_Job], list[tuple[int, Pair]]]:
    """What is to be done, and where in it the pairs are: the endpoint there, its file after it."""
    targets = request.targets
    jobs = [_endpoint_job(one, request) for one in targets.endpoints]
    jobs += [job for place in targets.files for job in _file_jobs(place, request)]
    jobs += [_Job(one.label, one.terms, one.terms.names, _bind(files.look_at_content, one), CONTENT) for one in targets.contents]
    jobs += [job for place in targets.kubeconfigs for job in _kubeconfig_jobs(place)]
    pairs = [(len(jobs) + 2 * index, pair) for index, pair in enumerate(targets.pairs)]
    for pair in targets.pairs:
        jobs += [_endpoint_job(pair.endpoint, request), _pair_file_job(pair, request)]
    return jobs, pairs


def _ask(request: Request, jobs: t.Sequence[_Job], seen: t.Sequence[t.Sequence[Seen]], until: float) -> list[list[Seen]]:
    """What was seen, with what others say about it where they were to be asked."""
    asking = request.asking
    flat = [(number, job, one) for number, (job, found) in enumerate(zip(jobs, seen)) for one in found]
    known = {cert.fingerprint: cert for _number, _job, one in flat for cert in one.chain[1:]}

    def wanted(job: _Job, one: Seen) -> bool:
        if one.leaf is None:
            return False
        return asking.revocation or _judges_file(job) or (asking.ari and job.terms.renewal == ACME) or (
            job.again is not None and after.lacks_issuer(one)
        )

    def work(item: tuple[int, _Job, Seen]) -> Seen:
        _number, job, one = item
        if job.again is not None and after.lacks_issuer(one):
            helpers = after.helpers_for(one, known.values(), asking)
            if helpers and job.again(one, helpers).trust.verified:
                one = dataclasses.replace(one, trust=dataclasses.replace(one.trust, completed=True))
        return after.after(one, job.terms, asking, now=request.now(), judge_file=_judges_file(job))

    def late(item: tuple[int, _Job, Seen]) -> Seen:
        _number, job, one = item
        advised = asking.ari and job.terms.renewal == ACME
        lost = [("revoked", asking.revocation), ("renew_advised", advised), ("untrusted", _judges_file(job))]
        notes = [(check, "the time of the whole call was up", "Raise max_seconds.") for check, asked in lost if asked]
        return dataclasses.replace(one, notes=(*one.notes, *notes))

    items = [item for item in flat if wanted(*item[1:])]
    learnt = dict(zip(((item[0], item[2].target) for item in items), run_all(
        items, work, workers=request.workers, until=until, late=late,
    )))
    found: list[list[Seen]] = [[] for _job in jobs]
    for number, _job, one in flat:
        found[number].append(learnt.get((number, one.target), one))
    return found


def _judges_file(job: _Job) -> bool:
    """Files are verified where somebody says against what."""
    return job.kind in (FILE, CONTENT) and bool(job.terms.ca_path)


def _late(job: _Job, request: Request) -> Seen:
    seen = endpoints.too_late(job.label, seconds=request.max_seconds)
    return seen if job.kind == ENDPOINT else dataclasses.replace(seen, kind=job.kind)


def _endpoint_job(endpoint: Endpoint, request: Request) -> _Job:
    found: dict[str, list[Address]] = {}

    def work() -> list[Seen]:
        try:
            where = endpoints.addresses(endpoint, resolver=request.resolver, timeout=request.means.timeout)
        except (OSError, UnicodeError) as exc:
            return [endpoints.unresolved(endpoint.label, exc, timeout=request.means.timeout)]
        if endpoint.resolve != "all" or len(where) == 1:
            found[endpoint.label] = where
        else:
            found.update({f"{endpoint.label} at {address.shown}": [address] for address in where})
        return [one for target, there in found.items() for one in endpoints.look(endpoint, there, target=target, means=request.means)]

    def again(seen: Seen, helpers: tuple[bytes, ...]) -> Seen:
        return endpoints.look_again(endpoint, found[seen.beside or seen.target], seen, means=request.means, helpers=helpers)

    return _Job(endpoint.label, endpoint.terms, endpoint.names, work, ENDPOINT, again)


def _file_jobs(place: Place, request: Request) -> list[_Job]:
    paths = files.expand(place)
    if not paths:
        return [_Job(place.path, place.terms, place.terms.names, lambda: [files.no_match(place, FILE)], FILE)]
    return [_Job(path, place.terms, place.terms.names, _bind(_look_at_file, path, place, request), FILE) for path in paths]


def _pair_file_job(pair: Pair, request: Request) -> _Job:
    path, terms = pair.file.path, pair.file.terms
    return _Job(path, terms, terms.names or pair.endpoint.names, _bind(_look_at_file, path, pair.file, request), FILE)


def _look_at_file(path: str, place: Place, request: Request) -> list[Seen]:
    return files.look_at_file(path, place, passphrase=passphrase_for(path, request.passphrases))


def passphrase_for(path: str, passphrases: t.Mapping[str, str]) -> str:
    """The passphrase of a file, by its path or the first pattern that it matches; "" for none."""
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
