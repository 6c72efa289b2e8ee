# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Switch maintenance on and off: a file that is there or not, or the application's own API with a file beside it that says whose it is.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pwd
import stat
import tempfile
import time
import typing as t

from .._core.errors import BadInput, CannotReach, IncidentError
from . import web
from .decisions import notes
from .decisions.notes import Note

#: The machine's id: machine-id(5).
_MACHINE = "/etc/machine-id"


class NotOurs(IncidentError):
    """Maintenance is on, and somebody else has put it on."""

    kind = "not_ours"


class NotSwitched(IncidentError):
    """The application's API said that it did it, and did not."""

    kind = "not_switched"


@dataclasses.dataclass(frozen=True)
class Api:
    """The application's own switch.

    Attributes:
        header: `NAME: VALUE`, a secret.
        header_file: a file that holds it instead.
    """

    url: str
    method: str = "POST"
    body: t.Any = None
    header: str = dataclasses.field(default="", repr=False)
    header_file: str = ""
    validate_certs: bool = True
    seconds: float = 30.0

    def call(self) -> int:
        """Call it; the status that it answered.

        Raises:
            BadInput: the header cannot be used.
            CannotReach: no answer, or another one than success. Only in the first case it may have done something.
        """
        headers = web.read_header(self._header(), name="the API's header")
        said = web.ask(
            self.method, self.url, headers=headers, body=self.body, seconds=self.seconds, validate_certs=self.validate_certs)
        if said.status is None:
            raise CannotReach(f"{self.url} gave no answer: {said.problem}.", hint="Check the application's log.", answered=False)
        if not 200 <= said.status < 300:
            raise CannotReach(
                f"{self.url} answered {said.status}, so nothing was switched.", hint="Check its url, method, body and header.",
                answered=True,
            )
        return said.status

    def _header(self) -> str:
        if not self.header_file:
            return self.header
        try:
            with open(self.header_file, encoding="utf-8") as file:
                return file.read(16 * 1024)
        except (OSError, UnicodeError) as exc:
            said = getattr(exc, "strerror", None) or "it is not text"
            raise BadInput(f"{self.header_file} cannot be read: {said}.", hint="Grant read, or use become.") from None


@dataclasses.dataclass(frozen=True)
class Text:
    """What the file is to say; see notes.write()."""

    mark: str
    run: str
    who: str
    lasts: float
    statuses: t.Mapping[str, int]
    change: t.Mapping[str, t.Any]


def look(path: str) -> Note:
    """The file at a path; nothing is changed."""
    try:
        with open(path, "rb", opener=_opened) as file:
            known = os.fstat(file.fileno())
            text = file.read(notes.MOST_BYTES + 1) if stat.S_ISREG(known.st_mode) else b""
    except FileNotFoundError:
        return _absent(path)
    except OSError as exc:
        return Note(path, None, problem=f"{path} cannot be read: {exc.strerror}")
    owner = str(known.st_uid)
    with contextlib.suppress(KeyError):
        owner = pwd.getpwuid(known.st_uid).pw_name
    return notes.read(path, text.decode("utf-8", "replace"), owner=owner, changed=known.st_mtime)


def _opened(path: str, flags: int) -> int:
    # What is no plain file, such as a pipe, must not hold us up.
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _absent(path: str) -> Note:
    """No file; a link that leads nowhere is none of ours and no flag either, for a server that asks whether there is a file."""
    if os.path.lexists(path):
        return Note(path, None, problem=f"{path} is a link that leads nowhere")
    directory = os.path.dirname(path)
    if not os.access(directory, os.X_OK) and os.path.isdir(directory):
        return Note(path, None, problem=f"{directory} may not be searched")
    return Note(path)


def switch_on(path: str, said: Text, *, mode: int, api: t.Optional[Api], make_directory: bool = False) -> dict[str, t.Any]:
    """Put maintenance on.

    Args:
        mode: of the file.
        make_directory: make its directory where it is not there.

    Raises:
        NotOurs: it is on already.
        IncidentError: it could not be put on.
    """
    machine = _machine()
    known = said.change.get("temporary")
    change = said.change
    if isinstance(known, t.Mapping):
        change = {**change, "temporary": {**known, "undo": {**known.get("undo", {}), "machine": machine}}}
    text = notes.write(
        said.mark, run=said.run, who=said.who, since=time.time(), lasts=said.lasts, statuses=said.statuses, change=change)
    if make_directory:
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    _create(path, text, mode=mode)
    if api is None:
        return {"changed": True, "path": path}
    try:
        status = api.call()
    except IncidentError as exc:
        if not isinstance(exc, CannotReach) or exc.facts.get("answered"):
            os.unlink(path)  # it was not switched
        raise
    return {"changed": True, "path": path, "status": status}


def _create(path: str, text: str, *, mode: int) -> None:
    """Make the file whole and at once, and only where there is none. Its owner is the directory's where we may say so."""
    directory = os.path.dirname(path) or "."
    try:
        handle, made = tempfile.mkstemp(prefix=".oncall-incident-", dir=directory)
    except OSError as exc:
        raise BadInput(
            f"{path} cannot be made: {exc.strerror}.", hint="The directory must be there, and this user may write to it: use become.",
        ) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, mode)
            if os.geteuid() == 0:
                above = os.stat(directory)
                os.fchown(handle, above.st_uid, above.st_gid)
            os.fsync(handle)
        os.link(made, path)  # unlike a rename it never replaces one
    except FileExistsError:
        there = look(path)
        raise NotOurs(f"Maintenance is on already, {there.said(time.time())}.", hint="Look again.") from None
    except OSError as exc:
        raise BadInput(f"{path} cannot be made: {exc.strerror}.", hint="Check its file system.") from None
    finally:
        os.unlink(made)


def switch_off(
    path: str, mark: str, *, api: t.Optional[Api], still_on: t.Callable[[], t.Sequence[str]] = tuple,
) -> dict[str, t.Any]:
    """Take maintenance off. The note beside an API stays where users see no end of it: it says whose it is.

    Args:
        mark: of the file that was judged; empty for one that this collection has not made, or where there is none.
        still_on: the URLs that say that they are in maintenance, some time after the API was called.

    Raises:
        NotOurs: there is another one now.
        IncidentError: it could not be taken off.
    """
    there = look(path)
    if there.there is None:
        raise BadInput(f"{there.problem}.", hint="Grant read, or use become.")
    if there.there and there.mark != mark:
        raise NotOurs(f"Maintenance is on, {there.said(time.time())}, which is not what was judged.", hint="Look again.")
    status = api.call() if api is not None else None
    left = still_on() if api is not None else ()
    if api is not None and left:
        raise NotSwitched(f"{api.url} answered {status}, and {', '.join(left)} is still in maintenance.", hint="See the application's log.")
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        raise BadInput(f"{path} cannot be removed: {exc.strerror}.", hint="This user must be allowed to: use become.") from None
    return {"changed": True, "path": path, **({"status": status} if status is not None else {})}


def _machine() -> str:
    try:
        with open(_MACHINE, encoding="ascii", errors="replace") as file:
            return file.read(128).strip()
    except OSError:
        return ""
