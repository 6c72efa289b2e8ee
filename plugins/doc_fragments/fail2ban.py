# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules reach the daemon that bans, stated once: `oncall.incident.fail2ban`."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of modules that talk to fail2ban or CrowdSec."""

    DOCUMENTATION = r"""
options:
  backend:
    description:
      - Which daemon bans on this host.
      - V(auto) is V(fail2ban) where its socket is there, else V(crowdsec) where C(cscli) is.
    type: str
    choices: [auto, fail2ban, crowdsec]
    default: auto
  socket:
    description: Socket of the fail2ban server.
    type: path
    default: /var/run/fail2ban/fail2ban.sock
  client_command:
    description:
      - The client's command as a list, for example to reach a container.
      - For V(fail2ban) it is used where the socket's own protocol cannot be spoken, and by the timer of a hold. Default C(fail2ban-client).
      - For V(crowdsec) it is how the daemon is reached. Default C(cscli).
    type: list
    elements: str
  timeout:
    description: How long all the talking may take. Measuring what was begun has a few seconds beyond it.
    type: str
    default: 60s
"""
