"""psycopg 3: adapters in text and binary, prepared statements, COPY."""

import psycopg
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.types import TypeInfo

from common import (HalfVector, QUERY, ROWS, SparseVector, VALUES, Vector, check, nearest, text, watch)


def register(connection, name, cls):
    info = TypeInfo.fetch(connection, name)
    info.register(connection)

    class BinaryDumper(Dumper):
        format = Format.BINARY
        oid = info.oid

        def dump(self, obj):
            return obj.binary()

    class BinaryLoader(Loader):
        format = Format.BINARY

        def load(self, data):
            return cls.from_binary(bytes(data))

    connection.adapters.register_dumper(cls, BinaryDumper)
    connection.adapters.register_loader(info.oid, BinaryLoader)
    return info.oid


with psycopg.connect(autocommit=True) as c:
    c.execute("CREATE TABLE p3_values (id int, v vector(3), h halfvec(3), s sparsevec(5), b bit(8))")
    c.execute("CREATE TABLE p3_items (id int PRIMARY KEY, v vector(8))")

    c.execute("INSERT INTO p3_values VALUES (1, %t, %t, %t, %t)", VALUES)
    check("text", c.execute("SELECT v, h, s, b FROM p3_values").fetchone(), VALUES)

    oids = [register(c, name, cls) for name, cls in
            (("vector", Vector), ("halfvec", HalfVector), ("sparsevec", SparseVector))]
    binary = (Vector([1, 2.5, -3]), HalfVector([0.5, -2, 65504]), SparseVector(5, {0: 1.5, 4: -2.0}))
    c.execute("INSERT INTO p3_values VALUES (2, %b, %b, %b)", binary)
    check("binary", c.execute("SELECT v, h, s FROM p3_values WHERE id = 2", binary=True).fetchone(), binary)
    check("binary and text are the same",
          c.execute("SELECT count(DISTINCT (v, h, s)) FROM p3_values").fetchone(), (1,))
    cursor = c.execute("SELECT v, h, s FROM p3_values")
    check("types of columns", [d.type_code for d in cursor.description], oids)

    # COPY binary, by rows and as it is
    with c.cursor().copy("COPY p3_items (id, v) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["int4", "vector"])
        for i, v in ROWS:
            copy.write_row((i, Vector(v)))
    with c.cursor().copy("COPY p3_items TO STDOUT (FORMAT binary)") as copy:
        copy.set_types(["int4", "vector"])
        check("COPY binary", sorted((i, v.x) for i, v in copy.rows()), [(i, v) for i, v in ROWS])
    c.execute("CREATE TABLE p3_copy (LIKE p3_values)")
    with c.cursor().copy("COPY p3_values TO STDOUT (FORMAT binary)") as copy:
        data = b"".join(bytes(block) for block in copy)
    with c.cursor().copy("COPY p3_copy FROM STDIN (FORMAT binary)") as copy:
        copy.write(data)
    check("COPY binary of every type",
          c.execute("SELECT count(*) FROM (TABLE p3_values EXCEPT TABLE p3_copy) x").fetchone(), (0,))

    # an index, and a prepared statement
    c.execute("CREATE INDEX p3_items_v ON p3_items USING hnsw (v vector_l2_ops) WITH (m = 8)")
    c.execute("SET enable_seqscan = off")
    c.execute("SET hnsw.ef_search = 200")

    def knn(q, **options):
        rows = c.execute("SELECT id FROM p3_items ORDER BY v <-> %s::vector LIMIT 5", (q,), prepare=True, **options)
        return [r[0] for r in rows]

    for _ in range(8):
        knn(Vector(QUERY))
    check("prepared search", knn(Vector(QUERY)), nearest(5))
    check("in binary", knn(Vector(QUERY), binary=True), nearest(5))
    check("in text", knn(text(QUERY)), nearest(5))
    with c.pipeline():
        results = [c.execute("SELECT id FROM p3_items ORDER BY v <-> %s LIMIT 1", (Vector(v),)) for _, v in ROWS[:20]]
    check("in a pipeline", [r.fetchone()[0] for r in results], [i for i, _ in ROWS[:20]])

    # a rebuild
    (job,) = c.execute("SELECT rebuild_index('p3_items_v', m => 12)").fetchone()
    check("rebuild and status",
          (job > 0, watch(lambda: c.execute("SELECT status, m FROM index_status('p3_items_v')").fetchone())),
          (True, ("ready", 12)))
    c.execute("CALL wait_for_rebuild('p3_items_v')")
    check("search afterwards", knn(Vector(QUERY)), nearest(5))
    (low,) = c.execute("SELECT index_degradation('p3_items_v') < 0.1").fetchone()
    check("degradation", low, True)

    try:
        c.execute("SELECT %s::vector(3)", ("[1,2]",))
        check("SQLSTATE", None, "22000")
    except psycopg.DataError as e:
        check("SQLSTATE", e.sqlstate, "22000")
