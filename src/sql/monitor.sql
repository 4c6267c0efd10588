/* ---- src/sql/monitor.sql ---- */
