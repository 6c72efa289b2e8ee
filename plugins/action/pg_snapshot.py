# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch what the module of the same name has read from a server. Documentation in plugins/modules/pg_snapshot.py."""

from __future__ import annotations

import typing as t

from .snapshot import ActionModule as Snapshot


class ActionModule(Snapshot):
    """Takes a snapshot of a database server, and never fails the run over it."""

    MODULE: t.ClassVar[str] = "oncall.incident.pg_snapshot"
    PART: t.ClassVar[str] = "postgresql"
    OF_THE_MACHINE: t.ClassVar[bool] = False
