"""psycopg2: its protocol is text; COPY is text and binary."""

import io

import psycopg2
import psycopg2.extensions

from common import QUERY, ROWS, VALUES, Vector, check, from_text, nearest, text, watch

psycopg2.extensions.register_adapter(Vector, lambda v: psycopg2.extensions.AsIs(f"'{text(v.x)}'::vector"))

connection = psycopg2.connect("")
connection.autocommit = True
c = connection.cursor()


def fetch(sql, values=()):
    c.execute(sql, values)
    return c.fetchone()


c.execute("CREATE TABLE p2_values (id int, v vector(3), h halfvec(3), s sparsevec(5), b bit(8))")
c.execute("CREATE TABLE p2_items (id int PRIMARY KEY, v vector(8))")
c.execute("INSERT INTO p2_values VALUES (1, %s, %s, %s, %s)", VALUES)
check("text", fetch("SELECT v, h, s, b FROM p2_values"), VALUES)

(oid,) = fetch("SELECT 'vector'::regtype::oid")
psycopg2.extensions.register_type(
    psycopg2.extensions.new_type((oid,), "vector", lambda s, _: None if s is None else Vector(from_text(s))), connection)
check("adapters", fetch("SELECT %s, NULL::vector", (Vector([1, 2.5, -3]),)), (Vector([1, 2.5, -3]), None))

c.copy_expert("COPY p2_items FROM STDIN", io.StringIO("".join(f"{i}\t{text(v)}\n" for i, v in ROWS)))
c.execute("CREATE TABLE p2_copy (LIKE p2_items)")
c.execute("CREATE TABLE p2_values_copy (LIKE p2_values)")
for source, target in (("p2_items", "p2_copy"), ("p2_values", "p2_values_copy")):
    data = io.BytesIO()
    c.copy_expert(f"COPY {source} TO STDOUT (FORMAT binary)", data)
    data.seek(0)
    c.copy_expert(f"COPY {target} FROM STDIN (FORMAT binary)", data)
    check(f"COPY binary of {source}",
          fetch(f"SELECT count(*) FROM (TABLE {source} EXCEPT TABLE {target}) x"), (0,))
check("rows", fetch("SELECT count(*) FROM p2_copy"), (len(ROWS),))

c.execute("CREATE INDEX p2_items_v ON p2_items USING hnsw (v vector_l2_ops) WITH (m = 8)")
c.execute("SET enable_seqscan = off")
c.execute("SET hnsw.ef_search = 200")
c.execute("PREPARE knn (vector) AS SELECT id FROM p2_items ORDER BY v <-> $1 LIMIT 5")


def knn():
    c.execute("EXECUTE knn (%s)", (Vector(QUERY),))
    return [r[0] for r in c.fetchall()]


for _ in range(8):
    knn()
check("prepared search", knn(), nearest(5))
with connection.cursor("named", withhold=True) as cursor:
    cursor.itersize = 2
    cursor.execute("SELECT id FROM p2_items ORDER BY v <-> %s LIMIT 5", (Vector(QUERY),))
    check("a cursor", [r[0] for r in cursor], nearest(5))

(job,) = fetch("SELECT rebuild_index('p2_items_v', m => 12)")
check("rebuild and status",
      (job > 0, watch(lambda: fetch("SELECT status, m FROM index_status('p2_items_v')"))), (True, ("ready", 12)))
c.execute("CALL wait_for_rebuild('p2_items_v')")
check("search afterwards", knn(), nearest(5))
try:
    c.execute("SELECT %s::vector(3)", ("[1,2]",))
    check("SQLSTATE", None, "22000")
except psycopg2.DataError as e:
    check("SQLSTATE", e.pgcode, "22000")
