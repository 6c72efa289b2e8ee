# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""fail2ban's own part in a drill. Whatever is banned of the drill's addresses meanwhile, by the daemon or by a playbook, is let go when
the fault is taken back, out of the packet filter too. So it comes first among a round's faults: it is taken back last.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from _common import Asked, main, ready

#: An action of fail2ban that fails.
BROKEN = "false"


def before(asked: Asked) -> Path:
    """The file with what was there before. Without it the fault never took hold, and no ban is of the drill."""
    return asked.kept / "before"


def ask(*words: str) -> str:
    done = subprocess.run(["fail2ban-client", *words], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise RuntimeError(f"fail2ban-client {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def bans(addresses: Collection[str]) -> list[tuple[str, str]]:
    """Jail and address of the drill's bans."""
    found = [(jail, address) for entry in ast.literal_eval(ask("banned")) for jail, banned in entry.items() for address in banned]
    return [(jail, address) for jail, address in found if address in addresses]


def filtered(addresses: Sequence[str]) -> list[tuple[str, str]]:
    """The lines about the drill's addresses in what the packet filter has of fail2ban: its tables, chains and sets."""
    found: list[tuple[str, str]] = []
    for argv in (["nft", "list", "ruleset"], ["iptables-save"], ["ip6tables-save"], ["ipset", "save"]):
        try:
            said = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stdout
        except FileNotFoundError:
            continue
        found += mentions(said, addresses)
    return found


def mentions(said: str, addresses: Sequence[str]) -> list[tuple[str, str]]:
    """Address and line, of the lines of a packet filter's listing that belong to fail2ban."""
    found: list[tuple[str, str]] = []
    ours = False
    for line in re.sub(r",\n\s*", ", ", said).splitlines():  # nft breaks the lines of a long set
        ours = "f2b-" in line if re.match(r"\s*(table|chain|set) ", line) else ours
        about = [address for address in addresses if re.search(rf"(?<![\w.:]){re.escape(address)}(?![\w.:])", line)]
        found += [(address, line.strip()) for address in about if ours or "f2b-" in line]
    return found


def actions(jail: str) -> list[str]:
    said = ask("get", jail, "actions").splitlines()
    return [name.strip() for name in said[-1].split(",")]


def inject(asked: Asked) -> None:
    addresses, maxretry = asked.params["addresses"], asked.params["maxretry"]
    present = bans(addresses) or filtered(addresses)
    if present:
        sys.exit(f"banned before the drill: {present}. Unban them first: nobody could tell afterwards whose ban it was.")
    kept = {
        "maxretry": {jail: ask("get", jail, "maxretry") for jail in maxretry},
        "unban": [[jail, name, ask("get", jail, "action", name, "actionunban")]
                  for jail in asked.params["unban_fails"] for name in actions(jail)],
    }
    before(asked).write_text(json.dumps(kept))
    for jail, number in maxretry.items():
        ask("set", jail, "maxretry", str(number))
    for jail, name, _command in kept["unban"]:
        ask("set", jail, "action", name, "actionunban", BROKEN)
    ready()


def remove(asked: Asked) -> None:
    if not before(asked).exists():
        return
    addresses = asked.params["addresses"]
    kept = json.loads(before(asked).read_text())
    # The drill's failed logins are counted: the last line of a log, read after the limit is what it was, would be one too many.
    quiet(kept["maxretry"])
    for jail, number in kept["maxretry"].items():
        ask("set", jail, "maxretry", number)
    for jail, name, command in kept["unban"]:
        # A daemon that was restarted meanwhile has its own again.
        if ask("get", jail, "action", name, "actionunban") == BROKEN:
            ask("set", jail, "action", name, "actionunban", command)
    for jail, address in bans(addresses):
        ask("set", jail, "unbanip", address)
    if not settled(addresses):
        # An unban that failed leaves an entry that no jail knows: given the ban once more, the whole action takes it out.
        for jail in asked.params["unban_fails"]:
            for address in sorted({address for address, _line in filtered(addresses)}):
                ask("set", jail, "banip", address)
                ask("set", jail, "unbanip", address)
        settled(addresses)
    remaining = bans(addresses) or filtered(addresses)
    if remaining:
        sys.exit(f"still there: {remaining}")
    before(asked).unlink()


def quiet(jails: Collection[str]) -> None:
    """Wait until the daemon has read no failed login for two seconds; where others go on failing, half a minute."""
    counts: list[list[str]] | None = None
    since, end = 0.0, time.monotonic() + 30
    while jails and time.monotonic() < end:
        seen = [re.findall(r"Total failed:\s*(\d+)", ask("status", jail)) for jail in jails]
        if seen != counts:
            counts, since = seen, time.monotonic()
        elif time.monotonic() - since >= 2:
            return
        time.sleep(0.2)


def settled(addresses: Sequence[str]) -> bool:
    """Whether the packet filter follows the daemon, which acts a moment after it has answered, on a busy host a long one."""
    end = time.monotonic() + 20
    while filtered(addresses):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def left(asked: Asked) -> Iterator[str]:
    if not before(asked).exists():
        return
    for jail, address in bans(asked.params["addresses"]):
        yield f"{address} is banned in {jail}"
    for address, line in filtered(asked.params["addresses"]):
        yield f"{address} is in the packet filter: {line}"
    yield str(before(asked))


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
