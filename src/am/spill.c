/*-------------------------------------------------------------------------
 *
 * spill.c
 *		Temporary files of records of one size.  See spill.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/spill.h"
#include "storage/buffile.h"

/* A BufFile stands in files of this size. */
#define SEGMENT		((uint64) 0x40000000)

struct HnrSpill
{
	BufFile    *file;
	Size		record;
	uint64		count;
};

HnrSpill *
hnr_spill_create(Size record)
{
	HnrSpill   *spill = palloc(sizeof(HnrSpill));

	spill->file = BufFileCreateTemp(false);
	spill->record = record;
	spill->count = 0;
	return spill;
}

void
hnr_spill_free(HnrSpill *spill)
{
	BufFileClose(spill->file);
	pfree(spill);
}

uint64
hnr_spill_count(const HnrSpill *spill)
{
	return spill->count;
}

void
hnr_spill_write(HnrSpill *spill, const void *record)
{
	BufFileWrite(spill->file, unconstify(void *, record), spill->record);
	spill->count++;
}

static void
seek(HnrSpill *spill, uint64 number)
{
	uint64		at = number * spill->record;

	if (BufFileSeek(spill->file, (int) (at / SEGMENT), (off_t) (at % SEGMENT), SEEK_SET) != 0)
		elog(ERROR, "no place " UINT64_FORMAT " in a temporary file of an index build", at);
}

void
hnr_spill_rewind(HnrSpill *spill)
{
	seek(spill, 0);
}

void
hnr_spill_read(HnrSpill *spill, void *record)
{
	if (BufFileRead(spill->file, record, spill->record) != spill->record)
		elog(ERROR, "unexpected end of a temporary file of an index build");
}

void
hnr_spill_read_at(HnrSpill *spill, uint64 number, void *record)
{
	seek(spill, number);
	hnr_spill_read(spill, record);
}
