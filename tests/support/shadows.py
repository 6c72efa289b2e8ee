# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database whose owner has a double of everything that pg_catalog has; each call of a double is a line of the server's log.

The log is what a read-only transaction cannot keep anybody from writing. A double does what the real one does, so that nothing but
the log tells.
"""

from __future__ import annotations

import re

import psycopg

from demo.postgres import Server

MARK = "oncall-shadow"
#: What is between the line's prefix (user@database/application_name) and the mark.
_LINE = re.compile(rf" (\S+)@\S+/(oncall\.incident\S*) LOG:  {MARK} (.*)")

_BEGIN = r"""
CREATE FUNCTION {schema}.note(what pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE plpgsql AS
    $$ BEGIN RAISE LOG '{mark} %', what; RETURN true; END $$;
"""

# Every function that has the same effect when it is called through another one.
_FUNCTIONS = r"""
DO $do$
DECLARE one record; made int := 0;
BEGIN
    FOR one IN
        SELECT p.proname AS name, format_type(p.prorettype, NULL) AS gives,
            (SELECT string_agg(format_type(a, NULL), ', ' ORDER BY n) FROM unnest(p.proargtypes) WITH ORDINALITY AS t(a, n)) AS types,
            (SELECT string_agg('$' || n, ', ' ORDER BY n) FROM generate_series(1, p.pronargs) AS n) AS passed
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0
            AND format_type(p.prorettype, NULL) !~ '^("any"|any|internal|cstring|trigger|event_trigger|void|record|.*handler|pg_node_tree)'
            AND NOT EXISTS (
                SELECT 1 FROM unnest(p.proargtypes) AS a WHERE format_type(a, NULL) ~ '^("any"|any|internal|cstring|pg_node_tree)'
            )
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE FUNCTION {schema}.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
                '$$ BEGIN PERFORM {schema}.note(%L); RETURN pg_catalog.%I(%s); END $$',
                one.name, one.types, one.gives, 'function ' || one.name, one.name, one.passed);
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    IF made < 1000 THEN RAISE EXCEPTION 'only % doubles of functions', made; END IF;
END $do$
"""

# Every operator on two values, and each of the common ones on two types that pg_catalog only compares through a cast: such a one is
# preferred even where pg_catalog comes first.
_OPERATORS = r"""
DO $do$
DECLARE one record; made int := 0;
BEGIN
    FOR one IN
        SELECT o.oprname AS name, format_type(o.oprleft, NULL) AS l, format_type(o.oprright, NULL) AS r,
            format_type(o.oprresult, NULL) AS gives, format('RETURN $1 OPERATOR(pg_catalog.%s) $2', o.oprname) AS body
        FROM pg_operator AS o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprkind = 'b' AND o.oprcode <> 0
        UNION ALL
        SELECT n, format_type(a, NULL), format_type(b, NULL), CASE WHEN n IN ('+', '-', '*', '/') THEN format_type(a, NULL)
            WHEN n = '||' THEN 'text' ELSE 'boolean' END, 'RAISE EXCEPTION ''a double was called'''
        FROM unnest(ARRAY['=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '*', '/', '~', '~~', '~~*', '!~~', '!~', '!~*']) AS n,
            unnest(ARRAY['name', 'text', 'varchar', 'int2', 'int4', 'int8', 'oid', 'float8', 'numeric', 'bool', '"char"', 'xid',
                'timestamptz', 'interval', 'pg_lsn', 'inet']::regtype[]) AS a,
            unnest(ARRAY['name', 'text', 'varchar', 'int2', 'int4', 'int8', 'oid', 'float8', 'numeric', 'bool', '"char"', 'xid',
                'timestamptz', 'interval', 'pg_lsn', 'inet']::regtype[]) AS b
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_operator AS o
            WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprname = n AND o.oprleft = a AND o.oprright = b)
    LOOP
        BEGIN
            made := made + 1;
            EXECUTE format(
                'CREATE FUNCTION {schema}.double_%s(%s, %s) RETURNS %s LANGUAGE plpgsql AS $$ BEGIN PERFORM {schema}.note(%L); %s; END $$',
                made, one.l, one.r, one.gives, format('operator %s %s %s', one.l, one.name, one.r), one.body);
            EXECUTE format(
                'CREATE OPERATOR {schema}.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = {schema}.double_%s)', one.name, one.l, one.r, made);
        EXCEPTION WHEN OTHERS THEN made := made - 1;
        END;
    END LOOP;
    IF made < 3000 THEN RAISE EXCEPTION 'only % doubles of operators', made; END IF;
END $do$
"""

# Aggregates, types whose values are checked by a function, a cast of one's own, and a double of every view and table.
_OTHERS = r"""
CREATE FUNCTION {schema}.counted(pg_catalog.int8) RETURNS pg_catalog.int8 LANGUAGE plpgsql AS
    $$ BEGIN PERFORM {schema}.note('aggregate count'); RETURN $1 OPERATOR(pg_catalog.+) 1; END $$;
CREATE AGGREGATE {schema}.count(*) (SFUNC = {schema}.counted, STYPE = pg_catalog.int8, INITCOND = '0');
CREATE FUNCTION {schema}.gathered(pg_catalog.text[], pg_catalog.text) RETURNS pg_catalog.text[] LANGUAGE plpgsql AS
    $$ BEGIN PERFORM {schema}.note('aggregate array_agg'); RETURN pg_catalog.array_append($1, $2); END $$;
CREATE AGGREGATE {schema}.array_agg(pg_catalog.text) (SFUNC = {schema}.gathered, STYPE = pg_catalog.text[], INITCOND = '{{}}');
CREATE TYPE {schema}.own AS (value pg_catalog.text);
CREATE FUNCTION {schema}.own_to_text({schema}.own) RETURNS pg_catalog.text LANGUAGE plpgsql AS
    $$ BEGIN PERFORM {schema}.note('cast'); RETURN ($1).value; END $$;
CREATE CAST ({schema}.own AS pg_catalog.text) WITH FUNCTION {schema}.own_to_text({schema}.own) AS IMPLICIT;
DO $do$
DECLARE one record; made int := 0;
BEGIN
    FOR one IN SELECT unnest(ARRAY[
        'text', 'name', 'oid', 'int8', 'int4', 'float8', 'timestamptz', 'inet', 'regclass', 'pg_lsn', 'bool']) AS name
    LOOP
        EXECUTE format('CREATE DOMAIN {schema}.%I AS pg_catalog.%I CHECK ({schema}.note(%L))', one.name, one.name, 'type ' || one.name);
    END LOOP;
    FOR one IN SELECT relname AS name FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE VIEW {schema}.%I AS SELECT * FROM pg_catalog.%I WHERE {schema}.note(%L)', one.name, one.name, 'view ' || one.name);
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    IF made < 100 THEN RAISE EXCEPTION 'only % doubles of views', made; END IF;
    IF to_regclass('{schema}.pg_stat_statements') IS NULL THEN
        CREATE VIEW {schema}.pg_stat_statements AS SELECT 1 AS total_exec_time WHERE {schema}.note('view pg_stat_statements');
    END IF;
END $do$;
GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO PUBLIC
"""


def fill(connection: psycopg.Connection, schema: str) -> None:
    """Make the doubles in a schema, as whoever the connection belongs to."""
    connection.execute("SET search_path = pg_catalog, pg_temp")
    for sql in (_BEGIN, _FUNCTIONS, _OPERATORS, _OTHERS):
        connection.execute(sql.format(schema=schema, mark=MARK).encode())


class Calls:
    """The doubles that our own sessions have called since this was made."""

    def __init__(self, server: Server) -> None:
        self._log = server.log
        self._from = server.log.stat().st_size

    def made(self) -> list[str]:
        with self._log.open("rb") as log:
            log.seek(self._from)
            text = log.read().decode(errors="replace")
        return sorted({f"{user}: {what}" for user, _application, what in _LINE.findall(text)})
