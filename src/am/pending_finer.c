/*-------------------------------------------------------------------------
 *
 * pending_finer.c
 *		Finer codes of pending rows that a backend remembers.  See pending_finer.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "am/pending_finer.h"

/* Bits of these codes for a coordinate. */
#define FINER_BITS		2

/* As many are made in a scan: they take a few microseconds each. */
#define MADE_IN_SCAN	6

/* A row's, with its code behind it.  No spread: there is none yet. */
typedef struct Record
{
	float		spread;			/* see HnrPendingEntry */
	HnrSlot		slot;
} Record;

struct HnrPendingFiner
{
	HnrPendingSearch *search;
	HnrLayout	layout;			/* as if the index had such codes */
	HnrCodec   *codec;
	HnrCodeQuery *query;
	int			code_size;
	int			size;			/* of a record */
	int			left;			/* that may be made */
	float	   *rotated;
	uint8	   *codes;			/* scratch, as rotated */
};

HnrPendingFiner *
hnr_pending_finer_begin(HnrPendingSearch *s)
{
	HnrIndex   *index = s->index;
	HnrPendingFiner *f;

	if (index->layout.code_bits >= FINER_BITS)
		return NULL;
	f = palloc(sizeof(HnrPendingFiner));
	f->search = s;
	f->layout = index->layout;
	f->layout.code_bits = FINER_BITS;
	f->code_size = hnr_code_size(index->layout.dims, FINER_BITS);
	f->layout.slot_size = sizeof(HnrSlot) + f->code_size;
	f->codec = hnr_codec_with_bits(index->codec, &f->layout);
	f->size = TYPEALIGN(HNR_CACHE_LINE / 4, sizeof(Record) + f->code_size);
	f->left = MADE_IN_SCAN;
	f->rotated = palloc(sizeof(float) * hnr_codec_rotated_dims(f->codec));
	f->codes = palloc(f->code_size * HNR_PENDING_FINER_ROWS);
	f->query = hnr_code_query_create(f->codec->quantizer);
	hnr_code_query_set(f->query, hnr_disk_store_rotated_query(s->store));
	return f;
}

/* The record of a row; NULL if its part has none. */
static Record *
record_of(const HnrPendingFiner *f, const HnrPendingListed *l)
{
	const HnrPendingPart *part = hnr_pending_part_of(f->search, l);

	return part->finer ? (Record *) (part->finer + (Size) l->row * f->size) : NULL;
}

void
hnr_pending_finer_fetch(HnrPendingFiner *f, const HnrPendingListed *l)
{
	const char *record = (const char *) record_of(f, l);

	for (int at = 0; record && at < f->size; at += HNR_CACHE_LINE)
		__builtin_prefetch(record + at);
}

void
hnr_pending_finer_raise(HnrPendingFiner *f, HnrPendingListed **listed, int n)
{
	const Record *records[HNR_PENDING_FINER_ROWS];
	HnrPendingListed *rows[HNR_PENDING_FINER_ROWS];
	float		dots[HNR_PENDING_FINER_ROWS];
	int			nrows = 0;

	for (int i = 0; i < n; i++)
	{
		const Record *record = record_of(f, listed[i]);

		if (record == NULL || record->spread == 0)
			continue;
		memcpy(f->codes + nrows * f->code_size, record + 1, f->code_size);
		records[nrows] = record;
		rows[nrows++] = listed[i];
	}
	hnr_code_dots(f->query, f->codes, f->code_size, nrows, dots);
	for (int i = 0; i < nrows; i++)
	{
		const HnrFromCenter *from = &f->search->from[rows[i]->run];
		float		least = hnr_pending_least(from, records[i]->slot.constant, hnr_slot_factor(&records[i]->slot),
											  dots[i], records[i]->spread);

		/* not where it is no number */
		if (least > rows[i]->least)
			rows[i]->least = least;
	}
}

void
hnr_pending_finer_make(HnrPendingFiner *f, const HnrPendingListed *l, const float *vec)
{
	HnrPendingPart *part = hnr_pending_part_of(f->search, l);
	HnrCodecPoint center = {part->center, part->rotated};
	HnrCodecPoint here = {vec, f->rotated};
	ItemPointerData none;
	Record	   *record;

	if (f->left == 0 || !hnr_pending_cache_hold_finer(part, f->size))
		return;
	record = record_of(f, l);
	if (record->spread != 0)
		return;
	f->left--;
	hnr_codec_rotate(f->codec, vec, f->rotated);
	ItemPointerSetInvalid(&none);
	hnr_codec_encode(f->codec, center, here, &none, &record->slot);
	record->spread = hnr_pending_spread(f->codec, part->center, vec, &record->slot);
}
