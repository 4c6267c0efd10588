/*-------------------------------------------------------------------------
 *
 * array.c
 *		SQL arrays of numbers to float4 coordinates.  See array.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "types/array.h"
#include "types/check.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"

int
hnr_array_length(const char *type, ArrayType *array)
{
	if (ARR_NDIM(array) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("cannot convert an array of %d dimensions to type %s",
						ARR_NDIM(array), type),
				 errhint("Use an array that has one dimension.")));
	if (ARR_HASNULL(array) && array_contains_nulls(array))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("cannot convert an array that contains NULL to type %s", type)));
	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
}

/* As core's float8 to float4, but NaN and infinity have been kept out before. */
static float
narrow(double value)
{
	float		result = (float) value;

	if (unlikely(isinf(result)))
		float_overflow_error();
	return result;
}

static void
numerics_to_floats(const char *type, ArrayType *array, int n, float *out)
{
	Datum	   *elements;
	int			count;

	deconstruct_array(array, NUMERICOID, -1, false, TYPALIGN_INT, &elements, NULL, &count);
	Assert(count == n);
	for (int i = 0; i < n; i++)
	{
		out[i] = DatumGetFloat4(DirectFunctionCall1(numeric_float4, elements[i]));
		hnr_check_finite(type, out[i], NULL);
	}
	pfree(elements);
}

void
hnr_array_to_floats(const char *type, ArrayType *array, int n, float *out)
{
	const void *data = ARR_DATA_PTR(array);

	switch (ARR_ELEMTYPE(array))
	{
		case INT4OID:
			for (int i = 0; i < n; i++)
				out[i] = (float) ((const int32 *) data)[i];
			break;
		case FLOAT4OID:
			for (int i = 0; i < n; i++)
			{
				out[i] = ((const float4 *) data)[i];
				hnr_check_finite(type, out[i], NULL);
			}
			break;
		case FLOAT8OID:
			for (int i = 0; i < n; i++)
			{
				double		value = ((const float8 *) data)[i];

				hnr_check_finite(type, value, NULL);
				out[i] = narrow(value);
			}
			break;
		case NUMERICOID:
			numerics_to_floats(type, array, n, out);
			break;
		default:
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("cannot convert this array to type %s", type),
					 errdetail("Its elements must be integer, real, double precision or numeric.")));
	}
}
