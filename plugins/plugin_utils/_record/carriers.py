# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets by the grammar of what carries them: command lines of known programs, SQL functions, rules of Redis users.

This plugin util is PRIVATE to the collection: it may change at any time.

What each program, function and rule takes is data. Every scanner looks at each character a bounded number of times, however hostile
the text is.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

#: Where a secret begins and ends.
Span = tuple[int, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Program:
    """What a program takes that is secret.

    Attributes:
        names: what it is called, without its directory.
        words: one of these must be among its words, or nothing of it is a secret.
        options: their values are.
        glued: an option's value may follow it without a blank: -pVALUE.
        parts: the sign that separates a user from the secret in the value of an option: {"-U": "%"}.
        pairs: of KEY=VALUE the value is: in the values of these options, or with "" in its operands.
        operand: the number of the operand that is, the one after `words` being 0; -1 is the last one.
        flag: a letter that must be among its short options for `operand` to hold.
        stdin: what it reads is, where it has this option; "" means always.
        stdin_after: the sign behind which it is in each line that it reads.
    """

    names: frozenset[str]
    words: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    glued: bool = False
    parts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    pairs: frozenset[str] = frozenset()
    operand: int | None = None
    flag: str = ""
    stdin: str | None = None
    stdin_after: str = ""


def _program(names: str, *, words: str = "", options: str = "", pairs: t.Iterable[str] = (), **more: t.Any) -> Program:
    return Program(
        names=frozenset(names.split()), words=frozenset(words.split()), options=frozenset(options.split()), pairs=frozenset(pairs), **more,
    )


PROGRAMS: tuple[Program, ...] = (
    _program("docker podman nerdctl buildah skopeo helm oc crane", words="login", options="-p --password", stdin="--password-stdin"),
    _program("kubectl oc", words="secret", pairs=["--from-literal"]),
    _program("vault bao", words="write put patch", pairs=[""]),
    _program("vault bao", words="login", operand=0),
    _program("htpasswd", operand=-1, flag="b"),
    _program(
        "snmpwalk snmpget snmpgetnext snmpset snmpbulkwalk snmpbulkget snmptable snmpstatus snmpdf snmptrap snmpinform",
        options="-c -A -X", glued=True,
    ),
    _program("smbclient smbget rpcclient net", parts={"-U": "%", "--user": "%"}, glued=True),
    _program("lftp", parts={"-u": ",", "--user": ","}),
    _program("etcdctl influx", parts={"--user": ":"}),
    _program("rabbitmqctl", words="add_user change_password authenticate_user", operand=1),
    _program("useradd usermod", options="-p --password"),
    _program("ipmitool mosquitto_pub mosquitto_sub sqlcmd bcp unzip zip", options="-P"),
    _program("7z 7za 7zz rar unrar", options="-p", glued=True),
    _program("ssh-keygen", options="-N -P"),
    _program("keytool", options="-storepass -keypass -srcstorepass -deststorepass"),
    _program("slappasswd ldappasswd", options="-s -a"),
    _program("wpa_passphrase", operand=1),
    _program("redis-cli valkey-cli", options="-a --pass"),
    _program("chpasswd", stdin="", stdin_after=":"),
    _program("passwd", stdin="--stdin"),
    _program("sudo", stdin="-S"),
    _program("kinit", stdin=""),
)
_BY_NAME: t.Mapping[str, tuple[Program, ...]] = {
    name: tuple(one for one in PROGRAMS if name in one.names) for program in PROGRAMS for name in program.names
}
#: A text without any of these has no such command in it.
PROGRAM_HINTS = tuple(sorted(_BY_NAME))

#: By SQL function, the numbers of its arguments that are secrets.
FUNCTIONS: t.Mapping[str, tuple[int, ...]] = {
    "crypt": (0,), "password": (0,), "old_password": (0,), "sha2": (0,), "digest": (0,), "hmac": (1,), "encrypt": (1,), "decrypt": (1,),
    "encrypt_iv": (1,), "decrypt_iv": (1,), "aes_encrypt": (1,), "aes_decrypt": (1,), "pgp_sym_encrypt": (1,), "pgp_sym_decrypt": (1,),
    "pgp_sym_encrypt_bytea": (1,), "pgp_sym_decrypt_bytea": (1,), "pgp_pub_decrypt": (2,), "dblink_connect_u": (1,),
}
FUNCTION_HINTS = ("crypt", "password", "sha2", "digest", "hmac", "dblink_connect_u")
USER_HINTS = ("setuser", "user ")

_TOKEN = re.compile(
    r"""(?P<end>[|;&\n]++)|(?P<word>(?:"(?:\\.|[^"\\\n])*+"|'[^'\n]*+'|\\.|[^\s|;&"'\\])++|["'\\])""",
)
_SQL = re.compile(
    rf"""(?P<call>\b(?:{'|'.join(sorted(FUNCTIONS, key=len, reverse=True))})\s{{0,8}}\()|(?P<open>\()|(?P<close>\))|(?P<comma>,)"""
    r"""|(?<!\w)E?'(?P<quoted>(?:[^'\\\n]|''|\\.){0,2000}+)'|\$(?P<tag>\w{0,32})\$(?P<dollars>[^\n$]{1,500}+)\$(?P=tag)\$|(?P<other>[^\s])""",
    re.IGNORECASE,
)
#: So many open parentheses are remembered.
_DEEPEST = 100
_USER = re.compile(r"""\bSETUSER["']?[\s,"']|^[ \t]*user[ \t]+\S+[ \t]+(?:on|off|reset\w*|nopass|sanitize-payload|[><#~&+-])""",
                   re.IGNORECASE | re.MULTILINE)
_USER_RULE = re.compile(r"""(?<=[\s"',])[><#!](?P<secret>[^\s"',\\]{1,512})""")
_ECHO = frozenset({"echo", "printf"})
#: What the lines with a command of a known program have in them, and the texts with a call of a function that takes secrets. Most
#: texts have neither, and looking for these is several times cheaper than reading every word.
_PROGRAM_IN_LINE = re.compile(rf"""(?<![\w-])(?:{'|'.join(sorted(map(re.escape, _BY_NAME), key=len, reverse=True))})(?![\w-])""")
_CALL = re.compile(rf"\b(?:{'|'.join(sorted(FUNCTIONS, key=len, reverse=True))})\s{{0,8}}\(", re.IGNORECASE)

#: Of a function's name and the blanks behind it: characters.
_LONGEST_CALL = max(map(len, FUNCTIONS)) + 8


def in_commands(text: str) -> list[Span]:
    """Where secrets stand in the command lines of known programs; neither a word nor a pipe goes over the end of a line."""
    found: list[Span] = []
    end = 0
    while (named := _PROGRAM_IN_LINE.search(text, end)) is not None:
        begin = text.rfind("\n", end, named.start()) + 1 or end
        end = text.find("\n", named.end()) + 1 or len(text)
        found += [(begin + first, begin + last) for first, last in _in_line(text[begin:end])]
    return found


def _in_line(text: str) -> list[Span]:
    found: list[Span] = []
    commands: list[list[re.Match[str]]] = [[]]
    piped = [False]
    for token in _TOKEN.finditer(text):
        if token["end"] is None:
            commands[-1].append(token)
            continue
        commands.append([])
        piped.append(token["end"] == "|")
    for number, tokens in enumerate(commands):
        words = [token[0] for token in tokens]
        for index, (begin, end) in in_words(words):
            found.append((tokens[index].start() + begin, tokens[index].start() + end))
        if piped[number] and number and (program := _reader(words)) is not None:
            before = commands[number - 1]
            for token in _printed(before):
                found.append(_within(token[0], 0, program.stdin_after, at=token.start()))
    return [(begin, end) for begin, end in found if begin < end]


def in_words(words: t.Sequence[str]) -> t.Iterator[tuple[int, Span]]:
    """The words of one command that have a secret in them, and where in the word it is."""
    for at, word in enumerate(words):
        programs = _BY_NAME.get(_bare(word).rpartition("/")[2])
        for program in programs or ():
            yield from _of(program, words, at + 1)
        if programs:
            return


def _of(program: Program, words: t.Sequence[str], first: int) -> t.Iterator[tuple[int, Span]]:
    rest = [_bare(word) for word in words[first:]]
    if program.words and not program.words.intersection(rest):
        return
    operands: list[int] = []
    begun = not program.words
    skip = False
    for offset, word in enumerate(rest):
        index = first + offset
        following = index + 1 < len(words)
        if skip:
            skip = False
        elif word == "<<<" and following and program.stdin is not None:
            yield index + 1, _within(words[index + 1], 0, program.stdin_after)
            skip = True
        elif word.startswith("-"):
            option, equals, _value = word.partition("=")
            if option in program.options | program.parts.keys() | (program.pairs - {""}):
                where = (index, len(option) + 1) if equals else (index + 1, 0)
                if equals or following:
                    yield where[0], _within(words[where[0]], where[1], program.parts.get(option, "=" if option in program.pairs else ""))
                skip = not equals
            elif program.glued and word[:2] in program.options | program.parts.keys():
                yield index, _within(words[index], 2, program.parts.get(word[:2], ""))
        elif word in program.words and not begun:
            begun = True
        elif begun:
            operands.append(index)
            if "" in program.pairs and "=" in word:
                yield index, _within(words[index], 0, "=")
    flagged = not program.flag or any(re.match(rf"-[a-zA-Z]*{program.flag}", word) for word in rest)
    if program.operand is not None and flagged and -len(operands) <= program.operand < len(operands) and len(operands) > -program.operand:
        chosen = operands[program.operand]
        if "=" not in words[chosen] or program.flag:
            yield chosen, _within(words[chosen], 0, "")


def _reader(words: t.Sequence[str]) -> Program | None:
    """The program of a command that reads a secret."""
    for word in words:
        for program in _BY_NAME.get(_bare(word).rpartition("/")[2], ()):
            if program.stdin is not None and (not program.stdin or program.stdin in words):
                return program
    return None


def _printed(tokens: t.Sequence[re.Match[str]]) -> t.Sequence[re.Match[str]]:
    """What a command prints: the words of echo and printf without their options and format; of others their last word."""
    at = next((number for number, token in enumerate(tokens) if token[0] in _ECHO), None)
    if at is None:
        return tokens[-1:]
    words = [token for token in tokens[at + 1:] if not re.fullmatch(r"-[neE]+", token[0])]
    return words[1:] if len(words) > 1 and tokens[at][0] == "printf" and "%" in words[0][0] else words


def _within(word: str, begin: int, sign: str, *, at: int = 0) -> Span:
    """Where the secret is in a word: behind the first `sign`, if any, and without the quotes around it."""
    end = len(word)
    while end - begin >= 2 and word[begin] in "\"'" and word[end - 1] == word[begin]:
        begin, end = begin + 1, end - 1
    if sign:
        found = word.find(sign, begin, end)
        if found < 0:
            return at, at
        begin = found + len(sign)
        if end - begin >= 2 and word[begin] in "\"'" and word[end - 1] == word[begin]:
            begin, end = begin + 1, end - 1
    return at + begin, at + end


def _bare(word: str) -> str:
    return word[1:-1] if len(word) > 1 and word[0] in "\"'" and word[-1] == word[0] else word


def in_sql(text: str) -> list[Span]:
    """Where secrets stand as literals in the arguments of SQL functions that take them, nested ones too."""
    if not any(_CALL.search(text, max(0, bracket.start() - _LONGEST_CALL), bracket.end()) for bracket in re.finditer(r"\(", text)):
        return []
    found: list[Span] = []
    # By open parenthesis: which arguments of the function are secrets, and at which argument we are.
    calls: list[tuple[tuple[int, ...], int]] = []
    fresh = False
    for token in _SQL.finditer(text):
        if token["call"] or token["open"]:
            name = (token["call"] or "").rstrip("( \t\r\n").lower()
            del calls[_DEEPEST:]
            calls.append((FUNCTIONS.get(name, ()), 0))
        elif token["comma"] and calls:
            calls[-1] = (calls[-1][0], calls[-1][1] + 1)
        elif token["close"]:
            calls[-1:] = []
        elif fresh and calls and calls[-1][1] in calls[-1][0]:
            found += [token.span(group) for group in ("quoted", "dollars") if token[group]]
        fresh = bool(token["call"] or token["open"] or token["comma"])
    return found


def in_users(text: str) -> list[Span]:
    """Where passwords and their hashes stand in rules of Redis users, as in ACL SETUSER, ACL LIST and an ACL file."""
    found: list[Span] = []
    done = 0
    for user in _USER.finditer(text):
        if user.start() < done:
            continue
        done = text.find("\n", user.end())
        done = len(text) if done < 0 else done
        found += [rule.span("secret") for rule in _USER_RULE.finditer(text, user.start(), done)]
    return found


def in_list(words: t.Sequence[str]) -> list[tuple[int, Span]]:
    """The same for a command that is a list of its words: of a known program, or of Redis."""
    found = list(in_words(words))
    upper = [word.upper() for word in words[:3]]
    if words[0] == "AUTH" and len(words) in (2, 3):
        found.append((len(words) - 1, (0, len(words[-1]))))
    elif upper[:2] == ["ACL", "SETUSER"]:
        found += [(number, (1, len(word))) for number, word in enumerate(words) if number > 2 and word[:1] in ("<", ">", "#", "!")]
    elif upper[0] == "HELLO" and "AUTH" in words[2:-2]:
        at = words.index("AUTH", 2) + 2
        found.append((at, (0, len(words[at]))))
    return [(index, (begin, end)) for index, (begin, end) in found if begin < end]


def is_program(word: str) -> bool:
    """Whether a command of this name is in the table."""
    return word.rpartition("/")[2] in _BY_NAME
