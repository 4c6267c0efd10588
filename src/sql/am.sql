/* ---- src/sql/am.sql ---- */
