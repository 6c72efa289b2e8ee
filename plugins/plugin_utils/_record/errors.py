# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the recorder.

This plugin util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ...module_utils._core.errors import IncidentError

#: Exit status of an Ansible process that could not record and was not told to go on.
EXIT_CANNOT_RECORD = 97
#: Exit status of an Ansible process whose incident plays matched no host at all: blindness is not health.
EXIT_NO_HOSTS = 98

_WHAT_TO_DO: t.Final[t.Mapping[int, str]] = {
    errno.ENOSPC: "Free space on that file system, or point INCIDENT_HOME at another one.",
    errno.EDQUOT: "The user's disk quota is used up: free some, or point INCIDENT_HOME elsewhere.",
    errno.EFBIG: "A file size limit (ulimit -f, LimitFSIZE) stops the record: raise it.",
    errno.EACCES: "Make the directory writable for this user, or point INCIDENT_HOME at one that is.",
    errno.EPERM: "Make the directory writable for this user, or point INCIDENT_HOME at one that is.",
    errno.EROFS: "That file system is read-only: point INCIDENT_HOME at a writable one.",
    errno.ENOENT: "The record's directory was removed or moved while the run was writing: find out by whom, and start again.",
    errno.EIO: "The disk reports errors: point INCIDENT_HOME at another one.",
}


class CannotRecord(IncidentError):
    """An event could not be written, so nothing more may be done (unless told otherwise).

    Facts: `path` of the file, `errno` as a number or None.
    """

    kind = "cannot_record"


class RecordInUse(CannotRecord):
    """Another process is writing this run's record now."""

    kind = "record_in_use"


def cannot_record(path: str | os.PathLike[str], exc: OSError, *, doing: str = "write") -> CannotRecord:
    """The error for an OSError: names the file, the system's word for it, and what to do.

    Args:
        path: the file or directory concerned.
        exc: what the system said.
        doing: what was tried, for the message.
    """
    code = exc.errno
    name = errno.errorcode.get(code, str(code)) if code is not None else "?"
    reason = os.strerror(code) if code is not None else str(exc)
    return CannotRecord(
        f"Cannot {doing} the record {os.fspath(path)}: {reason} ({name}).",
        hint=_WHAT_TO_DO.get(code or 0, "Repair that, or point INCIDENT_HOME at another directory."),
        path=os.fspath(path), errno=code,
    )
