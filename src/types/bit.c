/*-------------------------------------------------------------------------
 *
 * bit.c
 *		Distances of core's type bit.
 *
 * Both take values of the same length (else ERRCODE_DATA_EXCEPTION).  Core keeps the
 * bits that fill the last byte zero, so that whole bytes can be counted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "compat.h"
#include "distance/distance.h"
#include "utils/varbit.h"

PG_FUNCTION_INFO_V1(hnr_hamming_distance);
PG_FUNCTION_INFO_V1(hnr_jaccard_distance);

static void
check_same_length(const VarBit *a, const VarBit *b)
{
	if (VARBITLEN(a) != VARBITLEN(b))
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("bit operands differ in length: %d and %d", VARBITLEN(a), VARBITLEN(b))));
}

/* hamming_distance(bit, bit), operator <~>: the number of bits that differ. */
Datum
hnr_hamming_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a = PG_GETARG_VARBIT_P(0);
	VarBit	   *b = PG_GETARG_VARBIT_P(1);

	check_same_length(a, b);
	PG_RETURN_FLOAT8((double) hnr_distance->bits_different(VARBITBYTES(a),
														   VARBITS(a), VARBITS(b)));
}

/*
 * jaccard_distance(bit, bit), operator <%>: of the bits set in one or both, the part
 * that is not set in both, 0 .. 1; 1 where no bit is set at all.
 */
Datum
hnr_jaccard_distance(PG_FUNCTION_ARGS)
{
	VarBit	   *a = PG_GETARG_VARBIT_P(0);
	VarBit	   *b = PG_GETARG_VARBIT_P(1);
	int64		both,
				any;

	check_same_length(a, b);
	hnr_distance->bits_shared(VARBITBYTES(a), VARBITS(a), VARBITS(b), &both, &any);
	if (both == 0)
		PG_RETURN_FLOAT8(1.0);
	PG_RETURN_FLOAT8(1.0 - both / (double) any);
}
