/*-------------------------------------------------------------------------
 *
 * block.c
 *		Blocks: the heads of many codes, in an order in which a few instructions look at
 *		them all.
 *
 * Half a byte of a code says what up to four coordinates add to a product, of sixteen
 * possible amounts; these stand in a table of bytes for each half, and processors look up
 * sixteen or more at once (Andre, Kermarrec and Le Scouarnec, "Cache locality is not enough:
 * high-performance nearest neighbor search with product quantization fast scan", VLDB 2015).
 * Amounts are rounded to so many steps that two of them fit a byte.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "port/pg_bitutils.h"
#include "quant/internal.h"

HnrQuantizer *
hnr_quantizer_head(const HnrQuantizer *qz)
{
	HnrQuantizer *head = palloc(sizeof(HnrQuantizer));

	*head = *qz;
	if (qz->code_size > HNR_HEAD_SIZE)
	{
		/* whole groups */
		head->groups = HNR_HEAD_SIZE / (HNR_GROUP / 8 * qz->bits);
		head->code_size = head->groups * (HNR_GROUP / 8 * qz->bits);
		head->rdims = head->groups * HNR_GROUP;
		head->tail = 0;
	}
	return head;
}

HnrQuantizer *
hnr_quantizer_tail(const HnrQuantizer *qz)
{
	HnrQuantizer *head = hnr_quantizer_head(qz);
	HnrQuantizer *tail = palloc(sizeof(HnrQuantizer));

	*tail = *qz;
	tail->groups -= head->groups;
	tail->code_size -= head->code_size;
	tail->rdims -= head->rdims;
	pfree(head);
	if (tail->code_size > 0)
		return tail;
	pfree(tail);
	return NULL;
}

int
hnr_quantizer_code_size(const HnrQuantizer *qz)
{
	return qz->code_size;
}

void
hnr_block_put(uint8 *block, int size, int i, const uint8 *code)
{
	for (int k = 0; k < size; k++)
		block[k * HNR_BLOCK + i] = code[k];
}

HnrBlockQuery *
hnr_block_query_create(const HnrQuantizer *head)
{
	HnrBlockQuery *bq = palloc0(sizeof(HnrBlockQuery));

	bq->head = head;
	return bq;
}

/*
 * The coordinates that half a byte of a code has values of, that of the lowest bits first; returns
 * how many.
 */
static int
find_coordinates(const HnrQuantizer *head, int byte, int half, const float *rotated, float *x)
{
	int			bits = head->bits;
	int			group = byte / (HNR_GROUP / 8 * bits);
	int			count = Min(HNR_GROUP, head->rdims - group * HNR_GROUP);
	int			nb = count * bits / 8;
	int			k = byte - group * (HNR_GROUP / 8 * bits);

	for (int i = 0; i < 4 / bits; i++)
		x[i] = rotated[group * HNR_GROUP + (half * 4 / bits + i) * nb + k];
	return 4 / bits;
}

/* The values of these coordinates, by the half byte. */
static void
fill_values(int bits, float values[][HNR_TABLE])
{
	for (int i = 0; i < 4 / bits; i++)
		for (int p = 0; p < HNR_TABLE; p++)
			values[i][p] = (p >> (i * bits)) & ((1 << bits) - 1);
}

void
hnr_block_query_set(HnrBlockQuery *bq, const float *rotated)
{
	const HnrQuantizer *head = bq->head;
	int			most = (1 << head->bits) - 1;
	float		values[4][HNR_TABLE];
	float		x[2 * HNR_HEAD_SIZE][4];
	float		least[2 * HNR_HEAD_SIZE];
	float		widest = 0;
	float		steps;
	int			n = 0;

	bq->least = 0;
	for (int t = 0; t < 2 * head->code_size; t++)
	{
		float		sum = 0;
		float		width = 0;

		n = find_coordinates(head, t / 2, t % 2, rotated, x[t]);
		for (int i = 0; i < n; i++)
		{
			sum += x[t][i];
			width += fabsf(x[t][i]);
		}
		least[t] = (sum - width) / 2 * most;
		/* what a value stands for is half of `most` below it */
		bq->least += least[t] - 0.5f * most * sum;
		widest = Max(widest, width * most);
	}
	bq->step = widest / HNR_MOST_STEPS;
	steps = bq->step > 0 ? 1 / bq->step : 0;
	/* a query of hardly anything is none */
	if (isinf(steps))
		steps = bq->step = 0;
	bq->rounding = 0.5f * bq->step * (2 * head->code_size);
	fill_values(head->bits, values);
	for (int t = 0; t < 2 * head->code_size; t++)
	{
		uint8	   *table = bq->tables[t / 4].tables[t % 2][t / 2 % 2];

		for (int i = 0; i < n; i++)
			x[t][i] *= steps;
		hnr_quant_kernels->fill_table(n, x[t], 0.5f - least[t] * steps, (const float (*)[HNR_TABLE]) values, table);
		memcpy(table + HNR_TABLE, table, HNR_TABLE);
	}
}

uint32
hnr_block_below(const HnrBlockQuery *bq, const uint8 *block, const float *terms,
				const HnrBlockBound *bound, uint16 *sums)
{
	HnrBlockBound b = *bound;

	/* with a factor that is not positive, the most that the product can be gives the least */
	b.offset += bq->least + bq->rounding;
	return hnr_quant_kernels->block_below(bq, block, terms, &b, sums);
}

void
hnr_block_products(const HnrBlockQuery *bq, const uint16 *sums, uint32 rows, float *products)
{
	for (; rows != 0; rows &= rows - 1)
		*products++ = bq->least + bq->step * (float) sums[pg_rightmost_one_pos32(rows)];
}

float
hnr_block_rounding(const HnrBlockQuery *bq)
{
	return bq->rounding;
}

float
hnr_block_deviation(const HnrBlockQuery *bq)
{
	/* each amount is off by anything up to half a step */
	return bq->step * sqrtf(2 * bq->head->code_size / 12.0f);
}
