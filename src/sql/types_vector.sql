-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION hnsw_rebuild" to load this file. \quit

/* ---- src/sql/types_vector.sql ---- */
