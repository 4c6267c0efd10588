/*-------------------------------------------------------------------------
 *
 * sample.c
 *		Draws the rows that a measurement searches for, or takes queries.
 *
 * Blocks are drawn first (Knuth's Algorithm S), then rows from all rows of
 * those blocks (Vitter's Algorithm R), as ANALYZE does, so that a big table is
 * not read whole.  Where an index covers few rows, the drawn blocks may hold
 * too few; the draw is then repeated on eight times as many blocks.
 *
 * The table access method's sampling scan does the reading, driven by a
 * tablesample method of our own, so any table access method will do.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/tableam.h"
#include "access/tsmapi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/datum.h"
#include "utils/sampling.h"

#include "recall/measure.h"

#define BLOCK_GROWTH	8

typedef struct BlockDraw
{
	int			wanted;
	uint32		seed;
	bool		started;
	BlockSamplerData blocks;
	OffsetNumber last;			/* tuple handed out last on this block */
} BlockDraw;

static BlockNumber
next_block(SampleScanState *node, BlockNumber nblocks)
{
	BlockDraw  *draw = node->tsm_state;

	CHECK_FOR_INTERRUPTS();
	if (!draw->started)
	{
		BlockSampler_Init(&draw->blocks, nblocks, draw->wanted, draw->seed);
		draw->started = true;
	}
	draw->last = InvalidOffsetNumber;
	return BlockSampler_HasMore(&draw->blocks) ?
		BlockSampler_Next(&draw->blocks) : InvalidBlockNumber;
}

static OffsetNumber
next_tuple(SampleScanState *node, BlockNumber blockno, OffsetNumber maxoffset)
{
	BlockDraw  *draw = node->tsm_state;

	if (draw->last >= maxoffset)
		return InvalidOffsetNumber;
	return ++draw->last;
}

/* Copies the row under consideration to place `at` of the sample. */
static void
keep_row(HnrMeasure *m, int at)
{
	HnrSampledRow *row = &m->sample[at];
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(m->index), 0);

	if (at < m->samples)
	{
		if (!att->attbyval)
			pfree(DatumGetPointer(row->query));
	}
	else
		m->samples = at + 1;
	row->tid = m->slot->tts_tid;
	if (att->attlen == -1)
		row->query = PointerGetDatum(PG_DETOAST_DATUM_COPY(m->value));
	else
		row->query = datumCopy(m->value, att->attbyval, att->attlen);
	if (m->metric->type->words == NULL)
		memcpy(row->vector, m->vector, sizeof(float) * m->dims);
	else
	{
		if (row->vector)
			pfree(row->vector);
		row->vector = hnr_metric_copy(m->metric, m->dims, m->vector);
	}
}

/* One draw over `nblocks` blocks of the table. */
static void
draw_from_blocks(HnrMeasure *m, BlockNumber nblocks, uint64 seed)
{
	TsmRoutine *method = makeNode(TsmRoutine);
	SampleScanState *node = makeNode(SampleScanState);
	BlockDraw	draw = {.wanted = (int) Min(nblocks, (BlockNumber) INT_MAX),
	.seed = (uint32) seed};
	pg_prng_state random;
	double		seen = 0;
	TableScanDesc scan;

	method->NextSampleBlock = next_block;
	method->NextSampleTuple = next_tuple;
	node->tsmroutine = method;
	node->tsm_state = &draw;
	sampler_random_init_state((uint32) (seed >> 32) ^ (uint32) seed, &random);

	scan = table_beginscan_sampling(m->table, m->snapshot, 0, NULL,
									true, false, true);
	while (table_scan_sample_next_block(scan, node))
	{
		while (table_scan_sample_next_tuple(scan, node, m->slot))
		{
			double		place;

			if (!hnr_measure_covers(m))
				continue;
			seen++;
			if (m->samples < m->room)
				keep_row(m, m->samples);
			else if ((place = floor(sampler_random_fract(&random) * seen)) < m->room)
				keep_row(m, (int) place);
		}
	}
	ExecClearTuple(m->slot);
	table_endscan(scan);
	pfree(node);
	pfree(method);
}

void
hnr_measure_draw(HnrMeasure *m, uint64 seed)
{
	BlockNumber total = RelationGetNumberOfBlocks(m->table);
	BlockNumber nblocks = Min(total, (BlockNumber) m->room);

	m->samples = 0;
	while (nblocks > 0)
	{
		draw_from_blocks(m, nblocks, seed);
		if (m->samples >= m->room || nblocks >= total)
			break;
		nblocks = Min((uint64) total, (uint64) nblocks * BLOCK_GROWTH);
		/* The next draw replaces what this one kept. */
		if (!TupleDescAttr(RelationGetDescr(m->index), 0)->attbyval)
		{
			for (int i = 0; i < m->samples; i++)
				pfree(DatumGetPointer(m->sample[i].query));
		}
		m->samples = 0;
	}
}

void
hnr_measure_take_queries(HnrMeasure *m, int n, const Datum *queries)
{
	m->samples = 0;
	for (int i = 0; i < n && m->samples < m->room; i++)
	{
		m->value = queries[i];
		ItemPointerSetInvalid(&m->slot->tts_tid);
		if (hnr_metric_form_vector(m->metric, m->value, m->column_dims, m->vector))
			keep_row(m, m->samples);
	}
}
