# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each product writes its log: where a line says how important it is, what ended the program, and what must be hidden.

This module util is PRIVATE to the collection: it may change at any time.

Data alone; `excerpt.py` is what reads a log by it. A reader names the product whose log it reads: the words and quotes of one product
mean something else in another's log. tests/fixtures/logs.yml has lines of each product with the right answer.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t

DEBUG, INFO, NOTICE, WARNING, ERROR, FATAL = "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "FATAL"
HIDDEN = "***"


class Pattern:
    """A regular expression that is compiled when it is first used: a module that reads no log of a product does not pay for its grammar.

    Args:
        text, flags: of `re.compile`.
    """

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text = text
        self._flags = flags

    @functools.cached_property
    def compiled(self) -> re.Pattern[str]:
        """The pattern itself."""
        return re.compile(self._text, self._flags)

    def search(self, line: str) -> t.Optional[re.Match[str]]:
        """The first match in a line, or None."""
        return self.compiled.search(line)

    def sub(self, instead: str, line: str) -> str:
        """The line with each match replaced."""
        return self.compiled.sub(instead, line)


_NEVER = Pattern(r"(?!)")
_ALWAYS = Pattern(r"")
Secret = tuple[Pattern, str]


@dataclasses.dataclass(frozen=True)
class Grammar:
    """The log of one product.

    Attributes:
        product: its name.
        level: where a line says how important it is; the group that matched is the mark.
        marks: what the product calls the level of each mark.
        kept: the levels that an excerpt keeps.
        fatal: the levels of a line that says why the program ended.
        noise: the levels of which an excerpt keeps nothing.
        notable: what is kept although its level is lower than those of `kept`, or although the line has none.
        harmless: what is left out although its level is among `kept`.
        more: a line that belongs to the one before it.
        why: what says why the program ended or cannot begin, whatever its level.
        ended: what only says that it did.
        passing: what concerns one client, although its level is fatal.
        begins: the program starts. What was written in a start that failed may say why it did.
        usual: what a start that goes well may say, although its level is among `kept`; without it, anything.
        runs: the program is up. What stands before is history.
        places: directories where distributions have its logs; patterns of glob.
        own: what a log of the server at a port has, with {port} in it.
        sql: quoted text is a user's value.
        secrets: patterns of what must be hidden, and what stands in its place.
    """

    product: str
    level: Pattern
    marks: t.Mapping[str, str]
    kept: tuple[str, ...] = (WARNING, ERROR, FATAL)
    fatal: tuple[str, ...] = (FATAL,)
    noise: tuple[str, ...] = (DEBUG,)
    notable: Pattern = _NEVER
    harmless: Pattern = _NEVER
    more: Pattern = _NEVER
    why: Pattern = _NEVER
    ended: Pattern = _NEVER
    passing: Pattern = _NEVER
    begins: Pattern = _NEVER
    usual: Pattern = _ALWAYS
    runs: Pattern = _NEVER
    places: tuple[str, ...] = ()
    own: str = ""
    sql: bool = False
    secrets: tuple[Secret, ...] = ()


def _any(*parts: str, ignore_case: bool = False) -> Pattern:
    return Pattern("|".join(f"(?:{part})" for part in parts), re.IGNORECASE if ignore_case else 0)


# PostgreSQL -----------------------------------------------------------------------------------------------------------------------------

#: The severities as the server writes them in each language that it is translated into (lc_messages), least severe first.
_SEVERITIES: t.Mapping[str, tuple[str, ...]] = {
    "DEBUG": ("DEBUG", "ОТЛАДКА", "НАЛАГОДЖЕННЯ", "გამართვა", "디버그", "调试", "除錯"),
    "LOG": ("LOG", "LOGG", "СООБЩЕНИЕ", "ЗАПИСУВАННЯ", "ჟურნალი", "로그", "日志", "日誌"),
    "INFO": ("INFO", "ИНФОРМАЦИЯ", "ІНФОРМАЦІЯ", "ინფორმაცია", "정보", "信息", "資訊"),
    "NOTICE": ("NOTICE", "HINWEIS", "NOTIFICA", "NOTIS", "ЗАМЕЧАНИЕ", "ПОВІДОМЛЕННЯ", "알림", "注意"),
    "WARNING": ("WARNING", "WARNUNG", "ATTENTION", "ADVERTENCIA", "ATTENZIONE", "VARNING", "ПРЕДУПРЕЖДЕНИЕ", "ПОПЕРЕДЖЕННЯ",
                "გაფრთხილება", "경고", "警告"),
    "ERROR": ("ERROR", "FEHLER", "ERREUR", "ERRORE", "FEL", "ОШИБКА", "ПОМИЛКА", "შეცდომა", "오류", "错误", "錯誤"),
    "FATAL": ("FATAL", "FATALE", "FATALT", "ВАЖНО", "ФАТАЛЬНО", "ფატალური", "치명적오류", "致命错误", "致命錯誤"),
    "PANIC": ("PANIC", "PANIK", "PANICO", "ПАНИКА", "ПАНІКА", "პანიკა", "손상", "灾难性错误", "嚴重錯誤"),
}
_SEVERITY = {word: name for name, words in _SEVERITIES.items() for word in words}
_WORDS = "|".join(sorted(_SEVERITY, key=len, reverse=True))

POSTGRESQL = Grammar(
    product="postgresql",
    # stderr and syslog, csvlog (its SQLSTATE follows), jsonlog. The first one counts: a statement that is logged may hold others.
    level=Pattern(rf'(?<!\w)({_WORDS})\s?: {{1,2}}|,({_WORDS}),[0-9A-Z]{{5}},|"error_severity":"({_WORDS})"'),
    marks=_SEVERITY,
    kept=("WARNING", "ERROR", "FATAL", "PANIC"),
    fatal=("FATAL", "PANIC"),
    notable=_any(
        r"was terminated by (?:signal|exception)", r"exited with exit code (?!0\b)", r"received (?:fast|smart|immediate) shutdown request",
        r"could not bind", r"aborting startup", r"shutting down due to", r"was (?:interrupted|not properly shut down)",
        r"unrecognized configuration parameter", r"invalid value for parameter", r"syntax error in file", r"contains errors",
        r"still waiting for", r"cannot be changed without restarting", r"out of memory", r"No space left on device",
        r"stopping all background|terminating any other active server processes", r"invalid (?:checkpoint|primary checkpoint) record",
    ),
    more=Pattern(r"(?<!\w)(?:DETAIL|HINT|TIPP|DÉTAIL|DETALLE|DETTAGLI|ASTUCE|SUGGERIMENTO|DETALJ|TIPS|ПОДРОБНОСТИ|ПОДСКАЗКА|詳細|ヒント"
                    r"|ВІДОМОСТІ|УКАЗІВКА|상세정보|힌트|详情|提示|詳情)\s?: {1,2}"),  # noqa: RUF001
    why=_any(
        r"was terminated by (?:signal|exception)", r"received (?:fast|smart|immediate) shutdown request", r"could not bind",
        r"unrecognized configuration parameter", r"invalid value for parameter", r"syntax error in file",
        r"invalid (?:primary )?checkpoint record",
    ),
    ended=_any(
        r"contains errors", r"could not create any (?:TCP/IP|Unix-domain) sockets", r"aborting startup", r"shutting down due to",
        r"exited with exit code", r"database system is shut down",
    ),
    passing=_any(
        r"authentication failed", r"no pg_hba\.conf entry", r"pg_hba\.conf rejects", r"remaining connection slots",
        r"too many (?:clients|connections)",
        r"the database system is (?:starting up|shutting down|in recovery mode|not (?:yet )?accepting)", r"terminating ",
        r"(?:database|role) .{1,130} (?:does not exist|is not permitted)", r"connection to client lost", r"canceling authentication",
        r"unsupported frontend protocol", r"invalid startup packet", r"permission denied for database",
        r"expected (?:password|SASL) response",
        r"no PostgreSQL user name", r"is not currently accepting connections",
    ),
    begins=_any(r"starting PostgreSQL"),
    runs=_any(r"database system is ready to accept"),
    places=("/var/log/postgresql", "/var/lib/pgsql/data/*log", "/var/lib/pgsql/*/data/*log", "/var/lib/postgresql/*/*/*log"),
    own=r", port {port}\b|\.s\.PGSQL\.{port}\b",
    sql=True,
)

# Redis, Valkey, KeyDB, and Sentinel -----------------------------------------------------------------------------------------------------

_REDIS_MARKS = {"#": WARNING, "*": NOTICE, "-": "VERBOSE", ".": DEBUG,
                "warning": WARNING, "notice": NOTICE, "verbose": "VERBOSE", "debug": DEBUG}
_REDIS_VALUE = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s'"]+)"""
_REDIS_SECRETS = r"requirepass|masterauth|primaryauth|tls(?:-client)?-key-file-pass|auth-pass\s+[^\s\"']+"
_REDIS_CONFIG_ERROR = r"\*\*\* FATAL CONFIG FILE ERROR"

REDIS = Grammar(
    product="redis",
    # One sign between the time and the text: `812:M 03 Mar 2026 02:14:07.120 # text`. Valkey 8.1 can write level=warning too. Redis 2.4 to
    # 2.8 begin with the process id in brackets.
    level=Pattern(
        r"(?:(?:^|\s)\d+(?::\d+)?:[A-Z] |(?:^|\s)\[\d+\] )[^#*]{0,40}? ([#*.\-]) |(?:^|\s)level=(warning|notice|verbose|debug)\b",
    ),
    marks=_REDIS_MARKS,
    kept=(WARNING,),
    fatal=(),
    noise=("VERBOSE", DEBUG),
    notable=_any(
        # Notices that report a trouble, and what is written without any sign.
        r"\(Non critical\)", r"[:(\s]-[A-Z]{3,}\b",
        r"\b(?:error|fail(?:ed|ing|ure)?|unable|can(?:'|no)t|not able|refused|denied|abort(?:ed|ing)?)\b",
        r"\b(?:timeout|timed out|lost|disconnect\w*|crash\w*|corrupt\w*|unexpected|truncat\w*|inconsisten\w*)\b", r"\bMISCONF\b|\bOOM\b",
        r"User requested shutdown", r"Received (?:SIG\w+|shutdown signal)", r"(?:REDIS|VALKEY|KEYDB) BUG REPORT START", _REDIS_CONFIG_ERROR,
        r"^Reading the configuration file, at line", r"^>>> ", r"^Bad directive|^wrong number of arguments",
        ignore_case=True,
    ),
    harmless=_any(
        r"(?:Redis|Valkey|KeyDB) (?:is starting|version=)", r"oO0Oo", r"Server (?:started|initialized)", r"Configuration loaded",
        r"bye bye",
        r"Sentinel (?:ID|new configuration saved|runid)", r"\+monitor ", r"no config file specified",
    ),
    why=_any(
        r"Can't handle RDB format", r"Wrong signature trying to load", r"Short read or OOM loading", r"Internal error in RDB",
        r"RDB CRC error",
        r"Unknown RDB", r"Unrecognized RDB", r"while (?:reading|loading) (?:the )?(?:RDB|DB)",
        r"(?:Bad file format|Unexpected end of file|Unrecoverable error) reading",
        r"Error reading the (?:RDB|append)", r"the append only file .{0,200}(?:doesn't exist|missing|corrupt)",
        r"manifest file.{0,200}(?:invalid|not found|doesn't exist)",
        r"AOF write error.{0,120}[Ee]xiting", r"Error opening.{0,40}AOF", r"Can't (?:open|chdir|load|initialize|recover)",
        r"can't open (?:config|the)",
        r"Failed (?:listening|to configure TLS|to bind)", r"Could not create server", r"Unable to bind",
        r"[Oo]ut [Oo]f [Mm]emory allocating|OUT OF MEMORY",
        r"crashed by signal", r"ASSERTION FAILED", r"Guru Meditation", r"Module .{0,200}failed to load",
        r"(?:corrupted|lock the) cluster config",
        r"not writable", r"scheduling shutdown", r"Received shutdown signal", r"[Uu]ser requested shutdown",
        r"DENIED|Permission denied", _REDIS_CONFIG_ERROR,
    ),
    ended=_any(r"Fatal error loading", r"[Ee]xiting", r"aborting", r"BUG REPORT (?:START|END)", r"Terminating server"),
    begins=_any(r"oO0Oo", r"(?:Redis|Valkey|KeyDB) is starting", r"(?:Redis|Valkey|KeyDB) version="),
    usual=_any(
        r"WARNING", r"Warning: ", r"overcommit|somaxconn|TCP backlog|[Tt]ransparent [Hh]uge",
        r"You requested maxclients|Increased maximum number",
    ),
    runs=_any(r"[Rr]eady to accept connections"),
    places=("/var/log/redis", "/var/log/valkey", "/var/log/keydb"),
    own=r"\bport[=:] ?{port}\b|\*:{port}\b|\bport {port}\b",
    secrets=(
        (Pattern(rf"(?i)\b((?:{_REDIS_SECRETS})[\"']?\s+){_REDIS_VALUE}"), rf"\1{HIDDEN}"),
        # Users of an ACL: `user app on >password #hash`. `<filename>` in a text is none.
        (Pattern(r"(?<=[\s\"'])(>|<(?![^\s\"']*>))[^\s\"'>]{3,}|(?<=[\s\"'])([#!])[0-9a-f]{64}\b"), rf"\1\2{HIDDEN}"),
    ),
)

# NGINX ----------------------------------------------------------------------------------------------------------------------------------

NGINX = Grammar(
    product="nginx",
    level=Pattern(r"(?:^|\s)\[(debug|info|notice|warn|error|crit|alert|emerg)\] "),
    marks={name: name for name in ("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg")},
    kept=("warn", "error", "crit", "alert", "emerg"),
    fatal=("emerg",),
    notable=_any(r"configuration file .* test failed", r"exited on signal"),
    why=_any(r"worker process \d+ exited on signal"),
    ended=_any(r"configuration file .* test failed", r"still could not bind"),
    runs=_any(r"start worker processes"),
    secrets=((Pattern(r"(\b(?:request|referrer|upstream|subrequest): \"[^\"?]*\?)[^\"\s]*"), rf"\1{HIDDEN}"),),
)

# certbot --------------------------------------------------------------------------------------------------------------------------------

CERTBOT = Grammar(
    product="certbot",
    level=Pattern(r"^\S+ \S+?:(DEBUG|INFO|WARNING|ERROR|CRITICAL):"),
    marks={name: name for name in (DEBUG, INFO, WARNING, ERROR, "CRITICAL")},
    kept=(WARNING, ERROR, "CRITICAL"),
    fatal=(ERROR, "CRITICAL"),
    notable=_any(r"^(?:certbot|acme|requests|urllib3|josepy)[\w.]*\.(?:errors|exceptions|messages)\.\w+: ", r"^  (?:Domain|Type|Detail): "),
    ended=_any(r"Exiting (?:abnormally|due to)", r"\d+ renew failure"),
    begins=_any(r":certbot version"),
    secrets=((Pattern(r"(\"(?:signature|protected|payload|nonce|keyAuthorization)\": ?\")[^\"]*"), rf"\1{HIDDEN}"),),
)

# Fail2Ban -------------------------------------------------------------------------------------------------------------------------------

FAIL2BAN = Grammar(
    product="fail2ban",
    level=Pattern(r"\bfail2ban\S*\s+\[\d+\]: (HEAVYDEBUG|TRACEDEBUG|DEBUG|INFO|NOTICE|WARNING|ERROR|CRITICAL)\s"),
    marks={name: name for name in ("HEAVYDEBUG", "TRACEDEBUG", DEBUG, INFO, NOTICE, WARNING, ERROR, "CRITICAL")},
    kept=(WARNING, ERROR, "CRITICAL"),
    fatal=("CRITICAL",),
    harmless=_any(r"already banned", r"Determined IP using DNS"),
    why=_any(r"Failed during configuration", r"Unable to (?:read|find|start)", r"Have not found any log file"),
    ended=_any(r"configuration of server failed", r"Could not start server", r"Exiting Fail2ban"),
    begins=_any(r"Starting Fail2ban"),
    runs=_any(r"Jail '[^']*' started"),
)

# sshd -----------------------------------------------------------------------------------------------------------------------------------

SSHD = Grammar(
    product="sshd",
    # Syslog writes no level: sshd puts one before the text of what went wrong, and of nothing else.
    level=Pattern(r"(?:\bsshd(?:-session|-auth)?\[\d+\]: |^)(error|fatal): "),
    marks={"error": "error", "fatal": "fatal"},
    kept=("error", "fatal"),
    fatal=("fatal",),
    notable=_any(
        r"\bFailed \S+ for ", r"Bad (?:protocol|owner|configuration)", r"no hostkeys available", r"Unable to negotiate", r"refused connect",
        r"Could not load host key|Unable to load host key", r"Cannot bind any address", r"Disconnecting ",
        r"Too many authentication failures",
        r"beginning MaxStartups throttling|drop connection #", r"not allowed because", r"POSSIBLE BREAK-IN ATTEMPT",
    ),
    why=_any(
        r"no hostkeys available", r"Cannot bind any address", r"Bad configuration option", r"terminating, \d+ bad configuration options",
        r"Received signal \d+; terminating", r"Missing privilege separation directory",
    ),
    passing=_any(r"\[preauth\]", r"ssh_dispatch_run_fatal", r"Timeout before authentication", r"\b(?:from|user) \S+ port \d+"),
    runs=_any(r"Server listening on "),
    secrets=(
        # A name that was tried may be somebody's password.
        (Pattern(r"\b(invalid user|illegal user|Invalid user) (?!from\b).{1,100}?(?= from | port |\Z)"), rf"\1 {HIDDEN}"),
    ),
)

# The journal, and what is not known -----------------------------------------------------------------------------------------------------

_PRIORITIES = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")

JOURNAL = Grammar(
    product="journal",
    # `journalctl --output json`, the kernel's <3> before a text, and `systemctl status` of old.
    level=Pattern(r'"PRIORITY" ?: ?"([0-7])"|^(?:\S+ )?<([0-7])>'),
    marks={str(number): name for number, name in enumerate(_PRIORITIES)},
    kept=("emerg", "alert", "crit", "err", "warning"),
    fatal=("emerg", "alert", "crit"),
    notable=_any(r"Main process exited", r"Failed with result", r"Failed to start", r"Out of memory: Killed", r"oom-kill", r"segfault at"),
    why=_any(r"Main process exited", r"Out of memory: Killed", r"oom-kill:"),
    ended=_any(r"Failed with result", r"Failed to start"),
    begins=_any(r"systemd\[\d+\]: Starting "),
    runs=_any(r"systemd\[\d+\]: Started "),
)

_COMMON = {"WARN": WARNING, "SEVERE": ERROR, "EMERG": "EMERGENCY"}
_NAMES = (DEBUG, INFO, NOTICE, WARNING, ERROR, FATAL, "PANIC", "CRITICAL", "ALERT", "EMERGENCY")

GENERIC = Grammar(
    product="generic",
    level=Pattern(r"\b(DEBUG|INFO|NOTICE|WARN(?:ING)?|ERROR|SEVERE|FATAL|PANIC|CRITICAL|ALERT|EMERG(?:ENCY)?)\b"),
    marks={**{name: name for name in _NAMES}, **_COMMON},
    kept=(WARNING, ERROR, FATAL, "PANIC", "CRITICAL", "ALERT", "EMERGENCY"),
    fatal=(FATAL, "PANIC", "CRITICAL", "ALERT", "EMERGENCY"),
    # Nobody knows whose log it is: rather hide a word too many.
    sql=True,
)

GRAMMARS: t.Mapping[str, Grammar] = {
    one.product: one for one in (GENERIC, POSTGRESQL, REDIS, NGINX, CERTBOT, FAIL2BAN, SSHD, JOURNAL)
}
