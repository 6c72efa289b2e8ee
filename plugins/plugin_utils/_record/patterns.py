# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that nobody told us of, found by their shape or their place in a text.

This plugin util is PRIVATE to the collection: it may change at any time.

Each rule is tried only on texts that contain one of its literal hints: a search for plain text is forty times faster
than one large expression.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from . import carriers
from .names import is_secret_name

Mask = t.Callable[[str], str]

#: From this length on, in characters, finding the lines first pays.
_LONG = 4096
# Bounded, or a line of a hundred thousand dots would take minutes.
_NAME = r"[\w.\-\[\]]{0,80}"
_WORDS = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|account[_-]?key|private[_-]?key|credential|dsn|conninfo|"
    r"auth[_-]?key|psk"
)
#: Behind the name of a package of Debian stands its architecture, and behind a service of PAM what it is for: passwd:amd64,
#: pam_unix(passwd:chauthtok).
_NO_ARCHITECTURE = (
    r"(?!:(?:auth|account|session|chauthtok|setcred)\))"
    r"(?!:(?:all|any|native|amd64|arm64|armel|armhf|i386|loong64|mips\w*|powerpc|ppc64el|riscv64|s390x|x32)(?![\w.-]))"
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """One shape.

    Attributes:
        name: for tests and documentation.
        hints: lower-case literals; without any of them in the lower-case text the expression is not tried.
        pattern: its group `secret` is what is masked; a group `name`, if any, must be a secret's name.
        learn: whether the found value is a secret wherever else it appears.
        within_line: a match never has an end of a line in it, and a hint is always in it: of a long text only the lines with a
            hint are looked at.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    learn: bool = False
    within_line: bool = False

    def replace(self, text: str, mask: Mask) -> str:
        """The text with every match's secret masked."""
        swap = _Replace(mask)
        if not self.within_line or len(text) < _LONG:
            return self.pattern.sub(swap, text)
        parts, done = [], 0
        for begin, end in _lines_with(self.hints, text):
            parts += [text[done:begin], self.pattern.sub(swap, text[begin:end])]
            done = end
        return "".join([*parts, text[done:]])


def _lines_with(hints: tuple[str, ...], text: str) -> t.Iterator[tuple[int, int]]:
    """Where the lines begin and end that contain a hint."""
    lower = text.lower()
    if len(lower) != len(text):  # a letter that has two in lower case: positions are others
        yield 0, len(text)
        return
    searched = re.compile("|".join(map(re.escape, hints)))
    end = 0
    while (found := searched.search(lower, end)) is not None:
        begin = text.rfind("\n", end, found.start()) + 1 or end
        end = text.find("\n", found.end()) + 1 or len(text)
        yield begin, end


def _rule(
    name: str, hints: str, pattern: str, *, flags: int = re.IGNORECASE, learn: bool = False, within_line: bool = False,
) -> Rule:
    return Rule(name=name, hints=tuple(hints.split(" ")), pattern=re.compile(pattern, flags), learn=learn, within_line=within_line)


# As sudo writes it.
_NO_DIRECTORY = r"(?-i:(?!(?:OLD)?PWD=[/~]))"
# In JSON that is a text of JSON, at any depth: the quotes have a backslash or more, those inside of the value have others beside them.
_NESTED = r"""(?P<n>\\+["'])(?P<nested>(?:(?!(?<!\\)(?P=n))[^\n])+)(?:(?P=n)|$)"""
# Quoted, with quotes escaped inside; quoted without such; cut off before its end, as a shortened log has it; or bare.
_VALUE = (
    rf"""(?:{_NESTED}|(?P<q>["'])(?!(?P=q))"""
    r"""(?:(?P<quoted>(?:(?!(?P=q))(?:\\.|[^\\\n]))+)(?P=q)|(?P<quoted2>(?:(?!(?P=q)).)+)(?P=q)|(?P<cut>[^\n]+))"""
    r"""|(?P<bare>[^\s,;"'&<>\\)\]}]+))"""
)

_KEY_BEGIN = r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
_KEY_END = r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
_QUOTE = r"""(?:\\*+["'])?"""
# A word of a command line, quoted with blanks inside or bare; an empty one is none.
_WORD = r"""(?:(?P<q>\\?["'])(?P<quoted>(?:(?!(?P=q))(?:\\.|[^\\\n]))+)(?P=q)|(?P<secret>(?!(?:''|"")(?!\S))[^\s-]\S*))"""
# After AUTH, what mail servers and logs say there and no password is.
_NO_PASSWORD = (
    r"(?!(?:plain|login|external|anonymous|gssapi|ntlm|xoauth2?|oauthbearer|(?:cram|digest|scram)-\S+|failed|failure|fail|ok|error|errors|"
    r"required|success\w*|succeeded|denied|timeout|timed|method|methods|type|tls|ssl|no|none|not|is|was|on|off|to|by|for|from|log|command|"
    r"called|without|with|wrong|invalid|bad|and|or|user|service|server|module|db|database|backend|policy|start\w*|ended|done)\b)"
)

# Between two words of a command: blanks, a comma of JSON, or redis-cli's number of the second one, which may be on the next line.
_THEN = r"(?:[ \t]{{1,20}}|[ \t]{{0,20}},\s{{0,20}}|\s{{1,80}}{}\)[ \t]{{1,20}})"
# The end of a word as it is sent, or as a log escapes it.
_EOL = r"(?:\r?\n|(?:\\r)?\\n)"

RULES: tuple[Rule, ...] = (
    _rule("private key", "private key", rf"{_KEY_BEGIN}(?P<secret>.*?){_KEY_END}", flags=re.DOTALL),
    _rule("URL password", "://", r"""://[^\s/?#:@"'<>]*:(?P<secret>[^\s/?#"'<>]+)@""", learn=True),
    _rule("URL password with a slash", "://", r"""://[^\s/?#:@"'<>]+:(?!\d{1,5}[/?#])(?P<secret>[^\s"'<>@]+)@""", learn=True),
    _rule("URL parameter", "? &", rf"""[?&](?:{_NAME}(?:{_WORDS}|sig|signature|auth|session){_NAME})=(?P<secret>[^&\s"'#<>;]+)"""),
    _rule("Authorization", "authorization",
          rf"""authorization{_QUOTE}\s*[:=]\s*{_QUOTE}(?:(?:basic|bearer|token|digest|negotiate|apikey)\s+)?(?P<secret>[^\s"',\\]+)"""),
    _rule("bearer", "bearer", r"\bbearer\s+(?P<secret>[A-Za-z0-9._~+/=-]{16,})"),
    _rule("cookie", "cookie", rf"""\b(?:set-)?cookie{_QUOTE}\s*:\s*{_QUOTE}(?P<secret>[^\r\n"']+)"""),
    _rule("SQL password", "password identified",
          r"""\b(?:password|identified\s+by)\s+(?:E?'(?P<secret>(?:[^']|'')+)'|\$\$(?P<secret2>.+?)\$\$)"""),
    _rule("Redis password", "requirepass masterauth", rf"""\b(?:requirepass|masterauth){_QUOTE}\s+{_QUOTE}(?P<secret>[^\s"'\\]+)"""),
    _rule("openssl pass:", "pass:", r"""(?P<q>["'])pass:(?P<quoted>(?:(?!(?P=q))[^\n])+)(?P=q)|\bpass:(?P<secret>[^\s'"]+)"""),
    # YAML with the value on a line of its own, or as a block.
    _rule("value on the next line", "pass pwd secret token key credential dsn conninfo psk",
          rf"""^(?P<indent>[ \t]{{0,80}})(?:-[ \t]+)?["']?(?P<name>[\w.\-]{{0,80}}(?:{_WORDS}|pass)[\w\-]{{0,80}})["']?:[ \t]*"""
          r"""(?:(?P<block>[|>][+-]?)[ \t]*)?\r?\n(?P=indent)[ \t]+(?![-#?&*\[{]|[\w.-]+:(?:\s|$))"""
          r"""(?P<secret>[^\s].{0,4000}(?(block)(?:\n(?P=indent)[ \t]+\S.{0,4000}){0,200}))""", flags=re.MULTILINE | re.IGNORECASE),
    # A word of its own, as env prints it: up to the next blank, since a password may have any other character.
    _rule("variable", "pass pwd secret token key credential dsn conninfo psk",
          rf"""(?<![^\s]){_NO_DIRECTORY}(?P<name>[\w.\-]{{0,80}}(?:{_WORDS}|pass)[\w\-]{{0,80}})=(?P<secret>[^\s"'<{{$\\][^\s"'\\]*)""",
          within_line=True),
    _rule("element", "</", rf"""<(?P<name>[\w.\-:]{{0,80}}(?:{_WORDS})[\w\-]{{0,80}})>(?P<secret>[^<>]+)</"""),
    _rule("assignment", "pass pwd secret token key credential dsn conninfo psk",
          rf"""(?<![?&\w])(?=\w){_NO_DIRECTORY}(?P<name>[\w.\-]{{0,80}}(?:{_WORDS}|pass)[\w\-]{{0,80}})"""
          rf"""{_NO_ARCHITECTURE}{_QUOTE}[ \t]*(?:=>|=|:)[ \t]*{_VALUE}""",
          within_line=True),
    _rule("quoted word", "pass psk secret",
          r"""(?<![\w.-])(?:pass(?:word|wd|phrase)?|psk|bind_?pw|auth_pass)[ \t]+(?P<q>["'])(?P<quoted>(?:(?!(?P=q))\S)+)(?P=q)"""
          r"""|(?<![\w.-])secret[ \t]+"(?P<secret>[^"\s]+)"[ \t]*(?:;|$)""", flags=re.MULTILINE | re.IGNORECASE, within_line=True),
    _rule("word of a configuration", "bindpw rootpw auth_pass community",
          r"""^[ \t]*(?:bindpw|rootpw|auth_pass|r[ow]community6?)[ \t]+(?P<secret>[^\s"'][^\s]*)""", flags=re.MULTILINE | re.IGNORECASE),
    _rule("netrc", "password",
          r"""\b(?:login|account|machine)[ \t]+\S{1,200}\s{1,80}password\s{1,80}(?P<secret>\S+)"""),
    _rule("pgpass", ":",
          r"""^(?:[\w.*-]{1,200}|\[[\da-f:]+\]|/[^\s:]{1,200}):(?:\d{1,5}|\*):[^\s:]{1,63}:[^\s:]{1,63}:"""
          r"""(?P<secret>[^\s:](?:\\.|[^\s:\\]){3,})[ \t]*$""",
          flags=re.MULTILINE),
    _rule("pgbouncer", "md5 scram", r'"[^"\n]{1,200}"[ \t]+"(?P<secret>(?:md5|SCRAM-SHA-256\$)[^"\s]+)"'),
    _rule("password hash", "$",
          r"""(?<![\w$])(?P<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|sm3|sha1|md5|apr1|argon2(?:id?|d)|scrypt|bcrypt\w*|pbkdf2[\w-]*)\$"""
          r"""(?=[^\s$"':]{0,200}[./A-Za-z0-9])(?:[./A-Za-z0-9=,+_-]{1,200}\$){0,4}[./A-Za-z0-9+=_-]{13,200})""", flags=0),
    _rule("PostgreSQL hash", "md5", r"""(?<![\w-])(?P<secret>md5[0-9a-f]{32})(?![\w-])""", flags=0),
    _rule("option", "--", rf"""(?<!\S)--(?P<name>[\w-]{{0,80}}(?:{_WORDS})[\w-]{{0,80}})[ \t]+(?!-){_VALUE}"""),
    _rule("mysql -p", "mysql mariadb mongo", rf"\b(?:mysql\w*|mariadb[\w-]*|mongo\w*)\b[^\n|;&]*?\s(?-i:-p)\s?{_WORD}"),
    _rule("redis-cli -a", "redis-cli", rf"\bredis-cli\b[^\n|;]*?\s-a\s+{_WORD}"),
    # Words of a Redis command as MONITOR, SLOWLOG and JSON have them; the last one is the password.
    _rule("words of AUTH", "auth",
          rf"""["']AUTH["']{_THEN.format(2)}(?:["'][\w.@:-]{{1,80}}["']{_THEN.format(3)})?["'](?i:{_NO_PASSWORD})(?P<secret>[^"'\n]+)["']"""),
    # As it is sent: the length of a word, and the word.
    _rule("RESP of AUTH", "auth",
          rf"""\$4{_EOL}AUTH{_EOL}(?:\$\d{{1,4}}{_EOL}[^\s\\]{{1,80}}{_EOL}(?=\$\d{{1,4}}{_EOL}))?"""
          rf"""\$\d{{1,5}}{_EOL}(?P<secret>[^\r\n\\]+)"""),
    # Typed at a prompt, a line of its own or of a program's input; in upper case, as "auth" begins many a sentence.
    _rule("AUTH", "auth",
          rf"""(?:(?:^|[|;"'])[ \t]*(?:\d\d?\)[ \t]*)?AUTH|(?i:\d>[ \t]*AUTH|\bredis-cli\b[^\n|;]*?\sAUTH|\bHELLO[ \t]+[23][ \t]+AUTH))"""
          rf"""[ \t]+(?!\d\d?\))(?i:{_NO_PASSWORD})(?:[\w.@-]{{1,80}}[ \t]+(?=\S+[ \t]*(?:$|[|;"'])))?{_QUOTE}(?P<secret>[^\s"'|;\\]+)"""
          rf"""{_QUOTE}[ \t]*(?=$|[|;"'])""", flags=re.MULTILINE, within_line=True),
    _rule("sshpass -p", "sshpass", rf"\bsshpass\s+-p\s*{_WORD}"),
    _rule("curl -u", "curl",
          r"""\bcurl\b[^\n|;]*?\s(?:-u|--user)\s*(?:(?P<q>["'])[^\s:"']+:(?P<quoted>(?:(?!(?P=q))[^\n])+)(?P=q)|["']?[^\s:"']+:(?P<secret>[^\s"']+))"""),
    _rule("ldap -w", "ldap", rf"\bldap\w+\b[^\n|;]*?\s-w\s+{_WORD}"),
    # Its -k is a passphrase and its -K a key, with ciphers only.
    _rule("openssl -k", "openssl",
          rf"\bopenssl\s+(?:enc|aes|aria|base64|bf|camellia|cast|chacha|des|idea|rc\d|seed|sm4)[\w-]*\b[^\n|;]*?\s-k\s+{_WORD}"),
    _rule("AWS key", "akia asia", r"\b(?P<secret>(?:AKIA|ASIA)[A-Z0-9]{16})\b", flags=0),
    _rule("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"\b(?P<secret>gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{22,})", flags=0),
    _rule("GitLab token", "glpat-", r"\b(?P<secret>glpat-[\w-]{16,})", flags=0),
    _rule("Slack token", "xox", r"\b(?P<secret>xox[abceoprs]-[A-Za-z0-9-]{10,})", flags=0),
    _rule("Slack webhook", "hooks.slack.com", r"hooks\.slack\.com/services/(?P<secret>[\w/]+)", flags=0),
    _rule("JWT", "eyj", r"\b(?P<secret>eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)", flags=0),
    _rule("Stripe key", "sk_live_ sk_test_", r"\b(?P<secret>sk_(?:live|test)_\w{16,})", flags=0),
    _rule("sk- key", "sk-", r"\b(?P<secret>sk-[\w-]{20,})", flags=0),
    _rule("Google key", "aiza", r"\b(?P<secret>AIza[\w-]{35})", flags=0),
    _rule("registry tokens", "npm_ pypi- dckr_pat_", r"\b(?P<secret>npm_\w{30,}|pypi-[\w-]{50,}|dckr_pat_[\w-]{20,})", flags=0),
    _rule("vault and age", "hvs. age-secret-key-", r"\b(?P<secret>hvs\.[\w-]{20,}|AGE-SECRET-KEY-1\w{50,})", flags=0),
    _rule("SCRAM verifier", "scram-sha-256$", r"(?P<secret>SCRAM-SHA-256\$\d+:[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+)", flags=0),
)


@dataclasses.dataclass(frozen=True)
class Scanner:
    """A grammar that an expression cannot say.

    Attributes:
        hints: as of a Rule.
        spans: where in a text its secrets are.
    """

    name: str
    hints: tuple[str, ...]
    spans: t.Callable[[str], list[tuple[int, int]]]

    def replace(self, text: str, mask: Mask) -> str:
        """The text with every secret that it finds masked."""
        parts, done = [], 0
        for begin, end in sorted(self.spans(text)):
            secret = text[begin:end]
            if begin < done or not secret or is_harmless(secret) or _MASKED in secret:
                continue
            parts += [text[done:begin], mask(secret)]
            done = end
        return "".join([*parts, text[done:]]) if parts else text


_MASKED = "[redacted:"
SCANNERS: tuple[Scanner, ...] = (
    Scanner("commands", carriers.PROGRAM_HINTS, carriers.in_commands),
    Scanner("SQL functions", carriers.FUNCTION_HINTS, carriers.in_sql),
    Scanner("Redis users", carriers.USER_HINTS, carriers.in_users),
)
_HINTS: t.Final[tuple[str, ...]] = tuple(dict.fromkeys(
    [hint for rule in RULES for hint in rule.hints] + [hint for scanner in SCANNERS for hint in scanner.hints],
))
#: Values in a secret's place that are none: placeholders, templates, what we put there ourselves.
_HARMLESS = re.compile(
    r"(?:\*+|x+|[|>][+-]?|true|false|yes|no|null|none|omit|required|\[redacted:\w+\]?|\{\{.*|\$\{?\w+\}?|%s|<\w+>|VALUE_SPECIFIED_IN_NO_LOG_PARAMETER)\Z",
    re.IGNORECASE,
)
_TEMPLATE = re.compile(r"\{\{\s*[\w.]+(?:\s*\|\s*\w+)*\s*\}\}\Z")


_PROGRAM = re.compile(r"(?:\S*/)?(?:mysql\w*|mariadb[\w-]*|mongo\w*|redis-cli|sshpass|curl|ldap\w+|openssl)\Z")


def is_program(word: str) -> bool:
    """Whether a command of this name takes secrets by options that say so only with it."""
    return bool(_PROGRAM.match(word)) or carriers.is_program(word)


def is_template(text: str) -> bool:
    """Whether a text is nothing but a reference to a variable: {{ db_password }}. A literal inside makes it another."""
    return bool(_TEMPLATE.match(text))


def is_harmless(value: str) -> bool:
    """Whether a value in a secret's place is a placeholder."""
    return bool(_HARMLESS.match(value))


def apply(text: str, *, mask: Mask, learn: Mask) -> str:
    """The text with every secret that a rule finds replaced.

    Args:
        text: any text.
        mask: gives the token for a secret.
        learn: the same, and remembers the secret.
    """
    lower = text.lower()
    present = {hint for hint in _HINTS if hint in lower}
    if not present:
        return text
    for rule in RULES:
        if present.isdisjoint(rule.hints):
            continue
        text = rule.replace(text, learn if rule.learn else mask)
    for scanner in SCANNERS:
        if not present.isdisjoint(scanner.hints):
            text = scanner.replace(text, mask)
    return text


class _Replace:
    """What takes the place of a match: the match with its secret masked."""

    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def __call__(self, found: re.Match[str]) -> str:
        groups = found.groupdict()
        name = groups.get("name")
        if name is not None and not is_secret_name(name):
            return found.group()
        group = next((key for key in ("secret", "secret2", "quoted", "quoted2", "nested", "cut", "bare") if groups.get(key)), None)
        if group is None or is_harmless(groups[group]) or groups[group].startswith("[redacted:"):
            return found.group()
        start, end = found.start(group) - found.start(), found.end(group) - found.start()
        whole = found.group()
        return whole[:start] + self._mask(groups[group]) + whole[end:]
