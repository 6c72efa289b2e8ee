# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of a Compose project.

This module util is PRIVATE to the collection: it may change at any time.
"""

from __future__ import annotations

from ..._core.words import command_words, words_list
from ..._module.programs import Run
from .. import looking
from ..decisions.services import Service
from ..instances import Instance


def look(service: Service, *, run: Run) -> list[Instance]:
    """See Runtime."""
    return looking.containers(service.identity, compose=project_of(service), run=run)


def project_of(service: Service) -> looking.Compose:
    """How the project of a service is asked."""
    where = service.where
    return looking.Compose(
        command=command_words(where.get("command", ["docker", "compose"])), directory=str(where.get("directory", "")),
        files=words_list(where.get("files", [])), container_command=command_words(where.get("container_command", ["docker"])),
    )
