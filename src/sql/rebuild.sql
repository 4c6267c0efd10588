/* ---- src/sql/rebuild.sql ---- */
