-- The extension refuses a database in which its names are taken.

CREATE DATABASE hnr_conflict TEMPLATE template0;
\set home :DBNAME
\c hnr_conflict
\set VERBOSITY default
\set SHOW_CONTEXT never
SET client_min_messages = warning;

CREATE TYPE vector AS (x int);
CREATE EXTENSION hnsw_rebuild;
DROP TYPE vector;
CREATE TYPE sparsevec AS (x int);
CREATE EXTENSION hnsw_rebuild;
DROP TYPE sparsevec;

CREATE ACCESS METHOD hnsw TYPE INDEX HANDLER bthandler;
CREATE EXTENSION hnsw_rebuild;
DROP ACCESS METHOD hnsw;

-- in another schema the name of the type is free
CREATE SCHEMA other;
CREATE TYPE other.vector AS (x int);
CREATE EXTENSION hnsw_rebuild;
SELECT pg_typeof('[1]'::vector);
DROP EXTENSION hnsw_rebuild;

-- a schema of its own, not in the search path
CREATE SCHEMA mine;
CREATE EXTENSION hnsw_rebuild SCHEMA mine;
SELECT '[1,2]'::mine.vector OPERATOR(mine.<->) '[1,4]' AS distance, mine.avg('[1,2]'::mine.vector) AS avg;
DROP EXTENSION hnsw_rebuild;
SELECT count(*) FROM pg_extension WHERE extname = 'hnsw_rebuild';

\c :home
DROP DATABASE hnr_conflict;
