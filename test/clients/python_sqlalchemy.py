"""SQLAlchemy: a column type, an index and operators of its expression language, on psycopg2."""

from sqlalchemy import Column, Index, Integer, create_engine, func, select, text as sql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, declarative_base
from sqlalchemy.types import UserDefinedType

from common import QUERY, ROWS, VALUES, check, from_text, nearest, text, watch


class VectorType(UserDefinedType):
    cache_ok = True

    def __init__(self, dims):
        self.dims = dims

    def get_col_spec(self, **_):
        return f"vector({self.dims})"

    def bind_processor(self, _):
        return lambda v: None if v is None else text(v)

    def result_processor(self, *_):
        return lambda s: None if s is None else from_text(s)


class Raw(UserDefinedType):
    """A type whose values are passed on as text."""

    cache_ok = True

    def __init__(self, name):
        self.name = name

    def get_col_spec(self, **_):
        return self.name


Base = declarative_base()


class Item(Base):
    __tablename__ = "sa_items"
    id = Column(Integer, primary_key=True)
    v = Column(VectorType(8))
    __table_args__ = (Index("sa_items_v", "v", postgresql_using="hnsw", postgresql_with={"m": 8},
                            postgresql_ops={"v": "vector_l2_ops"}),)


class Value(Base):
    __tablename__ = "sa_values"
    id = Column(Integer, primary_key=True)
    v = Column(Raw("vector(3)"))
    h = Column(Raw("halfvec(3)"))
    s = Column(Raw("sparsevec(5)"))
    b = Column(Raw("bit(8)"))


engine = create_engine("postgresql+psycopg2://", isolation_level="AUTOCOMMIT")
Base.metadata.create_all(engine)
with Session(engine) as session:
    session.add(Value(id=1, **dict(zip("vhsb", VALUES))))
    session.add_all(Item(id=i, v=v) for i, v in ROWS)
    session.commit()
    row = session.get(Value, 1)
    session.refresh(row)
    check("every type", (row.v, row.h, row.s, row.b), VALUES)
    check("a column type", session.get(Item, 7).v, ROWS[6][1])
    session.execute(sql("SET enable_seqscan = off"))
    session.execute(sql("SET hnsw.ef_search = 200"))

    def knn():
        return list(session.scalars(select(Item.id).order_by(Item.v.op("<->")(QUERY)).limit(5)))

    check("search", knn(), nearest(5))
    plan = "\n".join(session.scalars(sql("EXPLAIN SELECT id FROM sa_items ORDER BY v <-> :q LIMIT 5"), {"q": text(QUERY)}))
    check("by the index", "sa_items_v" in plan, True)
    check("an aggregate", session.scalar(select(func.vector_dims(func.avg(Item.v)))), 8)
    job = session.scalar(sql("SELECT rebuild_index('sa_items_v', m => 12)"))
    check("rebuild and status",
          (job > 0, watch(lambda: session.execute(sql("SELECT status, m FROM index_status('sa_items_v')")).one())),
          (True, ("ready", 12)))
    session.execute(sql("CALL wait_for_rebuild('sa_items_v')"))
    check("search afterwards", knn(), nearest(5))
    try:
        session.execute(sql("SELECT CAST(:x AS vector(3))"), {"x": "[1,2]"})
        check("SQLSTATE", None, "22000")
    except DBAPIError as e:
        check("SQLSTATE", e.orig.pgcode, "22000")
