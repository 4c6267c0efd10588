/*-------------------------------------------------------------------------
 *
 * vector.c
 *		The SQL type vector: construction, input and output.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/shortest_dec.h"
#include "compat.h"
#include "libpq/pqformat.h"
#include "types/check.h"
#include "types/scan.h"
#include "types/vector.h"

PG_FUNCTION_INFO_V1(hnr_vector_in);
PG_FUNCTION_INFO_V1(hnr_vector_out);
PG_FUNCTION_INFO_V1(hnr_vector_recv);
PG_FUNCTION_INFO_V1(hnr_vector_send);
PG_FUNCTION_INFO_V1(hnr_vector_typmod_in);

HnrVector *
hnr_vector_new(int dim)
{
	HnrVector  *v;

	Assert(dim >= 1 && dim <= HNR_VECTOR_MAX_DIM);
	v = palloc0(HNR_VECTOR_SIZE(dim));
	SET_VARSIZE(v, HNR_VECTOR_SIZE(dim));
	v->dim = dim;
	return v;
}

void
hnr_vector_check_same_dim(const HnrVector *a, const HnrVector *b)
{
	hnr_check_same_dims("vector", a->dim, b->dim);
}

/* The coordinates that a text can have at most: one more than its commas. */
static int
count_commas(const char *text)
{
	int			n = 0;

	while ((text = strchr(text, ',')) != NULL)
	{
		n++;
		text++;
	}
	return n;
}

/* The vector that a text stands for, or NULL after a soft error. */
static HnrVector *
scan_vector(HnrScanner *scanner)
{
	HnrVector  *v;
	int			dim = 0;
	int			room = Min(count_commas(scanner->text) + 1, HNR_VECTOR_MAX_DIM);
	bool		more;

	if (!hnr_scan_char(scanner, '[', "\"[\""))
		return NULL;
	if (hnr_scan_sees(scanner, ']'))
	{
		hnr_check_dims("vector", 0, HNR_VECTOR_MAX_DIM, scanner->escontext);
		return NULL;
	}
	v = hnr_vector_new(room);
	do
	{
		float		value;

		if (!hnr_check_dims("vector", dim + 1, HNR_VECTOR_MAX_DIM, scanner->escontext) ||
			!hnr_scan_float4(scanner, &value) ||
			!hnr_scan_separator(scanner, ']', "\",\" or \"]\"", &more))
			return NULL;
		v->x[dim++] = value;
	} while (more);
	if (!hnr_scan_end(scanner))
		return NULL;
	Assert(dim == room);
	return v;
}

/*
 * vector_in(cstring, oid, typmod): "[1,2.5,-3e4]", blanks allowed between items.
 */
Datum
hnr_vector_in(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(2);
	HnrScanner	scanner;
	HnrVector  *v;

	hnr_scan_begin(&scanner, "vector", PG_GETARG_CSTRING(0), fcinfo->context);
	v = scan_vector(&scanner);
	if (v == NULL || !hnr_check_typmod("vector", v->dim, typmod, fcinfo->context))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(v);
}

/*
 * vector_out(vector): the shortest digits that read back as the same float4.
 */
Datum
hnr_vector_out(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);
	char	   *text = palloc(v->dim * (Size) FLOAT_SHORTEST_DECIMAL_LEN + 2);
	char	   *end = text;

	for (int i = 0; i < v->dim; i++)
	{
		*end++ = i == 0 ? '[' : ',';
		end += float_to_shortest_decimal_bufn(v->x[i], end);
	}
	*end++ = ']';
	*end = '\0';
	PG_FREE_IF_COPY(v, 0);
	PG_RETURN_CSTRING(text);
}

/*
 * vector_recv(internal, oid, typmod): int16 dimensions, int16 zero, float4 each.
 */
Datum
hnr_vector_recv(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			dim = pq_getmsgint(buf, 2);
	int			unused = pq_getmsgint(buf, 2);
	HnrVector  *v;

	hnr_check_dims("vector", dim, HNR_VECTOR_MAX_DIM, NULL);
	hnr_check_typmod("vector", dim, typmod, NULL);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type vector"),
				 errdetail("The two bytes after the dimensions are %d, not zero.", unused)));
	v = hnr_vector_new(dim);
	for (int i = 0; i < dim; i++)
	{
		v->x[i] = pq_getmsgfloat4(buf);
		hnr_check_finite("vector", v->x[i], NULL);
	}
	PG_RETURN_POINTER(v);
}

/* vector_send(vector): what vector_recv reads. */
Datum
hnr_vector_send(PG_FUNCTION_ARGS)
{
	HnrVector  *v = PG_GETARG_HNR_VECTOR(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	enlargeStringInfo(&buf, HNR_VECTOR_SIZE(v->dim));
	pq_sendint16(&buf, v->dim);
	pq_sendint16(&buf, 0);
	for (int i = 0; i < v->dim; i++)
		pq_sendfloat4(&buf, v->x[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}

/* vector_typmod_in(cstring[]): the number of dimensions. */
Datum
hnr_vector_typmod_in(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(hnr_typmod_in("vector", PG_GETARG_ARRAYTYPE_P(0), HNR_VECTOR_MAX_DIM));
}
