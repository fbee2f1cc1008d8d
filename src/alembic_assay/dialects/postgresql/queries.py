"""The SQL that reads PostgreSQL's catalogue, for versions 13 to 18.

``WATCHED`` says which rows make up the schema, and leads from each of them to the object that it
is read with. The queries below it describe those objects, all in the same six columns:

- ``oid``: of the object, or of the table, view or type that this is a piece of;
- ``sub``: 0 for the object itself; a number of its own for a piece that the text of other objects
  may name (a column, an enum's label); NULL for the rest;
- ``kind``: NULL where the row only tells a name;
- ``schema``: where ``sub`` is 0;
- ``name``;
- ``definition``: a JSON object whose keys are for people; NULL values are left out.

There is no ``%`` but in parameters, so that nothing needs doubling.
"""

from __future__ import annotations

SESSION = """
SELECT current_setting('server_version_num')::int,
       pg_current_xact_id_if_assigned() IS NOT NULL,
       pg_current_snapshot()::text,
       coalesce(
         (SELECT backend_xid::text FROM pg_stat_activity WHERE datid =
            (SELECT oid FROM pg_database WHERE datname = current_database())
            AND backend_xid IS NOT NULL ORDER BY age(backend_xid) DESC LIMIT 1),
         pg_snapshot_xmax(pg_current_snapshot())::xid::text),
       current_schema()::text,
       (SELECT count(*) FROM unnest(current_schemas(false))),
       current_schemas(true)::text || (
         SELECT string_agg(current_setting(s), ' ' ORDER BY s) FROM unnest(ARRAY['bytea_output',
           'DateStyle', 'extra_float_digits', 'IntervalStyle', 'quote_all_identifiers',
           'TimeZone']) s),
       (SELECT count(*) FROM pg_depend
         WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e')
"""
# What is visible, from which transaction on rows are news, and what the server's texts depend on
# beside the rows of the catalogue. The oldest transaction that counts is one of this database: the
# snapshot's own xmin would be held back by whatever runs anywhere on the server. The
# members of extensions are counted because joining one leaves the row of the member as it was.

_OWNER = """(SELECT d.refobjid FROM pg_depend d
  WHERE d.classid = 'pg_class'::regclass AND d.objid = seqrelid AND d.deptype IN ('a', 'i')
    AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0)"""

WATCHED = {
    "pg_index": """SELECT indexrelid, 'pg_class', indrelid FROM pg_index
        WHERE indrelid::bigint >= 16384""",
    "pg_sequence": f"""SELECT seqrelid,
        CASE WHEN {_OWNER} IS NULL THEN 'pg_sequence' ELSE 'pg_class' END,
        coalesce({_OWNER}, seqrelid) FROM pg_sequence WHERE true""",
    "pg_class": """SELECT oid, CASE relkind WHEN 'i' THEN 'pg_index' WHEN 'I' THEN 'pg_index'
        WHEN 'S' THEN 'pg_sequence' WHEN 'c' THEN 'pg_type' ELSE 'pg_class' END,
        CASE relkind WHEN 'c' THEN reltype ELSE oid END
        FROM pg_class WHERE oid::bigint >= 16384 AND relkind <> 't'""",
    "pg_inherits": """SELECT (inhrelid::bigint << 32) | inhparent::bigint, 'pg_class', inhrelid
        FROM pg_inherits WHERE true""",
    "pg_foreign_table": "SELECT ftrelid, 'pg_class', ftrelid FROM pg_foreign_table WHERE true",
    "pg_constraint": """SELECT oid, CASE conrelid WHEN 0 THEN 'pg_type' ELSE 'pg_class' END,
        CASE conrelid WHEN 0 THEN contypid ELSE conrelid END FROM pg_constraint
        WHERE oid::bigint >= 16384""",
    "pg_trigger": "SELECT oid, 'pg_class', tgrelid FROM pg_trigger WHERE NOT tgisinternal",
    "pg_policy": "SELECT oid, 'pg_class', polrelid FROM pg_policy WHERE true",
    "pg_rewrite": "SELECT oid, 'pg_class', ev_class FROM pg_rewrite WHERE ev_class >= 16384",
    "pg_type": "SELECT oid, 'pg_type', oid FROM pg_type WHERE typtype IN ('d', 'e', 'r')",
    "pg_enum": "SELECT oid, 'pg_type', enumtypid FROM pg_enum WHERE true",
    "pg_proc": "SELECT oid, 'pg_proc', oid FROM pg_proc WHERE oid >= 16384",
    "pg_namespace": "SELECT oid, 'pg_namespace', oid FROM pg_namespace WHERE true",
    "pg_extension": "SELECT oid, 'pg_extension', oid FROM pg_extension WHERE true",
    "pg_statistic_ext": "SELECT oid, 'pg_statistic_ext', oid FROM pg_statistic_ext WHERE true",
    "pg_event_trigger": "SELECT oid, 'pg_event_trigger', oid FROM pg_event_trigger WHERE true",
    "pg_description": """SELECT
        (objoid::bigint << 32) | (classoid::bigint << 16) | objsubid, classoid::regclass::text,
        objoid FROM pg_description WHERE (objoid >= 16384 OR objoid = 2200)""",
}
# ``SELECT key, catalogue and key of the row that it belongs to``: that of an object belongs to
# itself. 16384 is the first OID which initdb does not give (FirstNormalObjectId), 2200 the schema
# "public"; ``oid::bigint`` keeps the planner from an index scan of nearly all of pg_class.
# Left out are TOAST tables, row and array types, the triggers of foreign keys, defaults and
# partition keys, which never change without one of these rows or one of pg_attribute; and what is
# not described: operators, casts, collations, text search, servers, publications, privileges.

_SHRINKING = (
    *("pg_class", "pg_inherits", "pg_constraint", "pg_trigger", "pg_policy", "pg_rewrite"),
    *("pg_type", "pg_proc", "pg_namespace", "pg_extension", "pg_statistic_ext"),
    *("pg_event_trigger", "pg_description"),
)
# From the others, and from pg_attribute, nothing goes without a row of pg_class or pg_type.

_RECENT = "age(xmin) <= (SELECT age(%(since)s::xid))"
# xid has no order of its own. What began before ``since`` was decided when that was noted; if the
# counter wraps around, too many rows pass and never too few. The age of xid 2 is infinite.


def _select(name: str, condition: str) -> str:
    return f"""SELECT '{name}', key::bigint, target, target_key::bigint
        FROM ({WATCHED[name]} AND {condition}) w (key, target, target_key)"""


CHANGES = "\nUNION ALL ".join(
    [_select(name, _RECENT) for name in WATCHED]
    + [f"SELECT '{name}', NULL, NULL, count(*) FROM ({WATCHED[name]}) w" for name in _SHRINKING]
)
"""The rows that are new or were written again since, and how many there are in all."""

CHANGED_COLUMNS = f"""
UNION ALL SELECT DISTINCT 'pg_attribute', attrelid::bigint, 'pg_class', attrelid::bigint
FROM pg_attribute WHERE attrelid >= 16384 AND {_RECENT}"""

KEYS = {
    name: f"SELECT '{name}', string_agg(key::text, ' ') FROM ({WATCHED[name]}) w (key, target)"
    for name in _SHRINKING
}
"""The keys of all rows in one text, as a row for each of them is what the client is slow at."""

_THESE = "ANY((SELECT %(oids)s::oid[])::oid[])"
# Through a subquery a plan for any list is as good as one for this list: it is made once only.

DEPENDENTS = f"""
SELECT DISTINCT classid::regclass::text, objid FROM pg_depend
WHERE refclassid = 'pg_class'::regclass AND refobjid = {_THESE}
  AND classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass)
"""
# Views, rules and SQL-standard function bodies: the server chooses the aliases that it prints for
# them by the columns which the tables have at present.


def _comment(oid: str, catalog: str, sub: str = "0") -> str:
    """Look a comment up; ``obj_description()`` is an SQL function, to be planned in each query."""
    return f"""(SELECT description FROM pg_description WHERE objoid = {oid}
        AND classoid = '{catalog}'::regclass AND objsubid = {sub})"""


def _independent(catalog: str, oid: str, deptypes: str = "'e'") -> str:
    """Leave out the members of extensions."""
    return f"""NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '{catalog}'::regclass
        AND e.objid = {oid} AND e.deptype IN ({deptypes}))"""


_SEQUENCE = """format_type(s.seqtypid, NULL) || ', start ' || s.seqstart || ', increment '
    || s.seqincrement || ', ' || s.seqmin || ' to ' || s.seqmax || ', cache ' || s.seqcache
    || CASE WHEN s.seqcycle THEN ', cycle' ELSE '' END"""

_USERS_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"

TABLES = f"""
SELECT c.oid, 0, 'table', n.nspname::text, c.relname::text, json_strip_nulls(json_build_object(
    'kind', CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' ELSE 'ordinary' END,
    'unlogged', c.relpersistence = 'u',
    'options', array_to_string(c.reloptions, ', '),
    'partition key', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
    'partition bound', pg_get_expr(c.relpartbound, c.oid),
    'parents', (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
        FROM pg_inherits i WHERE i.inhrelid = c.oid),
    'row-level security', c.relrowsecurity,
    'forced row-level security', c.relforcerowsecurity,
    'replica identity', CASE c.relreplident WHEN 'd' THEN 'default' WHEN 'n' THEN 'nothing'
        WHEN 'f' THEN 'full' ELSE (SELECT 'index ' || x.relname FROM pg_index i
            JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid AND i.indisreplident) END,
    'server', (SELECT s.srvname FROM pg_foreign_table f
        JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = c.oid),
    'server options', (SELECT array_to_string(f.ftoptions, ', ') FROM pg_foreign_table f
        WHERE f.ftrelid = c.oid),
    'comment', {_comment("c.oid", "pg_class")}))::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = {_THESE} AND c.relkind IN ('r', 'p', 'f') AND {_USERS_SCHEMA}
  AND NOT (n.nspname = coalesce(%(schema)s, current_schema()::text) AND c.relname = %(table)s)
  AND {_independent("pg_class", "c.oid")}
"""

VIEWS = f"""
SELECT c.oid, 0, CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END,
  n.nspname::text, c.relname::text, json_strip_nulls(json_build_object(
    'definition', pg_get_viewdef(c.oid),
    'options', array_to_string(c.reloptions, ', '),
    'column defaults', (SELECT json_object_agg(a.attname, pg_get_expr(d.adbin, d.adrelid)
        ORDER BY a.attname) FROM pg_attrdef d
        JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
        WHERE d.adrelid = c.oid),
    'column comments', (SELECT json_object_agg(a.attname, d.description ORDER BY a.attname)
        FROM pg_description d JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
        WHERE d.objoid = c.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0),
    'comment', {_comment("c.oid", "pg_class")}))::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = {_THESE} AND c.relkind IN ('v', 'm') AND {_USERS_SCHEMA}
  AND {_independent("pg_class", "c.oid")}
"""

COLUMNS = f"""
SELECT a.attrelid, a.attnum::int, CASE WHEN c.relkind IN ('r', 'p', 'f') THEN 'column' END,
  NULL, a.attname::text, CASE WHEN c.relkind IN ('r', 'p', 'f') THEN
  json_strip_nulls(json_build_object(
    'type', format_type(a.atttypid, a.atttypmod),
    'nullable', NOT a.attnotnull,
    CASE a.attgenerated WHEN '' THEN 'default' WHEN 's' THEN 'stored as' ELSE 'computed as' END,
        CASE WHEN a.atthasdef THEN (SELECT replace(pg_get_expr(d.adbin, d.adrelid),
            coalesce(o.call, ''), 'nextval of its own sequence')
            FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) END,
    'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
    'sequence', o.options,
    'collation', CASE WHEN a.attcollation <> t.typcollation
        THEN a.attcollation::regcollation::text END,
    'storage', CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'plain'
        WHEN 'e' THEN 'external' WHEN 'm' THEN 'main' ELSE 'extended' END END,
    'compression', {{compression}},
    'server options', array_to_string(a.attfdwoptions, ', '),
    'comment', {_comment("a.attrelid", "pg_class", "a.attnum")}))::text END
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN LATERAL (SELECT string_agg({_SEQUENCE}, '; ') AS options,
    min('nextval(' || quote_literal(s.seqrelid::regclass) || '::regclass)') AS call
    FROM pg_depend w JOIN pg_sequence s ON s.seqrelid = w.objid
    WHERE w.refclassid = 'pg_class'::regclass AND w.refobjid = a.attrelid
      AND w.refobjsubid = a.attnum
      AND w.classid = 'pg_class'::regclass AND w.deptype IN ('a', 'i')) o ON true
WHERE a.attrelid = {_THESE} AND a.attnum > 0 AND NOT a.attisdropped
"""

CONSTRAINTS = f"""
SELECT o.conrelid, NULL::int, CASE o.contype WHEN 'p' THEN 'primary key'
    WHEN 'u' THEN 'unique constraint' WHEN 'f' THEN 'foreign key' WHEN 'c' THEN 'check constraint'
    ELSE 'exclusion constraint' END, NULL, o.conname::text, json_strip_nulls(json_build_object(
    'definition', regexp_replace(pg_get_constraintdef(o.oid), ' NOT VALID$', ''),
    'validated', o.convalidated,
    'options', array_to_string(x.reloptions, ', '),
    'comment', {_comment("o.oid", "pg_constraint")}))::text
FROM pg_constraint o LEFT JOIN pg_class x ON x.oid = o.conindid AND o.contype IN ('p', 'u', 'x')
WHERE o.conrelid = {_THESE} AND o.contype IN ('p', 'u', 'f', 'c', 'x')
"""
# Not NOT NULL, which is the column's and keeps its first name when that is renamed (18), and not
# constraint triggers, which are triggers.

INDEXES = f"""
SELECT i.indrelid, NULL::int, 'index', NULL, x.relname::text, json_strip_nulls(json_build_object(
    'definition', replace(pg_get_indexdef(x.oid), 'INDEX ' || quote_ident(x.relname) || ' ON ',
        'INDEX ON '),
    'valid', i.indisvalid,
    'clustered', i.indisclustered,
    'comment', {_comment("x.oid", "pg_class")}))::text
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
WHERE i.indrelid = {_THESE} AND NOT EXISTS (SELECT FROM pg_constraint o
  WHERE o.conrelid = i.indrelid AND o.conindid = i.indexrelid AND o.contype IN ('p', 'u', 'x'))
"""
# Not those behind a constraint, which says the same.

_ENABLED = """CASE {} WHEN 'O' THEN 'yes' WHEN 'D' THEN 'no' WHEN 'R' THEN 'on replicas'
        ELSE 'always' END"""

TRIGGERS = f"""
SELECT t.tgrelid, NULL::int, 'trigger', NULL, t.tgname::text, json_strip_nulls(json_build_object(
    'definition', pg_get_triggerdef(t.oid),
    'enabled', {_ENABLED.format("t.tgenabled")},
    'comment', {_comment("t.oid", "pg_trigger")}))::text
FROM pg_trigger t WHERE t.tgrelid = {_THESE} AND NOT t.tgisinternal
"""
# Not those that carry out foreign keys.

POLICIES = f"""
SELECT p.polrelid, NULL::int, 'policy', NULL, p.polname::text, json_strip_nulls(json_build_object(
    'for', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update'
        WHEN 'd' THEN 'delete' ELSE 'all' END,
    'permissive', p.polpermissive,
    'to', (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END, ', '
        ORDER BY r) FROM unnest(p.polroles) r),
    'using', pg_get_expr(p.polqual, p.polrelid),
    'with check', pg_get_expr(p.polwithcheck, p.polrelid),
    'comment', {_comment("p.oid", "pg_policy")}))::text
FROM pg_policy p WHERE p.polrelid = {_THESE}
"""

RULES = f"""
SELECT r.ev_class, NULL::int, 'rule', NULL, r.rulename::text, json_strip_nulls(json_build_object(
    'definition', pg_get_ruledef(r.oid),
    'enabled', {_ENABLED.format("r.ev_enabled")},
    'comment', {_comment("r.oid", "pg_rewrite")}))::text
FROM pg_rewrite r WHERE r.ev_class = {_THESE} AND r.rulename <> '_RETURN'
"""
# Not the rule that is a view.

SEQUENCES = f"""
SELECT c.oid, 0, 'sequence', n.nspname::text, c.relname::text, json_strip_nulls(json_build_object(
    'options', {_SEQUENCE},
    'unlogged', c.relpersistence = 'u',
    'comment', {_comment("c.oid", "pg_class")}))::text
FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = {_THESE} AND {_USERS_SCHEMA} AND {_independent("pg_class", "c.oid")}
"""
# Not where it stands, which is data.

TYPES = f"""
SELECT t.oid, 0, CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r'
    THEN 'range type' ELSE 'composite type' END,
  n.nspname::text, t.typname::text, json_strip_nulls(json_build_object(
    'labels', (SELECT json_agg(enumlabel ORDER BY enumsortorder) FROM pg_enum
        WHERE enumtypid = t.oid),
    'type', CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod) END,
    'nullable', CASE t.typtype WHEN 'd' THEN NOT t.typnotnull END,
    'default', t.typdefault,
    'collation', CASE WHEN t.typcollation <> (SELECT b.typcollation FROM pg_type b
        WHERE b.oid = t.typbasetype) THEN t.typcollation::regcollation::text END,
    'constraints', (SELECT json_object_agg(conname, pg_get_constraintdef(oid) ORDER BY conname)
        FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'),
    'attributes', (SELECT json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)
        || CASE WHEN a.attcollation <> b.typcollation
           THEN ' collate ' || a.attcollation::regcollation ELSE '' END ORDER BY a.attname)
        FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
    'attribute comments', (SELECT json_object_agg(a.attname, d.description ORDER BY a.attname)
        FROM pg_description d JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid
        WHERE d.objoid = t.typrelid AND d.classoid = 'pg_class'::regclass AND d.objsubid > 0),
    'subtype', format_type(r.rngsubtype, NULL),
    'subtype operator class', (SELECT opcname FROM pg_opclass WHERE oid = r.rngsubopc),
    'subtype collation', nullif(r.rngcollation, 0)::regcollation::text,
    'canonical', nullif(r.rngcanonical::oid, 0)::regproc::text,
    'subtype difference', nullif(r.rngsubdiff::oid, 0)::regproc::text,
    'multirange', {{multirange}},
    'comment', {_comment("t.oid", "pg_type")}))::text
FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
LEFT JOIN pg_range r ON r.rngtypid = t.oid
WHERE t.oid = {_THESE} AND t.typtype IN ('c', 'd', 'e', 'r') AND {_USERS_SCHEMA}
  AND {_independent("pg_type", "t.oid")}
"""
# Not the row types of tables, array types and multiranges, which come with what they are of, and
# not base types, which are C code.

NAMES_IN_TYPES = f"""
SELECT enumtypid, oid::bigint, NULL, NULL, enumlabel::text, NULL FROM pg_enum
WHERE enumtypid = {_THESE}
UNION ALL
SELECT t.oid, a.attnum, NULL, NULL, a.attname, NULL
FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
WHERE t.oid = {_THESE} AND a.attnum > 0 AND NOT a.attisdropped
"""

_FUNCTION = (
    "p.oid, 0, {}, n.nspname::text, p.proname || '(' || oidvectortypes(p.proargtypes) || ')'"
)
_USERS_FUNCTION = f"""p.oid = {_THESE} AND {_USERS_SCHEMA}
  AND {_independent("pg_proc", "p.oid", "'e', 'i'")}"""

FUNCTIONS = f"""
SELECT {_FUNCTION.format("CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END")},
  json_strip_nulls(json_build_object(
    'definition', pg_get_functiondef(p.oid),
    'comment', {_comment("p.oid", "pg_proc")}))::text
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prokind <> 'a' AND {_USERS_FUNCTION}
"""
# Not the constructors of range types, which come with them.

AGGREGATES = f"""
SELECT {_FUNCTION.format("'aggregate'")}, (SELECT json_strip_nulls(to_json(a)) FROM (SELECT
    pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS returns,
    p.proparallel AS parallel, aggkind AS kind, aggtransfn::text AS "state function",
    format_type(aggtranstype, NULL) AS "state type", aggtransspace AS "state size",
    agginitval AS "initial value", aggfinalfn::text AS "final function",
    aggfinalextra AS "final extra", aggfinalmodify AS "final modify",
    aggcombinefn::text AS "combine function", aggserialfn::text AS "serial function",
    aggdeserialfn::text AS "deserial function", aggmtransfn::text AS "moving state function",
    aggminvtransfn::text AS "moving inverse function",
    aggmtranstype::regtype::text AS "moving state type", aggmtransspace AS "moving state size",
    aggminitval AS "moving initial value", aggmfinalfn::text AS "moving final function",
    aggmfinalextra AS "moving final extra", aggmfinalmodify AS "moving final modify",
    aggsortop::regoperator::text AS "sort operator",
    {_comment("p.oid", "pg_proc")} AS comment) a)::text
FROM pg_aggregate g JOIN pg_proc p ON p.oid = g.aggfnoid
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE {_USERS_FUNCTION}
"""

SCHEMAS = f"""
SELECT n.oid, 0, 'schema', NULL, n.nspname::text,
  json_strip_nulls(json_build_object('comment', {_comment("n.oid", "pg_namespace")}))::text
FROM pg_namespace n WHERE n.oid = {_THESE} AND {_USERS_SCHEMA}
  AND {_independent("pg_namespace", "n.oid")}
"""

EXTENSIONS = f"""
SELECT e.oid, 0, 'extension', NULL, e.extname::text, json_build_object('schema', n.nspname)::text
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.oid = {_THESE}
"""
# Not the version, which is the server's installation.

STATISTICS = f"""
SELECT x.oid, 0, 'statistics', n.nspname::text, x.stxname::text,
  json_strip_nulls(json_build_object('definition', pg_get_statisticsobjdef(x.oid),
    'comment', {_comment("x.oid", "pg_statistic_ext")}))::text
FROM pg_statistic_ext x JOIN pg_namespace n ON n.oid = x.stxnamespace
WHERE x.oid = {_THESE} AND {_USERS_SCHEMA}
"""

EVENT_TRIGGERS = f"""
SELECT t.oid, 0, 'event trigger', NULL, t.evtname::text, json_strip_nulls(json_build_object(
    'on', t.evtevent, 'tags', array_to_string(t.evttags, ', '),
    'function', t.evtfoid::regproc::text,
    'enabled', {_ENABLED.format("t.evtenabled")},
    'comment', {_comment("t.oid", "pg_event_trigger")}))::text
FROM pg_event_trigger t WHERE t.oid = {_THESE}
  AND {_independent("pg_event_trigger", "t.oid")}
"""

DETAILS: dict[str, tuple[tuple[str, str], ...]] = {
    "pg_class": (
        ("", TABLES),
        ("", COLUMNS),
        ("", CONSTRAINTS),
        ("", INDEXES),
        ("pg_rewrite", VIEWS),
        ("pg_rewrite", RULES),
        ("pg_trigger", TRIGGERS),
        ("pg_policy", POLICIES),
    ),
    "pg_sequence": (("", SEQUENCES),),
    "pg_type": (("", TYPES), ("", NAMES_IN_TYPES)),
    "pg_proc": (("", FUNCTIONS), ("", AGGREGATES)),
    "pg_namespace": (("", SCHEMAS),),
    "pg_extension": (("", EXTENSIONS),),
    "pg_statistic_ext": (("", STATISTICS),),
    "pg_event_trigger": (("", EVENT_TRIGGERS),),
}
"""By catalogue of the objects, the queries that describe them, each with the catalogue that must
have rows of these objects for it to find anything (the server plans each one anew)."""


def make_query(queries: list[str], server_version: int) -> str:
    """Return all of them in one, for a server of that version."""
    return "UNION ALL".join(queries).format(
        compression="CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END"
        if server_version >= 140000
        else "NULL",
        multirange="r.rngmultitypid::regtype::text" if server_version >= 140000 else "NULL",
    )
