/*-------------------------------------------------------------------------
 *
 * spill.h
 *		Temporary files of records of one size.
 *
 * They are the server's: they count for temp_file_limit, stand in temp_tablespaces, and
 * are gone at the end of the transaction, whichever way it ends, or after a crash when
 * the server starts.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SPILL_H
#define HNR_SPILL_H

typedef struct HnrSpill HnrSpill;

/* Memory that each takes. */
#define HNR_SPILL_MEMORY ((Size) BLCKSZ + 512)

/* In the current memory context, the current resource owner's. */
extern HnrSpill *hnr_spill_create(Size record);
extern void hnr_spill_free(HnrSpill *spill);

/* How many records were written. */
extern uint64 hnr_spill_count(const HnrSpill *spill);

/* Appends a record.  All are written before the first is read. */
extern void hnr_spill_write(HnrSpill *spill, const void *record);

/* Goes back to the first; reads the next. */
extern void hnr_spill_rewind(HnrSpill *spill);
extern void hnr_spill_read(HnrSpill *spill, void *record);

/* Reads a record by number, which then is the one that was read last. */
extern void hnr_spill_read_at(HnrSpill *spill, uint64 number, void *record);

#endif							/* HNR_SPILL_H */
