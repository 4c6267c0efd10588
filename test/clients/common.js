// common.js - what the Node clients share: the data, the exact answer, the report.
//
// Every client prints "ok WHAT" or "not ok WHAT"; ../t/long/600_clients.pl counts.

const ROWS = 500;
const DIMS = 8;

// The same for every client: a row's vector by its number.
const vector = (i) => Array.from({ length: DIMS }, (_, d) => ((i * (d + 3) * 7919) % 1009) / 8);
const rows = Array.from({ length: ROWS }, (_, i) => ({ id: i + 1, v: vector(i + 1) }));
const query = Array.from({ length: DIMS }, (_, d) => 40 + d);
const distance = (a, b) => Math.sqrt(a.reduce((sum, x, d) => sum + (x - b[d]) ** 2, 0));
const nearest = (n) => rows.map((r) => [distance(r.v, query), r.id]).sort((a, b) => a[0] - b[0])
	.slice(0, n).map((x) => x[1]);

// One value of each type; what a client sends and expects back as text.
const values = { v: '[1,2.5,-3]', h: '[0.5,-2,65504]', s: '{1:1.5,5:-2}/5', b: '10110001' };

function check(what, got, expected)
{
	const same = JSON.stringify(got) === JSON.stringify(expected);

	console.log(`${same ? 'ok' : 'not ok'} ${what}`);
	if (!same)
		console.log(`# got ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}

// The status of an index until it is ready again; query(text) gives rows.
async function watch(status)
{
	for (;;)
	{
		const row = (await status())[0];

		if (row.status === 'ready' || row.status === 'failed')
			return row;
		await new Promise((done) => setTimeout(done, 20));
	}
}

// Binary formats, as doc/reference.md has them.
const binary = {
	vector(x)
	{
		const out = Buffer.alloc(4 + 4 * x.length);

		out.writeInt16BE(x.length, 0);
		x.forEach((value, i) => out.writeFloatBE(value, 4 + 4 * i));
		return out;
	},
	sparsevec(n, entries)
	{
		const out = Buffer.alloc(12 + 8 * entries.length);

		out.writeInt32BE(n, 0);
		out.writeInt32BE(entries.length, 4);
		entries.forEach(([index, value], i) =>
		{
			out.writeInt32BE(index, 12 + 4 * i);
			out.writeFloatBE(value, 12 + 4 * (entries.length + i));
		});
		return out;
	},
};

module.exports = { rows, query, nearest, values, check, watch, binary };
