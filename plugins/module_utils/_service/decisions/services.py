# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of its services: one entry of its list `services`, checked.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.errors import BadInput
from ..._core.suggest import suggest

RUNTIMES = ("systemd", "compose", "kubernetes", "pm2", "command")
_TEXTS = ("name", "runtime", "identity")
_LISTS = ("depends_on", "health", "proxies", "reaches", "validate")
#: The keys of `where` by runtime, and of what type they are. The other runtimes read theirs by read_where.
_WHERE: t.Mapping[str, t.Mapping[str, tuple[type, ...]]] = {
    "systemd": {"scope": (str,), "daemon": (bool,), "reload": (str, list, tuple)},
    "compose": {
        "directory": (str,), "project": (str,), "files": (str, list, tuple), "command": (str, list, tuple),
        "container_command": (str, list, tuple), "reload": (str, list, tuple),
    },
}
_NAMED = {str: "a text", bool: "true or false", list: "a list"}


@dataclasses.dataclass(frozen=True)
class Service:
    """One service of a host.

    Attributes:
        name: how people and findings call it.
        runtime: what runs it, one of RUNTIMES.
        identity: the name that its runtime knows it by: a unit, a service of a Compose project, KIND/NAME, an app of pm2.
        where: what its runtime needs beside the name, such as `scope`, `directory`, `namespace`, `home`, `user`, or commands.
        desired: how many instances there should be; None takes what the runtime itself has as its aim.
        health: its probes, each as an entry of `probes` of the module http_health.
        order: services with a lower one are started first and stopped last.
        depends_on: names of services, or of probes, that must answer before it is restarted.
        pool: connections to the database that each of its instances may open; 0 where that is not known.
        nonessential: it may be stopped to give others room.
        one_shot: it is a job with an end, such as a migration: having ended with 0 is well, and it is never started again. Nothing else
            tells it from a server that somebody stopped, which ends with 0 as well.
        reaches: what it must reach from inside, with its own credentials.
        validate: the command that ends with 0 where its configuration is valid, run where it runs, before it is reloaded.
        proxies: names of services of the list that may hold its old address: they are reloaded after it was started or restarted.
    """

    name: str
    runtime: str = "systemd"
    identity: str = ""
    where: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    desired: t.Optional[int] = None
    health: tuple[t.Mapping[str, t.Any], ...] = ()
    order: int = 0
    depends_on: tuple[str, ...] = ()
    pool: int = 0
    nonessential: bool = False
    one_shot: bool = False
    reaches: tuple[t.Mapping[str, t.Any], ...] = ()
    validate: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: t.Any, *, number: int) -> Service:
        """One entry of the list.

        Args:
            number: which one, from 1, for messages.

        Raises:
            BadInput: a key is missing, unknown or of the wrong type.
        """
        if not isinstance(entry, dict):
            raise BadInput(f"services, entry {number}: this is not a mapping with a name.", hint="Write - name: NAME, with its keys below.")
        said = {key: value for key, value in entry.items() if value is not None}
        place = f"services, entry {number}" + (f" ({said['name']})" if isinstance(said.get("name"), str) else "")
        known = {field.name for field in dataclasses.fields(cls)}
        for key in said:
            if key not in known:
                raise BadInput(f"{place}: there is no key {key}.", hint=f"The keys are {', '.join(sorted(known))}.")
        for key in _TEXTS:
            if not isinstance(said.get(key, "x"), str) or not said.get(key, "x").strip():
                raise BadInput(f"{place}: {key} is not a text.", hint=f"Give {key} as a text.")
        if "name" not in said:
            raise BadInput(f"{place}: it has no name.", hint="Give it a name.")
        if said.get("runtime", RUNTIMES[0]) not in RUNTIMES:
            raise BadInput(f"{place}: runtime {said['runtime']} is not known.", hint=f"Choose one of {', '.join(RUNTIMES)}.")
        for key in _LISTS:
            if not isinstance(said.get(key, []), (list, tuple)):
                raise BadInput(f"{place}: {key} is not a list.", hint=f"Give {key} as a list.")
        if not isinstance(said.get("where", {}), dict):
            raise BadInput(f"{place}: where is not a mapping.", hint="Give where as keys and values.")
        _check_where(said.get("where", {}), runtime=said.get("runtime", RUNTIMES[0]), place=place)
        for key in ("desired", "order", "pool"):
            if isinstance(said.get(key, 0), bool) or not isinstance(said.get(key, 0), int) or (key != "order" and said.get(key, 0) < 0):
                raise BadInput(f"{place}: {key} is not a whole number of at least 0.", hint=f"Correct {key}.")
        for key in ("nonessential", "one_shot"):
            if not isinstance(said.get(key, False), bool):
                raise BadInput(f"{place}: {key} is neither true nor false.", hint="Write true or false.")
        values = {**said, **{key: tuple(said[key]) for key in _LISTS if key in said}}
        if "where" in said:
            values["where"] = {key: value for key, value in said["where"].items() if value is not None}
        return cls(**{**values, "identity": said.get("identity", said["name"])})


def _check_where(where: t.Mapping[str, t.Any], *, runtime: str, place: str) -> None:
    """Refuse what is misspelt there: it would be left out without a word."""
    known = _WHERE.get(runtime)
    if known is None:
        return
    for key, value in where.items():
        if key not in known:
            raise BadInput(
                f"{place}: where has the key {key}, which runtime {runtime} does not know.",
                hint=f"{suggest(str(key), known)}The keys are {', '.join(sorted(known))}.",
            )
        if value is not None and not isinstance(value, known[key]):
            kinds = " or ".join(_NAMED[kind] for kind in known[key] if kind in _NAMED)
            raise BadInput(f"{place}: where.{key} is not {kinds}.", hint=f"Correct where.{key}.")


def services_of(entries: t.Any) -> list[Service]:
    """All of a host, in the order in which they are started.

    Raises:
        BadInput: an entry is not usable, a name is there twice, or a dependency is not a service of the list.
    """
    if not isinstance(entries, (list, tuple)):
        raise BadInput("services: this is not a list.", hint="Write one entry - name: NAME for each service.")
    found = [Service.of(entry, number=number) for number, entry in enumerate(entries, 1)]
    names = [one.name for one in found]
    for one in found:
        if names.count(one.name) > 1:
            raise BadInput(f"services: the name {one.name} is there twice.", hint="Give each service a name of its own.")
    return sorted(found, key=lambda one: one.order)
