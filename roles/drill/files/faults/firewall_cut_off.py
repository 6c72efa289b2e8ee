# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host goes away in the middle of a recovery: as soon as the packet filter changes, what goes between it and those who are connected
over SSH is dropped for a while: longer than they wait for an answer. It ends by itself. The last among a round's faults.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Iterator

from _common import Asked, main, ready, stop


def said(*argv: str) -> str:
    """What a command prints; empty where it is not installed."""
    try:
        return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def lasting(rules: str) -> str:
    """The rules without their counters, which change by themselves, and without the rest of an entry's time, which does too."""
    return re.sub(r" timeout [0-9]*| expires [0-9a-z]*|counter packets [0-9]* bytes [0-9]*", "", rules)


def rules() -> str:
    return lasting(said("nft", "--stateless", "list", "ruleset") + said("ipset", "save"))


def addresses(sockets: str) -> set[str]:
    """The peers in what ss prints."""
    lines = [line.split() for line in sockets.splitlines()]
    peers = [words[3].rpartition(":")[0].strip("[]") for words in lines if len(words) > 3]
    return {peer[len("::ffff:"):] if peer.startswith("::ffff:") else peer for peer in peers}


def table(name: str, peers: Iterable[str]) -> str:
    """What nft is told so that nothing goes to and from these."""
    lines = [f"add table inet {name}"]
    lines += [f"add chain inet {name} {hook} {{ type filter hook {hook} priority -300; }}" for hook in ("input", "output")]
    for peer in peers:
        family = "ip6" if ":" in peer else "ip"
        lines += [f"add rule inet {name} input {family} saddr {peer} drop", f"add rule inet {name} output {family} daddr {peer} drop"]
    return "\n".join(lines) + "\n"


def inject(asked: Asked) -> None:
    before = rules()
    ready()
    while rules() == before:
        time.sleep(0.2)
    connected = addresses(said("ss", "--no-header", "--numeric", "--tcp", "state", "established", "( sport = :22 )"))
    shut_out = sorted(connected - set(asked.params["spare"]))
    subprocess.run(["nft", "--file", "-"], input=table(asked.unit, shut_out), text=True, check=True)
    time.sleep(asked.params["seconds"])
    subprocess.run(["nft", "delete", "table", "inet", asked.unit], check=True)


def remove(asked: Asked) -> None:
    stop(asked)
    subprocess.run(["nft", "delete", "table", "inet", asked.unit], stderr=subprocess.DEVNULL, check=False)


def left(asked: Asked) -> Iterator[str]:
    line = f"table inet {asked.unit}"
    if line in said("nft", "list", "tables").splitlines():
        yield line


if __name__ == "__main__":
    main(inject=inject, remove=remove, left=left)
