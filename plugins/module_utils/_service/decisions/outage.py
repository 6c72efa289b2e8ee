# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a host are started or restarted in an outage, why, and why not.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.errors import BadInput
from ..._core.findings import CRITICAL, OK
from ..._core.words import words_list
from .calls import RESTART, SCALE, START
from .doing import is_running, steps
from .guards import against_connections, against_crash_loop, against_dependencies, against_storm
from .health import DECISIVE
from .services import Service, services_of

Dict = t.Mapping[str, t.Any]

#: What http_health answers, and the module's own words for it.
APPLICATION = ("application", "dependency")
#: What is asked besides of a service of this runtime: pods may run while the newest are not all there, or nobody is led to them.
_MORE = {"kubernetes": ("rollout", "endpoints")}
#: Between the name of a service and that of its probe.
_OF = ": "
#: What shows of a service that a restart may help, each by its finding: nothing but the runtime's word, or the application's own.
_ILL = {"health": "its health check fails", "ready": "it takes no work", "running": "too few of its instances run"}


def probes(services: t.Sequence[Dict], *, scope: str) -> list[dict[str, t.Any]]:
    """The probes of the services that are asked from one place, each named after its service.

    Args:
        services: as entries of the list.
        scope: `host` or `controller`.
    """
    found = []
    for service in services_of(services):
        for probe in service.health:
            name = str(probe.get("name") or probe.get("url"))
            found.append({**probe, "name": name if name == service.name else f"{service.name}{_OF}{name}"})
    return [one for one in found if str(one.get("scope") or "host") == scope]


def verify_asks(named: t.Union[str, t.Sequence[str]], *, services: t.Sequence[Dict]) -> dict[str, list[str]]:
    """The names of all checks (`all`), and of those that service_health answers (`runtime`).

    Args:
        named: the checks of service_health that the operator names. Where they are the usual ones, those of a runtime alone are added.
        services: as entries of the list; the probes of one are asked too.

    Raises:
        BadInput: no check is named, or the host names no service. It would be called healthy without a look at it.
    """
    runtime = list(dict.fromkeys(words_list(named)))
    if not runtime:
        raise BadInput("service_verify_checks names no check.", hint="Name the checks that must hold, for example running,restarts,health.")
    if not services:
        raise BadInput("services: this host names no service.", hint="Set services, or service_name for a host with one service.")
    if set(runtime) == set(DECISIVE):
        runtime += dict.fromkeys(check for one in services_of(services) for check in _MORE.get(one.runtime, ()))
    return {"runtime": runtime, "all": [*runtime, *(APPLICATION if any(one.get("health") for one in services) else ())]}


def asked_of(checks: t.Sequence[str]) -> dict[str, t.Any]:
    """Who is asked for these checks, as verify_asks() names all.

    Returns:
        runtime: those of service_health. application: whether the probes are asked.
    """
    return {"runtime": [one for one in checks if one not in APPLICATION], "application": any(one in APPLICATION for one in checks)}


def latest(looks: t.Iterable[t.Optional[Dict]]) -> Dict:
    """The last of these looks that was made; empty where none was."""
    made = [one for one in looks if one and not one.get("skipped")]
    return made[-1] if made else {}


def remedies(
    services: t.Sequence[Dict], *, health: t.Sequence[Dict], answers: t.Sequence[t.Sequence[Dict]], per_hour: int,
    looks: t.Optional[t.Sequence[Dict]] = None, limit: t.Any = "",
) -> dict[str, t.Any]:
    """What is to be done for each service: by its name the verb (`do`), the `reason`, and what is `against` it; and whether any is
    started (`starts`) or restarted (`restarts`).

    A look that failed tells nothing, and nothing is done because of what could not be seen.

    Args:
        services: as entries of the list.
        health: what service_health returned, its failures too, the last look last; one that was not made counts for nothing.
        answers: the same of http_health, from each place.
        per_hour: how often a service may be started within an hour.
        looks: what service_instances returned for each service, in the same order, with the starts of the last hour.
        limit: how many connections all pools of the host may have together, by the operator's word; empty where nobody says it. What is
            scaled comes back to the number that it should have, so nothing is refused without that word.
    """
    known = services_of(services)
    seen = _Seen(known, latest(health), [latest(one) for one in answers])
    starts = {service.name: look.get("starts_lately") or {} for service, look in zip(known, looks or ())}
    chosen: dict[str, dict[str, t.Any]] = {}
    for service in known:
        do, why = seen.wrong_with(service)
        if do:
            chosen[service.name] = {"do": do, "reason": why, "against": []}
    well = seen.well()
    for service in known:
        one = chosen.get(service.name)
        if one is None:
            continue
        # A dependency that comes before it in the list and is helped itself is up by then, or this is never reached.
        earlier = [other.name for other in known[:known.index(service)] if other.name in chosen and not chosen[other.name]["against"]]
        against = against_dependencies(service.name, service.depends_on, well={**well, **dict.fromkeys(earlier, True)})
        against += seen.against_what_it_says(service.name)
        if one["do"] == RESTART:
            against += against_crash_loop(service.name, seen.instances(service.name), restarts=seen.finding("restarts", service.name))
            against += against_storm(service.name, starts.get(service.name, {}), per_hour=per_hour)
        if one["do"] == SCALE and limit != "":
            against += against_connections(
                service.name, pool=service.pool, count=service.desired or 0, before=len(seen.instances(service.name)),
                total=sum(other.pool * _should_be(other, chosen, seen) for other in known), capacities=[], limit=limit,
            )
        one["against"] = against
    return {
        "services": chosen, "starts": any(one["do"] != RESTART for one in chosen.values()),
        "restarts": any(one["do"] == RESTART for one in chosen.values()),
    }


def _should_be(service: Service, chosen: t.Mapping[str, Dict], seen: _Seen) -> int:
    """How many instances it has once it is scaled."""
    scaled = chosen.get(service.name, {}).get("do") == SCALE
    return (service.desired or 0) if scaled else len(seen.instances(service.name))


def remedy_steps(
    services: t.Sequence[Dict], *, plan: Dict, rung: str, looks: t.Sequence[Dict], told: Dict,
) -> list[dict[str, t.Any]]:
    """The steps of a rung, in the order of the services.

    Args:
        services: as entries of the list.
        plan: of remedies().
        rung: `start` or `restart`.
        looks: what service_instances returned for each service, in the same order.
        told: see steps().
    """
    found: list[dict[str, t.Any]] = []
    for service in services_of(services):
        one = plan["services"].get(service.name)
        if one is None or (one["do"] == RESTART) != (rung == RESTART):
            continue
        found += steps(
            services, do=one["do"], looks=looks, told={**told, "reason": one["reason"]}, only=[service.name],
            against={service.name: one["against"]}, count=service.desired,
        )
    return _each_once(found)


def _each_once(found: t.Sequence[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """The steps; what is behind several services is reloaded once, after the last of them."""
    last = {_key(one): place for place, one in enumerate(found)}
    return [one for place, one in enumerate(found) if last[_key(one)] == place]


def _key(step: Dict) -> tuple[str, str, str]:
    return step["name"], step["do"], str(step["target"])


class _Seen:
    """What the looks say of each service."""

    def __init__(self, services: t.Sequence[Service], health: Dict, answers: t.Sequence[Dict]) -> None:
        self._services = services
        self._health = health
        self._findings = [one for one in health.get("findings") or () if not health.get("failed")]
        self._answers = [one for look in answers for one in look.get("findings") or () if not look.get("failed")]
        self._asked = bool(self._findings)

    def instances(self, name: str) -> list[Dict]:
        return [one for one in self._health.get("instances") or () if one.get("service") == name]

    def finding(self, check: str, name: str) -> Dict:
        return next((one for one in self._findings if one["check"] == check and one.get("subject") == name), {})

    def wrong_with(self, service: Service) -> tuple[str, str]:
        """What helps, and why; two empty texts where nothing is known to be wrong, or nothing of ours helps."""
        if service.one_shot or not self._asked:
            return "", ""
        name, instances = service.name, self.instances(service.name)
        running = self.finding("running", name)
        present = self.finding("present", name)
        if present.get("status") == CRITICAL or (running.get("status") == CRITICAL and not any(map(is_running, instances))):
            # What its runtime goes on starting is between two starts, and needs none of ours.
            dying = any(one.get("restarting") for one in instances)
            return (RESTART if dying else START), _said(present if present.get("status") == CRITICAL else running, "none of it runs")
        if running.get("status") not in (OK, None) and running.get("observed") is not None:
            idle = [one for one in instances if not is_running(one)]
            return (START if idle or service.desired is None else SCALE), _said(running, _ILL["running"])
        for check in ("health", "ready"):
            found = self.finding(check, name)
            if found.get("status") == CRITICAL:
                return RESTART, _said(found, _ILL[check])
        if self.finding("restarts", name).get("status") == CRITICAL:
            return RESTART, _said(self.finding("restarts", name), "it goes on crashing")
        failing = [one for one in self._of(name) if one["check"] == "application" and one["status"] == CRITICAL]
        return (RESTART, _said(failing[0], "it does not answer as it should")) if failing else ("", "")

    def against_what_it_says(self, name: str) -> list[str]:
        """What it says itself of what it needs: a restart does not make that answer."""
        down = [one for one in self._of(name) if one["check"] == "dependency" and one["status"] == CRITICAL]
        return [f"{one['subject']} is {one['observed']}, by its own word: restart does not help that" for one in down[:3]]

    def well(self) -> dict[str, t.Optional[bool]]:
        """Whether each service and each probe is well; None where that could not be seen."""
        found: dict[str, t.Optional[bool]] = {}
        for service in self._services:
            wrong, _why = self.wrong_with(service)
            status = self.finding("running", service.name).get("status")
            found[service.name] = False if wrong else True if status == OK else None if status is None else False
        for one in self._answers:
            if one["check"] == "application":
                well = True if one["status"] == OK else False if one["status"] == CRITICAL else None
                for name in (str(one["subject"]), str(one["subject"]).partition(_OF)[2]):
                    found.setdefault(name, well)
        return found

    def _of(self, name: str) -> list[Dict]:
        return [one for one in self._answers if str(one.get("subject")) == name or str(one.get("subject")).startswith(name + _OF)]


def _said(finding: Dict, otherwise: str) -> str:
    return str(finding.get("hint") or f"{finding.get('subject')}: {otherwise}.")
