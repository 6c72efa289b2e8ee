# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The longer texts of --help: at most 76 columns, since click keeps them as they are."""

from __future__ import annotations

from .exits import TABLE

MAIN = """Run incident scenarios: look, plan, ask, act inside limits, measure, and
leave a record of it.

\b
Examples:
  incident scenarios
      what there is
  incident run db-recovery -i inventories/prod --check
      the plan; touches nothing
  incident run db-recovery -i inventories/prod
      plan, your approval, action, measurement, report
  incident open "Logins hang" -s SEV1; incident status; incident close latest
      an incident over several runs and people, sealed at its end
  incident verify latest
      is the record whole and unchanged?
  incident report latest --output -
      the report again
"""

RUN = """Run a SCENARIO (`incident scenarios` lists them), or a playbook file of your
own built from the same roles.

First it investigates and makes the plan; nothing is touched. Then it shows
the plan and asks. What you approve is carried out, that and nothing else, and
measured until it holds or the time is up. Ctrl-C stops at any moment and says
what may still be under way.

\b
Examples:
  incident run db-recovery -i inventories/prod
      with the question
  incident run db-recovery -i inventories/prod --limit db1 --check
      only the plan, only db1
  incident run db-recovery -i inventories/prod --tags investigate
      only look
  incident run db-recovery -i prod.yml --yes --timeout 15m --json
      for automation
  incident run db-recovery -i prod.yml -e @limits.yml -- --diff
      what follows -- goes to ansible-playbook

Values of -e go to a file that only you can read and that is gone afterwards,
never to Ansible's command line; write -e @file to keep them off your own. Of
your environment only what Ansible, SSH and clients need is passed on, and
what your inventory reads with lookup('env', ...); --pass-env NAME adds to it.
"""

INIT = """Ask five questions about your systems, try each answer at once, and write
an inventory that a run can plan with:

\b
  reach        where PostgreSQL runs, and how it is reached
  database     which database, which login
  application  what runs the application, and under which name
  health       the URL at which it says that it is well
  probe        which login may run which query, as the application does

A trial looks and changes nothing. One that fails says why, and another answer
can be given. Passwords are never written: the inventory looks them up in the
environment, ONCALL_DB_PASSWORD and ONCALL_PROBE_PASSWORD.

\b
Examples:
  incident init
      asks, and writes inventories/prod
  incident init inventories/staging --answers staging-answers.yml
      without a question; such a file has a line for each, for example
      reach: controller
      database: postgresql://oncall@db1.example.org:5432/shop
      application: systemd shop.service on app1.example.org
      health: http://127.0.0.1:8080/health
      probe: oncall_probe SELECT 1 FROM orders LIMIT 1

Exit statuses: 0 a run can plan with it; 2 an answer does not work, or the
directory is there already, and nothing was written; 3 it was written, and a
run cannot plan with it yet; 130 stopped, and nothing was written.
"""

VARS = """Show the variables of a SCENARIO's roles on the hosts it would go to, with
the file and line each value comes from. It reads the inventory and the
playbook; nothing is connected to.

\b
Examples:
  incident vars db-recovery -i inventories/prod
      the basic ones, and what somebody changed
  incident vars db-recovery -i inventories/prod --limit db1 --all
      every variable of one host
  incident vars db-recovery -i inventories/prod -e @limits.yml --json
      for a script

Secrets are hidden. A name that is almost one of ours, or a value that a run
would refuse, is named at the end, and the exit status is 2.
"""

VERIFY = """Recheck an incident's bundle (its id, directory or tar) or a run's record:
is all of it there, unchanged, and who vouches for it?

Signatures are checked against --allowed-signers, else
INCIDENT_ALLOWED_SIGNERS, else the store's own list; time tokens against
--tsa-ca, else INCIDENT_TSA_CA. Nothing in a bundle is changed by looking.

\b
Exit statuses:
    0  proven, ok  unchanged; of a bundle: a signer whom you trust sealed it
    1  broken      something was changed; it says where
    2  bad input   there is no such bundle or record
    3  not proven  unchanged, but no signer you trust vouches for all of it;
       incomplete  of a record: its last writer did not finish
"""

REPORT = """Write the report of a run or an incident, as one HTML file and as Markdown.

A run's is written into its directory, an incident's beside its sealed bundle. --output writes it elsewhere as well, in the format that
--format or the file's name says.

It is made from the records alone: the same records give the same report. The HTML needs no network and no script, and can be mailed and
printed.
"""

METRICS = """How long incidents took to be acknowledged, mitigated, verified and resolved, against their targets.

Derived from the incidents' events each time. Of a group the median and what nine of ten stayed within are given, since a mean
says little about times that are skewed.
"""

UNDO = """Take back the temporary changes of an INCIDENT, or only those with the given
ids: a raised limit, a hold, a ban.

It is a run like any other: it looks at each change first, plans, asks, acts
only where the change is still the one that was made, and measures. A value
that somebody has set since is left alone.

\b
Examples:
  incident status latest
      which changes there are, with their ids
  incident undo latest -i inventories/prod
      all of them, with the question
  incident undo latest 1f0c22ab -i inventories/prod --yes
      this one, for automation

Where nothing is left to take back it ends with 5 and says so.
"""

IN_FORCE = """Look which temporary changes are in force on the hosts of an inventory:
those of the open incidents, those of closed ones that were left there on
purpose or were to end by themselves, and units of ours that no incident
knows. It only reads. What it finds counts as a look in the incident status of
an open incident.

\b
Examples:
  incident in-force -i inventories/prod
  incident in-force -i inventories/prod --limit cache1 --json

\b
Exit statuses:
    0  each was looked at: in force or gone
    2  bad input
    3  unknown: a change or a host could not be looked at
"""

DRILL = """Break hosts on purpose, recover them with a scenario's playbook, and keep
score. Without a DRILL the drills are listed.

Only hosts in a group named `drillable` are touched, and the drill refuses
when one of them is marked as production. Every fault arms a timer on its host
before it is injected, so it goes even when this machine dies.

A round: the steady state is measured, the fault injected, the time until it
is seen taken, --check run and compared with what the hosts were like, the
plan compared with what was expected, the scenario run, run again (nothing to
do), the fault taken back, the steady state measured again. The score card and
those of earlier drills are in <home>/drills.

\b
Examples:
  incident drill
      what there is
  incident drill db-recovery -i inventories/staging
      shows what it will break, and asks
  incident drill db-recovery -i inventories/staging --yes --timeout 30m
      for a timer (see docs/drills.md)
  incident drill my-drill.yml -i inventories/staging -r blocked
      a drill of your own, one round of it
  incident drill --validate my-drill.yml
      what is wrong with its file; touches nothing

\b
Exit statuses:
    0  passed, 1 failed, 2 bad input or a host that must not be broken,
    4  refused by the operator, 124 timed out, 130 interrupted
    With --validate: 0 valid, 2 not
"""


def epilog() -> str:
    """The exit statuses, for the end of a help text."""
    rows = "\n".join(f"  {status:>3}  {name:<17} {meaning}" for status, name, meaning in TABLE)
    return f"\b\nExit statuses:\n{rows}"
