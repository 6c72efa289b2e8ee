# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done to the services of a host, one step after the other, and what shows that a step worked.

This module util is PRIVATE to the collection: it may change at any time.

A step is data for the action plugin act: whom it is about, what was seen of it, what is run, and how it is measured. One instance is one
step where the runtime can restart it alone, so that the others go on serving.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import BadInput
from ..._core.suggest import suggest
from .calls import RELOAD, RESTART, SCALE, START, STOP, call_of, refused
from .compose import compose_argv
from .guards import against_connections
from .services import Service, services_of

Dict = t.Mapping[str, t.Any]

#: Runtimes in which one instance of several can be restarted or reloaded alone.
_ONE_BY_ONE = ("compose", "pm2")
#: States of an instance that has a process, where its runtime says no more than a state.
_RUNNING = ("running", "active", "paused", "restarting", "reloading")
#: Of `where`, what no person needs to tell two services apart, or what is a command.
_NOT_TOLD = ("daemon", "kubeconfig")


def entries(services: t.Any, *, short: Dict) -> list[dict[str, t.Any]]:
    """The services of a host, each as an entry of the list, in the order in which they are started.

    Args:
        services: the host's list.
        short: its single variables, for a host with one service: name, runtime, scope, directory, files, command, container_command,
            reload, validate. With a name they go before the list: another role says so whom it means.

    Raises:
        BadInput: an entry is not usable, or names a proxy that is not in the list or cannot be reloaded.
    """
    if short["name"]:
        return [_of_short(short)]
    found = services_of(services)
    names = [one.name for one in found]
    for one in found:
        for proxy in one.proxies:
            if proxy not in names or proxy == one.name:
                raise _no_such(f"service {one.name}: proxies", proxy, names)
            _require_reload(found[names.index(proxy)])
    return [_plain(one) for one in found]


def _require_reload(service: Service) -> None:
    """Containers have no reload of their own."""
    if service.runtime == "compose" and not service.where.get("reload"):
        raise BadInput(
            f"{service.name} runs in containers: set service_reload_command to what reloads it inside one.",
            hint="Give the command, such as [nginx, -s, reload]; in the list services it is where.reload.",
        )


def _no_such(place: str, name: t.Any, names: t.Sequence[str]) -> BadInput:
    return BadInput(
        f"{place}: there is no service {name} in the list services.",
        hint=f"{suggest(str(name), names)}The names are {', '.join(names) or 'none'}.",
    )


def _of_short(short: Dict) -> dict[str, t.Any]:
    if short["runtime"] == "compose":
        where = {key: short[key] for key in ("directory", "files", "command", "container_command")}
    else:
        where = {"scope": short["scope"]}
    reload = {"reload": short["reload"]} if short["reload"] else {}
    entry = {"name": short["name"], "runtime": short["runtime"], "where": {**where, **reload}}
    (service,) = services_of([{**entry, "validate": short["validate"]} if short["validate"] else entry])
    return _plain(service)


def _plain(service: Service) -> dict[str, t.Any]:
    """An entry without what is as it is without saying so, so that it reads like the inventory."""
    usual = {field.name: field.default for field in dataclasses.fields(Service) if field.default is not dataclasses.MISSING}
    said = {key: value for key, value in vars(service).items() if key not in usual or value != usual[key]}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in said.items()}


def steps(
    services: t.Sequence[Dict], *, do: str, looks: t.Sequence[Dict], told: Dict, only: t.Optional[t.Sequence[str]] = None,
    against: t.Optional[t.Mapping[str, t.Sequence[str]]] = None, count: t.Optional[int] = None,
) -> list[dict[str, t.Any]]:
    """What is done, in order.

    Args:
        services: of entries().
        do: one of the verbs of calls.py.
        looks: what service_instances returned for each, in the same order; its failures too.
        told: verb (how plan and record call it; empty for the usual word), reason, forbidden (of the caller, for all), start (a restart
            only starts what does not run), timeout, hold, and evidence, see done().
        only: names of those that are meant; none for all.
        against: why it must not be done, by the name of a service.
        count: of `scale`.

    Raises:
        BadInput: there is no entry, one is not usable, or a name of `only` is not there.
    """
    if not services:
        raise BadInput("services: this host names no service.", hint="Set services, or service_name for a host with one service.")
    do = START if told["start"] and do == RESTART else do
    found_of = dict(enumerate(looks))
    known = {service.name: (service, found_of.get(number, {})) for number, service in enumerate(services_of(services))}
    for name in only or ():
        if name not in known:
            raise _no_such("service_names", name, list(known))
    names = [name for name in known if not only or name in only]
    for name in names if do == RELOAD else ():
        _require_reload(known[name][0])
    found: list[dict[str, t.Any]] = []
    for name in reversed(names) if do == STOP else names:
        service, look = known[name]
        against_it = [*told["forbidden"], *((against or {}).get(name) or ())]
        found += [_step(service, do, look=look, meant=meant, told=told, against=against_it, count=count)
                  for meant in _portions(service, do, look)]
    if do in (START, RESTART):
        found += _behind(names, known=known, told=told, against=against or {})
    return found


def _behind(
    names: t.Sequence[str], *, known: t.Mapping[str, tuple[Service, Dict]], told: Dict, against: t.Mapping[str, t.Sequence[str]],
) -> t.Iterator[dict[str, t.Any]]:
    """The reloads of the proxies of what was started: they may hold an address that is gone. One that does not run holds none."""
    started = [name for name in names if not against.get(name)]
    proxies = dict.fromkeys(
        proxy for name in started for proxy in known[name][0].proxies
        if proxy not in names and not _is_down(known[proxy][1])
    )
    for proxy in proxies:
        service, look = known[proxy]
        of = ", ".join(name for name in started if proxy in known[name][0].proxies)
        reason = f"It may hold the address that {of} had before."
        yield from (
            _step(service, RELOAD, look=look, meant=meant, told={**told, "verb": "", "start": False, "reason": reason},
                  against=told["forbidden"], count=None)
            for meant in _portions(service, RELOAD, look)
        )


def _is_down(look: Dict) -> bool:
    """Whether a service was seen to have nothing that runs."""
    instances = look.get("instances")
    return instances is not None and not look.get("failed") and not any(is_running(one) for one in instances)


def _portions(service: Service, do: str, look: Dict) -> list[list[Dict]]:
    """The instances of each step."""
    instances = list(look.get("instances") or ())
    if do in (RESTART, RELOAD) and service.runtime in _ONE_BY_ONE and len(instances) > 1:
        return [[one] for one in instances]
    return [instances]


def _step(
    service: Service, do: str, *, look: Dict, meant: t.Sequence[Dict], told: Dict, against: t.Sequence[str], count: t.Optional[int],
) -> dict[str, t.Any]:
    seen = not look.get("failed") and look.get("instances") is not None
    # Nothing is called that was not seen: act looks too, and what it is told here is that nobody could.
    call = call_of(service, do, instances=meant, count=count) if seen else refused()
    alone = len(meant) < len(look.get("instances") or ())
    args = dict(call.args)
    if call.module == "oncall.incident.service_exec":
        args["timeout"] = told["timeout"]
    evidence = _evidence(service, told) if do == RELOAD else ""
    return {
        "name": service.name, "do": do, "verb": told["verb"] or f"{do}_service", "reason": told["reason"],
        "target": {
            "runtime": service.runtime, **_told_where(service), "service": service.identity,
            **({"instance": str(meant[0].get("name") or meant[0]["id"])} if alone else {}),
            **({"start": True} if told["start"] else {}), **({"count": count} if do == SCALE else {}),
        },
        "forbidden": [*against, *call.forbidden], "module": call.module or "ansible.builtin.command", "args": args,
        "seen": seen, "judged": {str(one["id"]): str(one["start"]) for one in meant}, "count": count, "evidence": evidence,
        "validating": validating(service) if do == RELOAD and service.validate else {},
        "look": {"service": _plain(service), "workers": do == RELOAD},
        "hold": "0s" if do == STOP or (do == RELOAD and evidence != "start") else told["hold"],
        "interval": "500ms" if do == RELOAD else "1s",
    }


def _told_where(service: Service) -> dict[str, t.Any]:
    """What tells it from a service of the same name elsewhere: of its place what is a plain text."""
    if service.runtime == "compose":
        return {"project": str(service.where.get("directory", ""))}
    if service.runtime == "systemd":
        return {"scope": str(service.where.get("scope", "system"))}
    return {key: value for key, value in sorted(service.where.items()) if isinstance(value, str) and key not in _NOT_TOLD}


def _evidence(service: Service, told: Dict) -> str:
    """What shows a reload: a container's runtime keeps no time of it, and pm2 starts each process again."""
    usual = {"systemd": str(told.get("evidence") or "state"), "compose": "workers"}
    return usual.get(service.runtime, "start")


def validating(service: t.Union[Service, Dict]) -> dict[str, t.Any]:
    """How the configuration of a service is tested: its `name`, the command where it runs (`argv`), and what is configured (`said`)."""
    if not isinstance(service, Service):
        (service,) = services_of([service])
    argv = list(service.validate)
    return {"name": service.name, "argv": [*inside([_plain(service)]), *argv], "said": " ".join(argv)}


def inside(entries: t.Sequence[Dict]) -> list[str]:
    """The words before a command so that it runs where the first service does: on its host, or in its container. None without a service."""
    found = services_of(entries)
    if not found or found[0].runtime != "compose":
        return []
    service = found[0]
    where = service.where
    return compose_argv(
        where.get("command", ["docker", "compose"]), directory=str(where.get("directory", "")), files=where.get("files", []),
        words=["exec", "-T", service.identity],
    )


def subjects(services: t.Sequence[Dict]) -> list[str]:
    """What the leases are on: the services, each as its runtime knows it."""
    found = [" ".join(["service", one.runtime, *_told_where(one).values(), one.identity]) for one in services_of(services)]
    return found or ["the services of this host"]


def places(services: t.Sequence[Dict]) -> list[str]:
    """Where services run, for people: each runtime and place with the names of those that it runs."""
    found: dict[str, list[str]] = {}
    for one in services_of(services):
        found.setdefault(" ".join(text for text in (one.runtime, *_told_where(one).values()) if text), []).append(one.name)
    return [f"{place}: {', '.join(names)}" for place, names in found.items()]


def pools(services: t.Sequence[Dict], *, looks: t.Sequence[Dict], count: int, only: t.Optional[t.Sequence[str]] = None) -> int:
    """How many connections the services of a host may open together once those that are meant are scaled.

    Args:
        services, looks, count, only: see steps().
    """
    return sum(
        service.pool * (count if not only or service.name in only else len(look.get("instances") or ()))
        for service, look in zip(services_of(services), looks)
    )


def scale_against(
    services: t.Sequence[Dict], *, looks: t.Sequence[Dict], count: int, total: int, capacities: t.Sequence[t.Any], limit: t.Any,
) -> dict[str, list[str]]:
    """Why services must not be scaled, by name.

    Args:
        services, looks, count: see steps().
        total: connections that all services of the run may open then.
        capacities, limit: see against_connections().
    """
    return {
        service.name: against_connections(
            service.name, pool=service.pool, count=count, before=len(look.get("instances") or ()), total=total, capacities=capacities,
            limit=limit,
        ) for service, look in zip(services_of(services), looks)
    }


def looked(measured: Dict, *, step: Dict) -> bool:
    """Whether a look tells anything: it did not fail, and neither did the one that the step was made from."""
    return bool(step["seen"]) and not measured.get("failed") and not measured.get("unreachable")


def needed(before: Dict, *, step: Dict) -> bool:
    """Whether there is anything to do.

    Args:
        before: what service_instances returned just before it would be done.
    """
    do, instances = step["do"], before.get("instances") or ()
    if do == START:
        return not instances or not all(is_running(one) for one in instances)
    if do == STOP:
        return any(is_running(one) for one in instances)
    return do != SCALE or bool(sum(is_running(one) for one in instances) != step["count"])


def still(before: Dict, *, step: Dict) -> bool:
    """Whether what would be restarted or reloaded is what was judged. What was started again or replaced since is another.

    Args:
        before: see needed().
    """
    now = {str(one["id"]): str(one["start"]) for one in before.get("instances") or ()}
    return step["do"] not in (RESTART, RELOAD) or all(now.get(identity) == start for identity, start in step["judged"].items())


def done(measured: Dict, *, before: Dict, step: Dict) -> bool:
    """Whether a step worked.

    Args:
        measured: what service_instances returned.
        before: the same from before it was done.
    """
    do, instances = step["do"], measured.get("instances") or ()
    if do == STOP:
        return not any(is_running(one) for one in instances)
    if do == SCALE:
        return bool(measured["up"]) and len(instances) == step["count"]
    if do == RELOAD and step["evidence"] != "start":
        meant = [one for one in instances if str(one["id"]) in step["judged"]]
        return reloaded({"instances": meant}, before=before, evidence=step["evidence"])
    if do == START:
        return bool(measured["up"])
    old = {str(one["start"]) for one in before.get("instances") or () if str(one["id"]) in step["judged"]}
    return bool(measured["up"]) and not old & set(measured["starts"])


def is_running(instance: Dict) -> bool:
    """Whether an instance has a process, well or not."""
    running = instance.get("running")
    return bool(running) if running is not None else bool(instance.get("up")) or str(instance.get("state")) in _RUNNING


def reloaded(measured: Dict, *, before: Dict, evidence: str) -> bool:
    """Whether all that runs of a service is as it was started, and shows that it was reloaded since.

    Args:
        measured: what service_instances returned, with workers.
        before: the same from before.
        evidence: `workers`: each main process has a new one below it. `state`: the runtime says that the state changed.
    """
    known = {one["id"]: one for one in before.get("instances", ())}
    running = [one for one in measured.get("instances", ()) if one["state"] in ("running", "active")]
    return bool(running) and all(_is_reloaded(one, known.get(one["id"]), evidence=evidence) for one in running)


def _is_reloaded(now: Dict, before: t.Optional[Dict], *, evidence: str) -> bool:
    if before is None or (now["main_pid"], now["start"]) != (before["main_pid"], before["start"]):
        return False
    if evidence == "workers":
        return not set(now["workers"]) <= set(before["workers"])
    return bool(now["changed"]) and now["changed"] != before["changed"]


def acted(known: Dict, *, result: Dict) -> dict[str, t.Any]:
    """The results of several actions as one.

    Args:
        known: that of those before; empty for none.
        result: of act; empty where it was not called.
    """
    actions = [*(known.get("actions") or ()), *(result.get("actions") or ())]
    if not actions:
        return {}
    return {
        "contract": result.get("contract") or known.get("contract"), "actions": actions,
        "limits": {**(known.get("limits") or {}), **(result.get("limits") or {})},
        "changed": bool(known.get("changed") or result.get("changed")),
    }
