# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error of the wrapper: what stops a command, in words to act on, with its exit status."""

from __future__ import annotations

from .exits import Exit


class Stop(Exception):
    """A command ends here.

    Args:
        message: names the input concerned and says what is wrong.
        hint: what to do about it.
        status: the exit status.
        detail: another tool's own words, already redacted.
    """

    def __init__(self, message: str, *, hint: str = "", status: Exit = Exit.USAGE, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.status = status
        self.detail = detail
