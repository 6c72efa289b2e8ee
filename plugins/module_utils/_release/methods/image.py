# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases that are images of a service of Docker Compose, each named by its digest: a tag may name another image tomorrow.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import json
import os
import typing as t

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
        names = [one.image for one in found] + [one.reference for one in found if repository(one.reference)]
        known = _images(where, [*names, *(to,) * bool(to), *notes], run)
        tags = [tag for image in known if image.id in names for tag in image.tags]
        of_the_name = _listed(where, [*(one.reference for one in found), *tags], run)
        known += _images(where, [one for one in of_the_name if one not in {image.id for image in known}], run)
    except Blind as exc:
        return Seen(where.subject, trouble=exc.message, hint=exc.hint or _HINT)
    named = {tag: image.id for image in known for tag in image.tags}
    fixed, state = _setting(where)
    return seen_of(where.subject, found, known, named=named, notes=notes, fixed=fixed, state=state)


def _containers(where: Where, run: Run) -> list[Container]:
    argv = compose_argv(where.command, directory=where.directory, files=where.files, words=["ps", "--all", "--quiet", where.service])
    ids = _said(argv, run).split()
    form = ["inspect", "--type", "container", "--format", CONTAINERS]
    return containers(_said([*where.container_command, *form, *ids], run)) if ids else []


def _listed(where: Where, references: t.Sequence[str], run: Run) -> list[str]:
    """The images of the same names as those that run."""
    names = dict.fromkeys(name for name in map(repository, references) if name)
    form = ["image", "ls", "--no-trunc", "--format", "{{.ID}}"]
    return list(dict.fromkeys(word for name in names for word in _said([*where.container_command, *form, name], run).split()))


def _images(where: Where, names: t.Sequence[str], run: Run) -> list[Image]:
    """Those of these images that are there."""
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return []
    ran = run([*where.container_command, "image", "inspect", "--format", IMAGES, *wanted])
    # One that is not there is a line of complaint, and the others are told all the same.
    strange = [line for line in ran.err.splitlines() if line.strip() and "no such image" not in line.lower()]
    if ran.problem and (strange or not ran.err.strip()):
        raise Blind(f"images: {ran.problem}", hint=_HINT)
    return list({one.id: one for one in images(ran.out)}.values())


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
