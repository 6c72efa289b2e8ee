# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words of Docker Compose.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

import typing as t

from ..._core.words import command_words, words_list


def compose_argv(command: t.Sequence[str], *, directory: str, files: t.Sequence[str], words: t.Sequence[str]) -> list[str]:
    """A command of a Compose project.

    Args:
        command: the command of Docker Compose itself.
        directory: of the project; empty takes the current one.
        files: of the project, where they are not the usual ones.
        words: what it is to do.
    """
    where = ["--project-directory", directory] if directory else []
    return [*command_words(command), *where, *(f"--file={file}" for file in words_list(files)), *words]
