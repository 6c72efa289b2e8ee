# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The longer help texts of incidents and evidence: at most 76 columns, since click keeps them as they are."""

from __future__ import annotations

OPEN = """Open an incident: what happens from now on is kept with it.

\b
Examples:
  incident open "Logins hang" --severity SEV1 --service auth
  incident open --alert alert.json
      title, services, start time and severity of an Alertmanager alert
  incident run db-recovery -i prod --incident latest
      then a run belongs to it

The severity's policy says what is due when: incident status shows it. It is
--policy, else INCIDENT_POLICY, else policy.yml in the store, else default.
"""

ATTACH = """Take files into an incident as they are, or the record of a run that was
started without it, by plain ansible-playbook for example.

A file is copied byte for byte and named by its SHA-256; what it is called
stays in the event. It is not searched for secrets unless you say --redact.
"""

MILESTONE = """Say when something was reached; --at for what you write down later.

\b
Known ones, in the order an incident passes them:
  impact_start detected alerted acknowledged awareness mitigation_start
  contained mitigated verified resolved reviewed

A later event corrects an earlier one; none is ever edited. resolved is
refused over a temporary change that is not known to be gone, as close is.
"""

CLOSE = """Close an incident: its bundle is sealed, and copied to INCIDENT_PUSH_URL
where that is set. A copy that fails costs nothing else. It is marked as
resolved where runs measured that: each host that one of them did not find
well was found well later. Where nobody measured it, it is closed and not
marked as resolved: say so yourself with incident milestone.

It is refused over a temporary change that is not known to be gone: take it
back with incident undo, or leave it with --leave ID --why TEXT.
"""

SEAL_BROKEN = "Seal although files are not what the chains state of them: the seal says so, and verify says broken."

SEAL = """Seal an incident's bundle as it is now: manifests over every file, signed.

Signed is with --sign-key, else INCIDENT_SIGN_KEY, else the store's own key,
else the agent's first; when there is none at all, one is made and said. With
INCIDENT_TSA_URL an authority's time token (RFC 3161) is taken as well.
Sealing again adds a seal; nothing that an earlier one covers is rewritten.
"""

SIGN = """Add another person's signature to the last seal."""

PUSH = """Copy the sealed bundle to a URL that fsspec knows: s3://bucket/prefix,
file:///mnt/evidence, and others. What is there is never written again; every
file is read back. --retain 365d locks objects on S3 for that time.
"""

EXPORT = """Export an incident: its sealed bundle as one tar, the same bytes every time,
or its timeline as JSON lines for Timesketch.
"""

IMPORT = """Import what another system recorded."""

IMPORT_AWX = """Take an AWX job's events over as a run's record.

Reads page by page, and goes on where an interrupted import stopped. What AWX
itself dropped is marked: results over its limit, skip reasons, events it does
not have. The token is in INCIDENT_AWX_TOKEN, or name and password in
INCIDENT_AWX_USER and INCIDENT_AWX_PASSWORD.
"""
