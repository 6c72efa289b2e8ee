# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container runtime says of images and of the containers of a service.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import typing as t

from ..._core.errors import Blind
from .releases import Note, Release, Seen

#: Of all labels just these: Compose's version, the mark of `docker compose run`, and the commit of an image. No environment.
CONTAINERS = (
    '[{{json .Name}},{{json .ID}},{{json .Image}},{{json .Config.Image}},{{json .State.StartedAt}},{{json .State.Status}},'
    '{{json .State.ExitCode}},{{json .RestartCount}},{{if .State.Health}}{{json .State.Health.Status}}{{else}}""{{end}},'
    '{{json (index .Config.Labels "com.docker.compose.version")}},{{json (index .Config.Labels "com.docker.compose.oneoff")}}]'
)
IMAGES = (
    '[{{json .ID}},{{json .RepoTags}},{{json .Created}},{{json (index .Config.Labels "org.opencontainers.image.revision")}}]'
)
#: What a container with a health check says as long as it is not well.
_SICK = ("starting", "unhealthy")
_FRACTION = re.compile(r"\.\d+")


@dataclasses.dataclass(frozen=True)
class Container:
    """A container of the service: which image it was made from, by its digest and by the name that it was given."""

    name: str
    id: str
    image: str
    reference: str
    started: str
    status: str
    exit_code: int
    restarts: int
    health: str = ""
    compose: str = ""

    @property
    def trouble(self) -> str:
        """Why it does not run; empty where it does."""
        if self.status == "running":
            return f"container {self.name} is {self.health}" if self.health in _SICK else ""
        return f"container {self.name} {'exited with ' + str(self.exit_code) if self.status == 'exited' else 'is ' + self.status}"


@dataclasses.dataclass(frozen=True)
class Image:
    """An image that is there."""

    id: str
    tags: tuple[str, ...] = ()
    made: float = 0.0
    commit: str = ""


def containers(text: str) -> list[Container]:
    """Those that the runtime describes by CONTAINERS, one a line, without those of `docker compose run`.

    Raises:
        Blind: the text is not what was asked for.
    """
    return [_container(*about) for *about, one_off in _lines(text, 11) if one_off != "True"]


def _container(*about: t.Any) -> Container:
    name, identity, image, reference, started, status, code, restarts, health, version = about
    return Container(
        name=str(name).lstrip("/"), id=str(identity), image=str(image), reference=str(reference), started=str(started), status=str(status),
        exit_code=int(code), restarts=int(restarts), health=str(health), compose=str(version or ""),
    )


def images(text: str) -> list[Image]:
    """Those that the runtime describes by IMAGES, one a line.

    Raises:
        Blind: the text is not what was asked for.
    """
    return [
        Image(str(identity), tuple(str(tag) for tag in tags or ()), seconds(str(made)), str(commit or ""))
        for identity, tags, made, commit in _lines(text, 4)
    ]


def _lines(text: str, fields: int) -> list[t.Any]:
    try:
        found = [json.loads(line) for line in text.splitlines() if line.strip()]
    except ValueError:
        found = [None]
    if not all(isinstance(one, list) and len(one) == fields for one in found):
        raise Blind("The container runtime did not answer as it was asked to.", hint="Look at its inspect by hand.", said=text[:300])
    return found


def seconds(text: str) -> float:
    """A time of RFC 3339 in seconds since the epoch; 0 where it is none."""
    try:
        return datetime.datetime.fromisoformat(_FRACTION.sub("", text).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return 0.0


def _names_another(one: Container, named: t.Mapping[str, str]) -> bool:
    """Whether the name that a container was given names another image now; one without a tag means latest."""
    name = one.reference if ":" in one.reference.rpartition("/")[2] else f"{one.reference}:latest"
    return named.get(name, one.image) != one.image


def repository(reference: str) -> str:
    """The name of an image without its tag and digest; empty where the reference is a digest alone."""
    name = reference.partition("@")[0]
    if name.startswith("sha256:") or re.fullmatch(r"[0-9a-f]{64}", name):
        return ""
    return name if ":" not in name.rpartition("/")[2] else name.rpartition(":")[0]


def seen_of(
    subject: str, found: t.Sequence[Container], known: t.Sequence[Image], *, named: t.Mapping[str, str], notes: t.Mapping[str, Note],
    fixed: str, state: t.Mapping[str, str],
) -> Seen:
    """What a look at a service's containers and images comes to.

    Args:
        named: images by their tags, as they are now.
        notes: of releases.
        fixed, state: see Seen.
    """
    there = {one.id: one for one in known}
    running = tuple(dict.fromkeys(one.image for one in found))
    up = [one for one in found if not one.trouble]
    crashed = {one.image: one.trouble for one in found if one.trouble}
    references = {one.image: one.reference for one in found}
    releases = []
    for identity in dict.fromkeys([*running, *there, *notes]):
        image = there.get(identity)
        name = image.tags[0] if image and image.tags else references.get(identity, "")
        releases.append(Release(
            identity, digest=identity.partition(":")[2], name="" if name.startswith("sha256:") else name, commit=image.commit if image else "",
            made=image.made if image else 0.0, present=image is not None, crashed=crashed.get(identity, ""),
        ))
    releases.sort(key=lambda one: -one.made)
    moved = next((
        f"{one.reference} names another image than the one that container {one.name} runs"
        for one in up if repository(one.reference) and _names_another(one, named)
    ), "")
    return Seen(
        subject, running=running, releases=tuple(releases), since=max((seconds(one.started) for one in found), default=0.0),
        identity=tuple(sorted(f"{one.id} {one.started} {one.restarts}" for one in found)),
        broken="; ".join(one.trouble for one in found if one.trouble), moved=moved, fixed=fixed,
        state={**state, "count": str(len(found) or 1), "compose": next((one.compose for one in found), "")},
    )
