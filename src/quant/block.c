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

#include "quant/internal.h"

/* The greatest amount in a table. */
#define MOST_STEPS		127

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

/* What the values in half a byte of a code add to a product, by the half byte. */
static void
fill_amounts(const HnrQuantizer *head, int byte, int half, const float *rotated, float *amounts)
{
	int			bits = head->bits;
	int			group = byte / (HNR_GROUP / 8 * bits);
	int			count = Min(HNR_GROUP, head->rdims - group * HNR_GROUP);
	int			nb = count * bits / 8;
	int			k = byte - group * (HNR_GROUP / 8 * bits);

	memset(amounts, 0, sizeof(float) * HNR_TABLE);
	for (int at = 0; at < 4; at += bits)
	{
		float		x = rotated[group * HNR_GROUP + (half * 4 + at) / bits * nb + k];

		for (int p = 0; p < HNR_TABLE; p++)
			amounts[p] += (float) ((p >> at) & ((1 << bits) - 1)) * x;
	}
}

void
hnr_block_query_set(HnrBlockQuery *bq, const float *rotated)
{
	const HnrQuantizer *head = bq->head;
	int			ntables = 2 * head->code_size;
	float		amounts[2 * HNR_HEAD_SIZE][HNR_TABLE];
	float		widest = 0;
	float		sum = 0;
	double		least = 0;

	for (int t = 0; t < ntables; t++)
	{
		float		least_here;
		float		most_here;

		fill_amounts(head, t / 2, t % 2, rotated, amounts[t]);
		least_here = most_here = amounts[t][0];
		for (int p = 1; p < HNR_TABLE; p++)
		{
			least_here = Min(least_here, amounts[t][p]);
			most_here = Max(most_here, amounts[t][p]);
		}
		for (int p = 0; p < HNR_TABLE; p++)
			amounts[t][p] -= least_here;
		least += least_here;
		widest = Max(widest, most_here - least_here);
	}
	for (int i = 0; i < head->rdims; i++)
		sum += rotated[i];
	bq->step = widest / MOST_STEPS;
	for (int t = 0; t < ntables; t++)
		for (int p = 0; p < HNR_TABLE; p++)
			bq->tables[t][p] = bq->step > 0 ? (uint8) Min(amounts[t][p] / bq->step + 0.5f, MOST_STEPS) : 0;
	bq->least = least - 0.5 * ((1 << head->bits) - 1) * sum;
	bq->rounding = 0.5f * bq->step * ntables;
}

uint32
hnr_block_below(const HnrBlockQuery *bq, const uint8 *block, const float *terms,
				const HnrBlockBound *bound)
{
	HnrBlockBound b = *bound;

	/* with a factor that is not positive, the most that the product can be gives the least */
	b.offset += bq->least + bq->rounding;
	return hnr_quant_kernels->block_below(bq, block, terms, &b);
}
