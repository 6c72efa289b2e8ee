# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which releases there are, and to which one to go back.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.words import few

#: So many of a release's first characters name it at least.
_SHORTEST = 7
_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Note:
    """What our own runs have noted of a release.

    Attributes:
        good_at: when a verify that ended well has measured it last, seconds since the epoch; 0 for never.
        run: the id of that run.
    """

    good_at: float = 0.0
    run: str = ""


@dataclasses.dataclass(frozen=True)
class Release:
    """One release.

    Attributes:
        id: what identifies it beyond doubt: a directory, a commit, a digest, the hash of a pod template, the name in a script's list.
        name: for people: an image's reference, a revision's number. Empty where the id is all there is.
        commit: the commit that it was made from, where it says so.
        made: when it was made, seconds since the epoch; 0 where that is not known.
        present: whether it is really there.
        crashed: what shows that it did not run; empty where nothing does.
        note: see Note.
    """

    id: str
    name: str = ""
    commit: str = ""
    made: float = 0.0
    present: bool = True
    crashed: str = ""
    note: Note = Note()

    @property
    def said(self) -> str:
        """How people read it."""
        return f"{self.name} ({short(self.id)})" if self.name and self.name != self.id else short(self.id)

    def is_named(self, name: str) -> bool:
        """Whether somebody means this one."""
        begins = len(name) >= _SHORTEST and _begins(self.id, name)
        return bool(name) and (begins or name in (self.id, self.name, self.commit))


@dataclasses.dataclass(frozen=True)
class Seen:
    """What one look found.

    Attributes:
        subject: what is switched; see Where.subject.
        running: the ids of what runs: none, one, or several where instances differ.
        releases: all that are known, those that run among them.
        since: since when that runs, seconds since the epoch; 0 where that is not known.
        identity: what stays the same as long as nothing is switched, restarted or replaced.
        broken: what is wrong with what runs; empty where nothing is.
        moved: that what is named is not what runs, such as a tag that names another image now.
        fixed: why it cannot be switched; empty where it can.
        state: further facts that a switch goes by, such as the text of the link.
        trouble, hint: why it could not be looked at, and what to do about it.
    """

    subject: str
    running: tuple[str, ...] = ()
    releases: tuple[Release, ...] = ()
    since: float = 0.0
    identity: tuple[str, ...] = ()
    broken: str = ""
    moved: str = ""
    fixed: str = ""
    state: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    trouble: str = ""
    hint: str = ""

    def release(self, identity: str) -> Release:
        """One of them by its id."""
        return next((one for one in self.releases if one.id == identity), Release(identity, present=False))


@dataclasses.dataclass(frozen=True)
class Choice:
    """Where to go back to.

    Attributes:
        target: None where there is none.
        named: somebody named it.
        against: why it must not be gone to; empty where it may.
        hint: what to do about the first of these.
    """

    target: t.Optional[Release] = None
    named: bool = False
    against: tuple[str, ...] = ()
    hint: str = ""


def choose(seen: Seen, *, to: str = "") -> Choice:
    """The release that somebody names, or the last one that was measured good.

    The last one that was good and is not there any more is not replaced by an older one: nobody has asked for that one.
    """
    if to:
        found = [one for one in seen.releases if one.is_named(to)]
        exact = [one for one in found if to in (one.id, one.name)]
        found = exact or found
        if len(found) != 1:
            said = f"{to} is {len(found)} releases" if found else f"there is no release {to}"
            there = few((one.said for one in seen.releases if one.present), most=_NAMED)
            return Choice(named=True, against=(said,), hint=f"There are {there}." if there else "There is none at all.")
        return _checked(found[0], seen, named=True)
    good = sorted((one for one in seen.releases if one.note.good_at), key=lambda one: one.note.good_at)
    if not good:
        return Choice(
            against=("no release was measured good",), hint="Name the release to go back to: nothing says which one was good.",
        )
    return _checked(good[-1], seen, named=False)


def _checked(target: Release, seen: Seen, *, named: bool) -> Choice:
    against = [] if target.present else [f"release {target.said} is not there any more"]
    if target.crashed and target.id not in seen.running:
        against.append(f"release {target.said} did not run: {target.crashed}")
    hint = "Name another release that is there." if against else ""
    return Choice(target, named, tuple(against), hint)


def _begins(identity: str, name: str) -> bool:
    """Whether a hash begins with a name, with its kind (`sha256:`) or without."""
    return any(one.startswith(name) for one in (identity, identity.partition(":")[2]))


def short(identity: str) -> str:
    """A long hash as people read it."""
    kind, _colon, value = identity.rpartition(":")
    bare = value if kind in ("", "sha256") else identity
    return bare[:12] if len(bare) >= 40 and all(char in "0123456789abcdef" for char in bare) else identity
