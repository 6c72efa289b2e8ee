# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole look at the releases of an application: what runs, what is noted, and the migrations. Only reads.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import os
import typing as t

from .._core.errors import BadInput, Blind
from .._core.judging import Judged
from .._core.words import command_words
from .._module.programs import Run
from .decisions.releases import Note, Seen, choose
from .decisions.verdict import Migrations, judge_releases
from .decisions.where import GIT, IMAGE, KUBERNETES, SCRIPT, Where
from .notes import Notes, notes_of

_MOST_MIGRATIONS = 5000


class Method(t.Protocol):
    """What each file of methods/ offers."""

    def __call__(self, where: Where, *, notes: Notes, to: str, run: Run) -> Seen:
        """What runs, and what there is to go back to. Changes nothing; what cannot be looked at is the result's trouble.

        Args:
            notes: of what our runs have noted, by the ids of releases: those are looked for too.
            to: a release that somebody names.
        """


def method_of(name: str) -> Method:
    """The look of a method; only what is needed is loaded."""
    # Spelled out: Ansible ships to a host what the source of a module imports.
    if name == GIT:
        from .methods.git import look as of_git
        return of_git
    if name == IMAGE:
        from .methods.image import look as of_image
        return of_image
    if name == KUBERNETES:
        from .methods.kubernetes import look as of_kubernetes
        return of_kubernetes
    if name == SCRIPT:
        from .methods.script import look as of_script
        return of_script
    from .methods.symlink import look as of_symlink
    return of_symlink


def look_at(where: Where, *, notes: str, to: str, run: Run) -> Seen:
    """One look, with the notes of our runs.

    Args:
        notes: path of the file of notes; empty for none.
        to: a release that somebody names.
    """
    try:
        noted = notes_of(notes, where.subject)
    except Blind as exc:
        return Seen(where.subject, trouble=exc.message, hint=exc.hint or "")
    seen = method_of(where.method)(where, notes=noted, to=to, run=run)
    known = tuple(dataclasses.replace(one, note=noted.get(one.id, Note())) for one in seen.releases)
    return dataclasses.replace(seen, releases=known)


def look(
    where: Where, *, notes: str, to: str, migrations: t.Mapping[str, t.Any], asked: t.Optional[t.Sequence[str]], run: Run,
) -> Judged:
    """One look, judged.

    Args:
        migrations: how they are listed: `now` and `of`, each a directory or a command; see _listed().
    """
    seen = look_at(where, notes=notes, to=to, run=run)
    target = choose(seen, to=to).target
    found = _migrations(migrations, target.id if target else "", seen, run)
    return judge_releases(seen, to=to, migrations=found, asked=asked)


def check_migrations(given: t.Optional[t.Mapping[str, t.Any]]) -> t.Mapping[str, t.Any]:
    """The argument `migrations`.

    Raises:
        BadInput: it has other keys than `now` and `of`, or only one of them.
    """
    said = {key: value for key, value in (given or {}).items() if value}
    if said and set(said) != {"now", "of"}:
        raise BadInput("migrations needs both now and of, and has no other keys.", hint="Give a directory or a command for each.")
    return said


def _migrations(given: t.Mapping[str, t.Any], target: str, seen: Seen, run: Run) -> Migrations:
    if not given:
        return Migrations()
    if seen.trouble or not target:
        return Migrations(asked=True, trouble=seen.trouble or "there is no release to compare with")
    try:
        now = _listed(given["now"], target, seen, run)
        of = _listed(given["of"], target, seen, run)
    except Blind as exc:
        return Migrations(asked=True, trouble=exc.message)
    return Migrations(asked=True, now=now, of=of)


def _listed(given: t.Any, target: str, seen: Seen, run: Run) -> tuple[str, ...]:
    """The ids that a directory has as names, or that a command prints, one a line.

    Args:
        given: a directory, from / on, or a command as a list; {release} in either is the release to go back to.
    """
    if isinstance(given, str) and given.startswith("/"):
        path = given.replace("{release}", target)
        try:
            names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        except OSError as exc:
            raise Blind(f"{path}: {exc.strerror or exc}") from exc
    else:
        argv = [word.replace("{release}", target) for word in command_words(given)]
        ran = run(argv)
        if ran.problem:
            raise Blind(f"{' '.join(argv[:4])}: {ran.problem}")
        names = [line.strip() for line in ran.out.splitlines() if line.strip()]
    if len(names) > _MOST_MIGRATIONS:
        raise Blind(f"there are {len(names)} migrations, more than {_MOST_MIGRATIONS}")
    return tuple(names)
