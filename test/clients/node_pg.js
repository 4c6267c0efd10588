// node_pg.js - node-postgres with the adapters of the package pgvector.

const pg = require('pg');
const pgvector = require('pgvector/pg');
const { SparseVector } = require('pgvector');
const { rows, query, nearest, values, check, watch, binary } = require('./common.js');

async function main()
{
	const client = new pg.Client();

	await client.connect();
	await client.query('CREATE TABLE pg_values (id int, v vector(3), h halfvec(3), s sparsevec(5), b bit(8))');
	await client.query('CREATE TABLE pg_items (id int PRIMARY KEY, v vector(8))');

	// text
	await client.query('INSERT INTO pg_values VALUES (1, $1, $2, $3, $4)', [values.v, values.h, values.s, values.b]);
	check('text', (await client.query('SELECT v, h, s, b FROM pg_values')).rows[0], values);

	// the adapters
	await pgvector.registerTypes(client);
	await client.query('INSERT INTO pg_values VALUES (2, $1, $2, $3)',
		[pgvector.toSql([1, 2.5, -3]), pgvector.toSql([0.5, -2, 65504]), new SparseVector([1.5, 0, 0, 0, -2])]);
	const row = (await client.query('SELECT v, h, s FROM pg_values WHERE id = 2')).rows[0];
	check('adapters', [row.v, row.h, row.s.toArray()], [[1, 2.5, -3], [0.5, -2, 65504], [1.5, 0, 0, 0, -2]]);

	// parameters in binary: a Buffer is sent as it is (results are read as text by node-postgres)
	const half = Buffer.from('00030000' + '3800' + 'c000' + '7bff', 'hex');
	const sent = [binary.vector([1, 2.5, -3]), half, binary.sparsevec(5, [[0, 1.5], [4, -2]])];
	await client.query('INSERT INTO pg_values VALUES (3, $1, $2, $3)', sent);
	const back = (await client.query('SELECT vector_send(v) AS v, halfvec_send(h) AS h, sparsevec_send(s) AS s FROM pg_values WHERE id = 3')).rows[0];
	check('binary', [back.v, back.h, back.s].map((x) => x.toString('hex')), sent.map((x) => x.toString('hex')));
	check('binary and text are the same',
		(await client.query('SELECT count(DISTINCT (v, h, s))::int AS n FROM pg_values')).rows[0].n, 1);

	// an index, and a prepared statement
	for (const r of rows)
		await client.query({ name: 'insert', text: 'INSERT INTO pg_items VALUES ($1, $2)', values: [r.id, pgvector.toSql(r.v)] });
	await client.query('CREATE INDEX pg_items_v ON pg_items USING hnsw (v vector_l2_ops) WITH (m = 8, ef_construction = 64)');
	await client.query('SET enable_seqscan = off; SET hnsw.ef_search = 200');
	const knn = async () => (await client.query({ name: 'knn', text: 'SELECT id FROM pg_items ORDER BY v <-> $1 LIMIT 5',
		values: [pgvector.toSql(query)] })).rows.map((r) => r.id);
	for (let i = 0; i < 8; i++)
		await knn();
	check('prepared search', await knn(), nearest(5));
	check('in binary', (await client.query({ name: 'knn_binary', text: 'SELECT id FROM pg_items ORDER BY v <-> $1 LIMIT 5',
		values: [binary.vector(query)] })).rows.map((r) => r.id), nearest(5));

	// a rebuild
	const job = (await client.query("SELECT rebuild_index('pg_items_v', m => 12)::int AS job")).rows[0].job;
	const status = await watch(async () => (await client.query("SELECT status, m, progress_pct FROM index_status('pg_items_v')")).rows);
	check('rebuild and status', [job > 0, status.status, status.m], [true, 'ready', 12]);
	await client.query("CALL wait_for_rebuild('pg_items_v')");
	check('search afterwards', await knn(), nearest(5));
	check('degradation', (await client.query("SELECT index_degradation('pg_items_v') < 0.1 AS fine")).rows[0].fine, true);

	// errors
	const code = await client.query("SELECT $1::vector(3)", ['[1,2]']).catch((e) => e.code);
	check('SQLSTATE', code, '22000');
	await client.end();
}

main().catch((e) => { console.log(`not ok ${e.stack}`); process.exit(1); });
