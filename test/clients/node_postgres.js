// node_postgres.js - postgres.js, with types of its own and COPY streams.

const postgres = require('postgres');
const pgvector = require('pgvector');
const { pipeline } = require('stream/promises');
const { rows, query, nearest, values, check, watch } = require('./common.js');

async function main()
{
	const plain = postgres({ max: 1 });
	const [{ oid }] = await plain`SELECT 'vector'::regtype::oid::int AS oid`;

	await plain.end();
	const sql = postgres({
		max: 1,
		types: { vector: { to: oid, from: [oid], serialize: pgvector.toSql, parse: pgvector.fromSql } },
	});

	await sql`CREATE TABLE js_values (id int, v vector(3), h halfvec(3), s sparsevec(5), b bit(8))`;
	await sql`CREATE TABLE js_items (id int PRIMARY KEY, v vector(8))`;
	await sql`INSERT INTO js_values VALUES (1, ${values.v}::text::vector, ${values.h}, ${values.s}, ${values.b})`;
	check('text', (await sql`SELECT v::text, h, s, b FROM js_values`)[0], values);
	await sql`INSERT INTO js_values (id, v) VALUES (2, ${sql.types.vector([1, 2.5, -3])})`;
	check('a type of its own', (await sql`SELECT v FROM js_values WHERE id = 2`)[0].v, [1, 2.5, -3]);

	// COPY in and out
	await pipeline(rows.map((r) => `${r.id}\t${pgvector.toSql(r.v)}\n`), await sql`COPY js_items FROM STDIN`.writable());
	// few rows: postgres.js does not resume its socket after an end that comes beyond 16 kB
	await sql`CREATE TABLE js_some AS SELECT * FROM js_items WHERE id <= 100`;
	await sql`CREATE TABLE js_copy (id int PRIMARY KEY, v vector(8))`;
	await sql`CREATE TABLE js_values_copy (LIKE js_values)`;
	for (const [from, to] of [['js_some', 'js_copy'], ['js_values', 'js_values_copy']])
	{
		const chunks = [];

		for await (const chunk of await sql`COPY ${sql(from)} TO STDOUT (FORMAT binary)`.readable())
			chunks.push(chunk);
		await pipeline(chunks, await sql`COPY ${sql(to)} FROM STDIN (FORMAT binary)`.writable());
		check(`COPY binary of ${from}`,
			(await sql`SELECT count(*)::int AS n FROM (TABLE ${sql(from)} EXCEPT TABLE ${sql(to)}) x`)[0].n, 0);
	}
	check('rows', (await sql`SELECT count(*)::int AS n FROM js_copy`)[0].n, 100);

	await sql`CREATE INDEX js_items_v ON js_items USING hnsw (v vector_l2_ops) WITH (m = 8)`;
	await sql`SET enable_seqscan = off`;
	await sql`SET hnsw.ef_search = 200`;
	// postgres.js prepares every query
	const knn = async () => (await sql`SELECT id FROM js_items ORDER BY v <-> ${sql.types.vector(query)} LIMIT 5`).map((r) => r.id);
	for (let i = 0; i < 8; i++)
		await knn();
	check('prepared search', await knn(), nearest(5));

	const [{ job }] = await sql`SELECT rebuild_index('js_items_v', m => 12)::int AS job`;
	const status = await watch(() => sql`SELECT status, m FROM index_status('js_items_v')`);
	check('rebuild and status', [job > 0, status.status, status.m], [true, 'ready', 12]);
	await sql`CALL wait_for_rebuild('js_items_v')`;
	check('search afterwards', await knn(), nearest(5));
	check('SQLSTATE', await sql`SELECT ${'[1,2]'}::text::vector(3)`.catch((e) => e.code), '22000');
	await sql.end();
}

main().catch((e) => { console.log(`not ok ${e.stack}`); process.exit(1); });
