# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are images of a service of Docker Compose, each named by its digest: a tag may name another image tomorrow.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import os

from ..._core.errors import Blind
from ..._module.files import text_of
from ..._module.programs import Run
from ..._service.decisions.compose import compose_argv
from ..decisions.containers import CONTAINERS, IMAGES, Container, Image, containers, images, repository, seen_of
from ..decisions.releases import Seen
from ..decisions.where import Where
from ..notes import Notes

_HINT = "Correct what the container runtime complains about, or the keys of where."
_MOST_FILE = 1 << 20


def look(where: Where, *, notes: Notes, to: str, run: Run) -> Seen:
    """See looking.look_at()."""
    try:
        found = _containers(where, run)
        named = {one.reference: _image_of(where, one.reference, run) for one in found if repository(one.reference)}
        wanted = dict.fromkeys([*(one.image for one in found), *(to,) * bool(to), *notes, *_listed(where, found, run)])
        known = [image for name in wanted for image in _image(where, name, run)]
    except Blind as exc:
        return Seen(where.subject, trouble=exc.message, hint=exc.hint or _HINT)
    fixed, state = _setting(where)
    return seen_of(where.subject, found, known, named=named, notes=notes, fixed=fixed, state=state)


def _containers(where: Where, run: Run) -> list[Container]:
    argv = compose_argv(where.command, directory=where.directory, files=where.files, words=["ps", "--all", "--quiet", where.service])
    ids = _said(argv, run).split()
    form = ["inspect", "--type", "container", "--format", CONTAINERS]
    return containers(_said([*where.container_command, *form, *ids], run)) if ids else []


def _listed(where: Where, found: list[Container], run: Run) -> list[str]:
    """The images of the same name as those that run."""
    names = dict.fromkeys(name for one in found for name in (repository(one.reference), *_tagged(where, one.image, run)) if name)
    form = ["image", "ls", "--no-trunc", "--format", "{{.ID}}"]
    return [word for name in names for word in _said([*where.container_command, *form, name], run).split()]


def _tagged(where: Where, identity: str, run: Run) -> list[str]:
    return [repository(tag) for image in _image(where, identity, run) for tag in image.tags]


def _image(where: Where, name: str, run: Run) -> list[Image]:
    """The image of this name, where it is there."""
    ran = run([*where.container_command, "image", "inspect", "--format", IMAGES, name])
    if ran.problem and "no such image" not in ran.problem.lower():
        raise Blind(f"image {name}: {ran.problem}", hint=_HINT)
    return [] if ran.problem else images(ran.out)


def _image_of(where: Where, reference: str, run: Run) -> str:
    return next((one.id for one in _image(where, reference, run)), "")


def _setting(where: Where) -> tuple[str, dict[str, str]]:
    """Why the image cannot be set, and what it is set to."""
    if where.variable:
        file = where.env_file or os.path.join(where.directory, ".env")
        try:
            with open(file, encoding="utf-8", errors="replace") as lines:
                set_to = [line.rstrip("\n").partition("=")[2] for line in lines.read(_MOST_FILE).splitlines()
                          if line.startswith(f"{where.variable}=")]
        except OSError as exc:
            return f"{file}: {exc.strerror or exc}", {}
        if len(set_to) != 1:
            return f"{file} sets {where.variable} {len(set_to)} times, and not once", {"env_file": file}
        return "", {"env_file": file, "setting": set_to[0]}
    if where.override:
        said = text_of(where.override, most=_MOST_FILE)
        ours = _is_ours(said, where.service)
        return "" if ours else f"{where.override} says more than the image of {where.service}: it is not ours to write", {"setting": said}
    return "neither where.variable nor where.override says how the image is set", {}


def _is_ours(text: str, service: str) -> bool:
    """Whether an override file says nothing, or the image of the service alone."""
    if text.strip() in ("", "services: {}", "{}"):
        return True
    try:
        said = json.loads(text)
        return set(said) == {"services"} and set(said["services"]) == {service} and set(said["services"][service]) == {"image"}
    except (ValueError, TypeError, KeyError):
        return False


def _said(argv: list[str], run: Run) -> str:
    ran = run(argv)
    if ran.problem:
        raise Blind(f"{' '.join(argv[:3])} ...: {ran.problem}", hint=_HINT)
    return ran.out
