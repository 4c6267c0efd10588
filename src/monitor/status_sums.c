/*-------------------------------------------------------------------------
 *
 * status_sums.c
 *		What index_status() tells of a partitioned index: its leaves, taken together.
 *		See status.h.
 *
 * What is not known of a leaf, as somebody has it locked, is left out of the sums.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "monitor/status.h"

/* From what is best to what asks for somebody. */
static const char *const states[] = {
	"ready", "queued", "building", "optimizing", "rebuilding", "waiting for cutover",
	"interrupted", "failed", "invalid", "damaged"
};

static int
rank_of(const char *status)
{
	for (int i = 0; i < lengthof(states); i++)
		if (strcmp(status, states[i]) == 0)
			return i;
	return 0;
}

static void
set(HnrStatusSums *sums, HnrStatusColumn column, Datum value)
{
	sums->values[column] = value;
	sums->known[column] = true;
}

static void
add_count(HnrStatusSums *sums, HnrStatusColumn column, const Datum *values, const bool *nulls)
{
	int64		before = sums->known[column] ? DatumGetInt64(sums->values[column]) : 0;

	if (!nulls[column])
		set(sums, column, Int64GetDatum(before + DatumGetInt64(values[column])));
}

/* What differs between leaves is none of them all. */
static void
add_common(HnrStatusSums *sums, HnrStatusColumn column, const Datum *values, const bool *nulls)
{
	Datum		before = sums->values[column];

	if (nulls[column])
		return;
	if (!sums->known[column])
		set(sums, column, values[column]);
	else if (column == HNR_STATUS_STORED_AS ?
			 strcmp(TextDatumGetCString(before), TextDatumGetCString(values[column])) != 0 :
			 DatumGetInt32(before) != DatumGetInt32(values[column]))
		sums->varied[column] = true;
}

static void
add_pending(HnrStatusSums *sums, const Datum *values, const bool *nulls)
{
	const HnrStatusColumn age = HNR_STATUS_PENDING_AGE;
	const HnrStatusColumn rate = HNR_STATUS_MERGE_RATE;
	const HnrStatusColumn merging = HNR_STATUS_MERGING;

	add_count(sums, HNR_STATUS_PENDING_ROWS, values, nulls);
	if (!nulls[age])
		set(sums, age, sums->known[age] ?
			DirectFunctionCall2(interval_larger, sums->values[age], values[age]) : values[age]);
	if (!nulls[rate])
		set(sums, rate, Float8GetDatum(rint(((sums->known[rate] ? DatumGetFloat8(sums->values[rate]) : 0) +
											 DatumGetFloat8(values[rate])) * 10) / 10));
	if (!nulls[merging])
		set(sums, merging, BoolGetDatum((sums->known[merging] && DatumGetBool(sums->values[merging])) ||
										DatumGetBool(values[merging])));
}

/* By rows, as index_degradation() has it; as old as the oldest. */
static void
add_degradation(HnrStatusSums *sums, const Datum *values, const bool *nulls)
{
	const HnrStatusColumn at = HNR_STATUS_MEASURED_AT;
	double		rows;

	if (nulls[HNR_STATUS_DEGRADATION])
		return;
	rows = nulls[HNR_STATUS_VECTORS] ? 1 : Max(DatumGetInt64(values[HNR_STATUS_VECTORS]), 1);
	sums->measured += rows;
	sums->lost += rows * DatumGetFloat8(values[HNR_STATUS_DEGRADATION]);
	set(sums, HNR_STATUS_DEGRADATION, Float8GetDatum(rint(sums->lost / sums->measured * 1e9) / 1e9));
	if (!sums->known[at] || DatumGetTimestampTz(values[at]) < DatumGetTimestampTz(sums->values[at]))
		set(sums, at, values[at]);
}

static void
add_state(HnrStatusSums *sums, const Datum *values)
{
	char	   *status = TextDatumGetCString(values[HNR_STATUS_STATUS]);
	int			rank = rank_of(status);

	if (rank > 0)
		sums->other++;
	if (rank <= sums->worst)
		return;
	sums->worst = rank;
	sums->worst_status = status;
	sums->worst_name = TextDatumGetCString(values[HNR_STATUS_NAME]);
}

void
hnr_status_add(HnrStatusSums *sums, const Datum *values, const bool *nulls)
{
	static const HnrStatusColumn counts[] = {HNR_STATUS_SIZE_BYTES, HNR_STATUS_VECTORS, HNR_STATUS_DEAD};
	static const HnrStatusColumn common[] = {
		HNR_STATUS_M, HNR_STATUS_EF_CONSTRUCTION, HNR_STATUS_SLOTS, HNR_STATUS_STORED_AS
	};

	sums->leaves++;
	for (int i = 0; i < lengthof(counts); i++)
		add_count(sums, counts[i], values, nulls);
	for (int i = 0; i < lengthof(common); i++)
		add_common(sums, common[i], values, nulls);
	add_pending(sums, values, nulls);
	add_degradation(sums, values, nulls);
	if (!nulls[HNR_STATUS_NAME])
		add_state(sums, values);
}

/* The worst of the leaves, where the index itself has nothing to tell. */
static void
put_state(const HnrStatusSums *sums, Datum *values, bool *nulls)
{
	if (sums->other == 0 || rank_of(TextDatumGetCString(values[HNR_STATUS_STATUS])) > 0)
		return;
	values[HNR_STATUS_STATUS] = CStringGetTextDatum(sums->worst_status);
	values[HNR_STATUS_PHASE] = CStringGetTextDatum(psprintf("%d of %d partitions, among them %s",
															sums->other, sums->leaves, sums->worst_name));
	nulls[HNR_STATUS_PHASE] = false;
	nulls[HNR_STATUS_PROGRESS_PCT] = nulls[HNR_STATUS_ETA_SECONDS] = true;
}

void
hnr_status_put(const HnrStatusSums *sums, Datum *values, bool *nulls)
{
	/* who measured the partitioned index measured the leaves; the later tells */
	bool		own = !nulls[HNR_STATUS_MEASURED_AT] &&
		(!sums->known[HNR_STATUS_MEASURED_AT] ||
		 DatumGetTimestampTz(values[HNR_STATUS_MEASURED_AT]) >=
		 DatumGetTimestampTz(sums->values[HNR_STATUS_MEASURED_AT]));

	for (int i = 0; i < HNR_STATUS_COLUMNS; i++)
	{
		if (!sums->known[i] || sums->varied[i] ||
			(own && (i == HNR_STATUS_DEGRADATION || i == HNR_STATUS_MEASURED_AT)))
			continue;
		values[i] = sums->values[i];
		nulls[i] = false;
	}
	put_state(sums, values, nulls);
}
