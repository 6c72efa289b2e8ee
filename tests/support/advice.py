# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that messages tell people to run, as the code has them: which string, which command.

A command is recognised by its own words: a program and its arguments, an SQL statement, a Redis command, a rule of an ACL user. A value
that is only known at run time is written {}. What the code runs itself is not advice: it begins with the command and ends with it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer.main
import yaml

from oncall_incident.cli import app

ROOT = Path(__file__).resolve().parents[2]
#: Documentation of modules; their examples have tests of their own.
_DOCUMENTS = frozenset({"DOCUMENTATION", "EXAMPLES", "RETURN"})
#: Names whose value a person reads, whatever it looks like.
_SHOWN = frozenset({"hint", "way_back", "why_not", "remedy"})
#: Programs, and the words that may follow one as its command.
_PROGRAMS = {
    "systemctl": "show start stop restart reload status enable disable is-active reset-failed daemon-reload", "redis-cli": "", "psql": "",
    "fail2ban-client": "reload restart set status get unban ping start delignoreip addignoreip banip unbanip", "nft": "list delete add",
    "iptables": "", "ip6tables": "", "ufw": "delete status numbered allow deny reload", "firewall-cmd": "",
    "certbot": "renew certificates", "openssl": "rehash x509 verify s_client", "nginx": "", "ssh": "", "ssh-keygen": "", "ssh-add": "",
    "chmod": "", "chown": "", "chgrp": "", "setfacl": "", "setcap": "", "pg_ctl": "restart reload start stop immediate fast",
    "docker": "compose ps logs start restart inspect exec", "podman": "ps logs start restart inspect exec",
    "kubectl": "get describe logs rollout exec port-forward auth can-i", "cscli": "decisions bouncers allowlists delete list add",
    "sysctl": "", "kill": "", "ip": "route get rule addr neigh", "ss": "", "tar": "", "pip": "install", "journalctl": "", "usermod": "",
    "ansible-playbook": "", "ansible-inventory": "", "ansible-doc": "role module", "ansible-galaxy": "collection install",
    "ansible-vault": "", "echo": "madvise", "lsof": "", "df": "", "du": "",
    "logrotate": "", "mount": "", "fsck": "", "sudo": "", "timedatectl": "",
    "chronyc": "", "rm": "", "ps": "",
}
#: An argument: an option, a path or assignment, a value, a word in capitals, something quoted.
_ARGUMENT = re.compile("|".join((
    r"-{1,2}\w[\w=./{}-]*", r"--?(?= )", r"\{\}[\w./{}-]*", "<[^<>]+>", '"[^"]*"', "'[^']*'",
    r"[\w.-]*[/=][\w./={}-]+", r"[A-Z][A-Z0-9_]*(?![a-z])",
    r"\.\.\.", r"\d+[smhd]?", ">", "&&", r"[\w-]+\.[\w.]+\w", "[a-z]+(?:[-_,][a-z]+)+",
)))
#: Behind these a plain name follows.
_NAMES = "|".join(f"(?<={word} )(?!or |and )[a-z][\\w.]*\\b" for word in "TO ON SCHEMA TABLE ROLE DATABASE EXTENSION CONCURRENTLY".split())
#: What may follow in a statement: words in capitals, names with an underscore or where one is expected, values, options in brackets.
_PARTS = "|".join((
    r"[A-Z]+(?:, [A-Z]+)*(?![a-z])", r"[a-z]+_[a-z_]+(?:\.[a-z_]+)?", r"\{\}", "<[^<>]+>", "'[^']*'", '"[^"]*"', "=", r"on(?=[;.),]|$)",
    r"\([A-Z, ]+\)", r"\.\.\.", _NAMES,
))
_SQL = re.compile(
    r"\b(?:GRANT|REVOKE|ALTER (?:SYSTEM|ROLE|DATABASE|TABLE|EXTENSION)|CREATE (?:ROLE|SCHEMA|EXTENSION)|DROP INDEX|SELECT pg_\w+\(|"
    r"VACUUM|ANALYZE|REINDEX|(?:COMMIT|ROLLBACK) PREPARED)(?![A-Za-z_])"
    rf"(?:(?<=\()[^()]*\)|(?: (?:{_PARTS}))*)",
)
_REDIS = re.compile(
    r"\b(?:CONFIG SET [\w-]+ [\w{}.-]*[\w{}]|(?:CLIENT|CONFIG|SCRIPT|FUNCTION|CLUSTER|LATENCY|MEMORY|SENTINEL|ACL|DEBUG) [A-Z]+(?: FORCE)?|"
    r"BGSAVE|BGREWRITEAOF|REPLICAOF|SLAVEOF)(?!\w)",
)
_RULE = re.compile(r"(?<![\w.{}(])(?:\+(?=[a-z])[a-z]+(?:\|[a-z]+)?(?![\w(])|~[\w.:{}]+\*)")
_REASON = re.compile(r"[a-z]+(?:_[a-z]+)+: ")  # of a skipped check: it says what was refused, and its hint what to do
_MESSAGE = re.compile(r"[a-z]{2,} |;\Z")
_RUN = re.compile(r"/dev/null|>&2|\$\(|\$\{|\"\$\d|\*\) |\$said|\Afor file; do |\ASELECT .* FROM ")  # a script or a query of our own
_EXAMPLE = re.compile(r"^ +(incident [^\n]*)$", re.MULTILINE)  # a line of its own, in a command's help

#: Words of our own commands that are not options: what stands for an incident, and milestones.
_OWN_WORDS = ("latest", "hosts", "detected", "acknowledged", "mitigated", "resolved")

SQL, REDIS, RULE, OWN, PROGRAM = "sql", "redis", "acl", "incident", "program"


@dataclass(frozen=True)
class Advice:
    """A command in a message.

    Attributes:
        command: as it is written, values {}.
        kind: SQL, REDIS, RULE, OWN or PROGRAM.
        where: path:line.
        text: the message.
    """

    command: str
    kind: str
    where: str
    text: str


def commands(text: str) -> Iterator[tuple[str, str]]:
    """The commands in a message, with their kinds."""
    for kind, pattern in ((SQL, _SQL), (REDIS, _REDIS), (RULE, _RULE)):
        yield from ((found.group().rstrip(" ="), kind) for found in pattern.finditer(text))
    for name, known in _PROGRAMS.items():
        for found in re.finditer(rf"(?<![\w./-]){re.escape(name)} ", text):
            taken = _arguments(text[found.end():], known=known.split())
            if taken:
                yield f"{name} {taken}", PROGRAM
    yield from ((command, OWN) for command in _own(text))


def _own(text: str) -> Iterator[str]:
    """The commands of `incident`: whole lines of help, and those in a sentence with what belongs to them."""
    for example in _EXAMPLE.finditer(text):
        yield from (one.strip() for one in example.group(1).split("; "))
    for found in re.finditer(r"(?<![\w./-])incident ([a-z-]+)\b ?", _EXAMPLE.sub("", text)):
        if found.group(1) in own_commands():
            taken = _arguments(found.string[found.end():], known=_OWN_WORDS)
            yield f"incident {found.group(1)} {taken}".rstrip()


@cache
def own_commands() -> frozenset[str]:
    """The names of the commands of `incident`."""
    return frozenset(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _arguments(rest: str, *, known: Sequence[str]) -> str:
    """The words behind a program's name that belong to the command."""
    end = 0
    while True:
        word = re.match(r"[a-z-]+(?![\w=])", rest[end:])
        argument = _ARGUMENT.match(rest, end)
        if word and word.group() in known:
            last = end + word.end()
        elif argument:
            last = argument.end()
        else:
            break
        end = last
        if rest[end:end + 1] != " ":
            break
        end += 1
    taken = rest[:end].strip()
    return taken if taken.endswith("...") else taken.rstrip(".")


@cache
def advice() -> tuple[Advice, ...]:
    """Every command in every message of the product."""
    found: list[Advice] = []
    for room in ("plugins", "roles", "src"):
        for path in sorted((ROOT / room).rglob("*.py")):
            found += _of_python(path)
    for path in sorted([*ROOT.glob("roles/*/tasks/**/*.yml"), *ROOT.glob("roles/*/vars/*.yml"), *ROOT.glob("playbooks/**/*.yml")]):
        found += _of_yaml(path)
    return tuple(found)


def _of_python(path: Path) -> Iterator[Advice]:
    reader = _Strings()
    reader.visit(ast.parse(path.read_text()))
    for line, text, shown in reader.found:
        yield from _in_text(text, where=f"{path.relative_to(ROOT)}:{line}", shown=shown)


def _of_yaml(path: Path) -> Iterator[Advice]:
    for text, shown in _scalars(yaml.safe_load(path.read_text()), shown=False):
        yield from _in_text(text, where=str(path.relative_to(ROOT)), shown=shown)


def _in_text(text: str, *, where: str, shown: bool) -> Iterator[Advice]:
    if _REASON.match(text) or _RUN.search(text):
        return
    for command, kind in commands(text):
        if shown or _MESSAGE.search(text.replace(command, "")):
            yield Advice(command, kind, where, text)


def _scalars(value: Any, *, shown: bool) -> Iterator[tuple[str, bool]]:
    if isinstance(value, str):
        yield re.sub(r"\{\{.*?\}\}", "{}", value), shown
    elif isinstance(value, dict):
        for key, one in value.items():
            if key != "cmd" and not str(key).endswith(("shell", "command", "argv")):
                yield from _scalars(one, shown=key in _SHOWN)
    elif isinstance(value, list):
        for one in value:
            yield from _scalars(one, shown=shown)


class _Strings(ast.NodeVisitor):
    """Strings of a file that are no docstrings and no documentation."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, bool]] = []
        self._shown = False

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if not names & _DOCUMENTS:
            self._inside(node.value, shown=any(name.lower().strip("_") in _SHOWN for name in names))

    def visit_keyword(self, node: ast.keyword) -> None:
        self._inside(node.value, shown=node.arg in _SHOWN)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self.found.append((node.lineno, node.value, self._shown))

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        text = "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
        self.found.append((node.lineno, text, self._shown))
        for one in node.values:
            if isinstance(one, ast.FormattedValue):
                self.visit(one.value)

    def _inside(self, node: ast.AST, *, shown: bool) -> None:
        before, self._shown = self._shown, shown
        self.visit(node)
        self._shown = before


def advised(message: str) -> list[str]:
    """The commands that a message tells somebody to run, as it says them."""
    return [command for command, _ in commands(message)]
