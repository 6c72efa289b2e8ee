# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at around a daemon that bans, and where, for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: fail2ban_places
short_description: What is looked at around a daemon that bans, and where, for people
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Makes the options C(what) and C(targets) of M(oncall.incident.place).
positional: _input
options:
  _input:
    description: The backend, V(auto), V(fail2ban), V(crowdsec) or V(none).
    type: str
    required: true
  subject:
    description: What is looked at beside the daemon.
    type: str
    required: true
  socket:
    description: Socket of fail2ban. Empty is the usual one.
    type: str
    required: true
  client_command:
    description: The daemon's client, a list or text with spaces. Empty is the usual one.
    type: raw
    required: true
  ports:
    description: Ports of the service, a list or text with commas. Absent when they are not looked at.
    type: raw
  protocol:
    description: Protocol of the ports.
    type: str
    default: tcp
  logs:
    description: Files with failed logins, a list or text with commas, empty for the usual ones. Absent when none is read.
    type: raw
  journal:
    description: Whether the journal is read.
    type: bool
    default: false
"""

EXAMPLES = r"""
# fail2ban and packet filter, at /var/run/fail2ban/fail2ban.sock and tcp port 22
place: "{{ 'fail2ban' | oncall.incident.fail2ban_places(subject='packet filter', socket='', client_command=[], ports=[22]) }}"
"""

RETURN = r"""
_value:
  description: C(what), a text, and C(targets), a list.
  type: dict
"""

import typing as t

from ..module_utils._bans.decisions.daemon import places


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"fail2ban_places": places}
