/*-------------------------------------------------------------------------
 *
 * sparsevec_io.c
 *		Input and output of the SQL type sparsevec.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "libpq/pqformat.h"
#include "types/check.h"
#include "types/scan.h"
#include "types/sparsevec.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(hnr_sparsevec_in);
PG_FUNCTION_INFO_V1(hnr_sparsevec_out);
PG_FUNCTION_INFO_V1(hnr_sparsevec_recv);
PG_FUNCTION_INFO_V1(hnr_sparsevec_send);

/* Characters of an int32 at most. */
#define INT32_LEN 11

typedef struct Element
{
	int32		index;			/* from 1, as in the text */
	float		value;
} Element;

static int
compare_elements(const void *a, const void *b)
{
	int32		x = ((const Element *) a)->index;
	int32		y = ((const Element *) b)->index;

	return (x > y) - (x < y);
}

/*
 * Whether an index, from 1, is within dim and above the one before it (0 for the
 * first); reports an error, ERRCODE_DATA_EXCEPTION, where it is not.
 */
static bool
check_index(int32 index, int32 before, int32 dim, Node *escontext)
{
	if (index < 1 || index > dim)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("index %d is outside a sparsevec of %d dimensions", index, dim)));
	if (index == before)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("index %d appears twice in a sparsevec", index)));
	if (index < before)
		ereturn(escontext, false,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("indices of a sparsevec are not in ascending order"),
				 errdetail("Index %d follows %d.", index, before)));
	return true;
}

/*
 * Reads "{index:value,...}" to elements, which are allocated; those that are zero
 * are left out.  False after a soft error.
 */
static bool
scan_elements(HnrScanner *scanner, Element **elements, int *nnz)
{
	int			room = Min(hnr_scan_count(scanner, ':'), HNR_SPARSEVEC_MAX_NNZ);
	bool		more;

	*elements = palloc(sizeof(Element) * Max(room, 1));
	*nnz = 0;
	if (!hnr_scan_char(scanner, '{', "\"{\""))
		return false;
	if (hnr_scan_sees(scanner, '}'))
		return hnr_scan_char(scanner, '}', "\"}\"");
	do
	{
		Element		e;

		if (!hnr_scan_int32(scanner, &e.index, "an index") ||
			!hnr_scan_char(scanner, ':', "\":\"") ||
			!hnr_scan_float4(scanner, &e.value) ||
			!hnr_scan_separator(scanner, '}', "\",\" or \"}\"", &more))
			return false;
		if (e.value == 0)
			continue;
		if (!hnr_check_nonzeros("sparsevec", *nnz + 1, HNR_SPARSEVEC_MAX_NNZ,
								scanner->escontext))
			return false;
		Assert(*nnz < room);
		(*elements)[(*nnz)++] = e;
	} while (more);
	return true;
}

/* A value of elements in any order, or NULL after a soft error. */
static HnrSparsevec *
from_elements(int dim, int nnz, Element *elements, Node *escontext)
{
	HnrSparsevec *v = hnr_sparsevec_new(dim, nnz);
	float	   *values = hnr_sparsevec_values(v);

	qsort(elements, nnz, sizeof(Element), compare_elements);
	for (int i = 0; i < nnz; i++)
	{
		if (!check_index(elements[i].index, i > 0 ? elements[i - 1].index : 0, dim, escontext))
			return NULL;
		v->indices[i] = elements[i].index - 1;
		values[i] = elements[i].value;
	}
	return v;
}

/*
 * sparsevec_in(cstring, oid, typmod): "{1:1.5,3:-2}/5", that is coordinates 1 and 3
 * of 5; blanks allowed between items, and the coordinates in any order.
 */
Datum
hnr_sparsevec_in(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(2);
	HnrScanner	scanner;
	HnrSparsevec *v;
	Element    *elements;
	int			nnz;
	int32		dim;

	hnr_scan_begin(&scanner, "sparsevec", PG_GETARG_CSTRING(0), INFINITY, fcinfo->context);
	if (!scan_elements(&scanner, &elements, &nnz) ||
		!hnr_scan_char(&scanner, '/', "\"/\"") ||
		!hnr_scan_int32(&scanner, &dim, "the number of dimensions") ||
		!hnr_scan_end(&scanner) ||
		!hnr_check_dims("sparsevec", dim, HNR_SPARSEVEC_MAX_DIM, fcinfo->context) ||
		!hnr_check_typmod("sparsevec", dim, typmod, fcinfo->context))
		PG_RETURN_NULL();
	v = from_elements(dim, nnz, elements, fcinfo->context);
	if (v == NULL)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(v);
}

/* sparsevec_out(sparsevec): values with the fewest digits, as vector_out. */
Datum
hnr_sparsevec_out(PG_FUNCTION_ARGS)
{
	HnrSparsevec *v = PG_GETARG_HNR_SPARSEVEC(0);
	const float *values = hnr_sparsevec_values(v);
	char	   *text = palloc(v->nnz * (Size) (INT32_LEN + FLOAT_SHORTEST_DECIMAL_LEN + 2) +
							  INT32_LEN + 4);
	char	   *end = text;

	*end++ = '{';
	for (int i = 0; i < v->nnz; i++)
	{
		if (i > 0)
			*end++ = ',';
		end += pg_ltoa(v->indices[i] + 1, end);
		*end++ = ':';
		end += float_to_shortest_decimal_bufn(values[i], end);
	}
	*end++ = '}';
	*end++ = '/';
	end += pg_ltoa(v->dim, end);
	*end = '\0';
	PG_FREE_IF_COPY(v, 0);
	PG_RETURN_CSTRING(text);
}

/* The checks of what stands before the indices in the wire format. */
static void
check_head(int32 dim, int32 nnz, int32 unused, int32 typmod)
{
	hnr_check_dims("sparsevec", dim, HNR_SPARSEVEC_MAX_DIM, NULL);
	hnr_check_typmod("sparsevec", dim, typmod, NULL);
	hnr_check_nonzeros("sparsevec", nnz, HNR_SPARSEVEC_MAX_NNZ, NULL);
	if (nnz < 0 || nnz > dim)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type sparsevec"),
				 errdetail("Of %d coordinates, %d are said to be not zero.", dim, nnz)));
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type sparsevec"),
				 errdetail("The third number is %d, not zero.", unused)));
}

/*
 * sparsevec_recv(internal, oid, typmod): int32 dimensions, int32 number of
 * coordinates that are not zero, int32 zero, their indices (int32, from 0,
 * ascending), then their values (float4).
 */
Datum
hnr_sparsevec_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		dim = pq_getmsgint(buf, 4);
	int32		nnz = pq_getmsgint(buf, 4);
	int32		unused = pq_getmsgint(buf, 4);
	HnrSparsevec *v;
	float	   *values;

	check_head(dim, nnz, unused, PG_GETARG_INT32(2));
	v = hnr_sparsevec_new(dim, nnz);
	values = hnr_sparsevec_values(v);
	for (int i = 0; i < nnz; i++)
	{
		v->indices[i] = pq_getmsgint(buf, 4);
		if (v->indices[i] < 0 || v->indices[i] >= dim)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_EXCEPTION),
					 errmsg("index %d, counted from 0, is outside a sparsevec of %d dimensions",
							v->indices[i], dim)));
		check_index(v->indices[i] + 1, i > 0 ? v->indices[i - 1] + 1 : 0, dim, NULL);
	}
	for (int i = 0; i < nnz; i++)
	{
		values[i] = pq_getmsgfloat4(buf);
		hnr_check_finite("sparsevec", values[i], NULL);
		if (values[i] == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
					 errmsg("invalid binary form of type sparsevec"),
					 errdetail("The value at index %d is zero.", v->indices[i])));
	}
	PG_RETURN_POINTER(v);
}

/* sparsevec_send(sparsevec): what sparsevec_recv reads. */
Datum
hnr_sparsevec_send(PG_FUNCTION_ARGS)
{
	HnrSparsevec *v = PG_GETARG_HNR_SPARSEVEC(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	enlargeStringInfo(&buf, HNR_SPARSEVEC_SIZE(v->nnz));
	pq_sendint32(&buf, v->dim);
	pq_sendint32(&buf, v->nnz);
	pq_sendint32(&buf, 0);
	for (int i = 0; i < v->nnz; i++)
		pq_sendint32(&buf, v->indices[i]);
	for (int i = 0; i < v->nnz; i++)
		pq_sendfloat4(&buf, hnr_sparsevec_values(v)[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
