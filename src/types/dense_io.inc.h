/*-------------------------------------------------------------------------
 *
 * dense_io.inc.h
 *		Construction, input and output of a dense type: part of the template
 *		that dense.inc.h tells of.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(TYPE_FN(in));
PG_FUNCTION_INFO_V1(TYPE_FN(out));
PG_FUNCTION_INFO_V1(TYPE_FN(recv));
PG_FUNCTION_INFO_V1(TYPE_FN(send));

TYPE *
TYPE_FN(new)(int dim)
{
	TYPE	   *v;

	Assert(dim >= 1 && dim <= TYPE_MAX_DIM);
	v = palloc0(DENSE_SIZE(dim));
	SET_VARSIZE(v, DENSE_SIZE(dim));
	v->dim = dim;
	return v;
}

TYPE *
TYPE_FN(from_floats)(int dim, const float *x)
{
	TYPE	   *v;

	hnr_check_dims(TYPE_NAME, dim, TYPE_MAX_DIM, NULL);
	v = TYPE_FN(new)(dim);
	for (int i = 0; i < dim; i++)
		hnr_check_range(TYPE_NAME, x[i], DENSE_LIMIT);
	DENSE_ROUND(dim, x, v->x);
	return v;
}

/* What a text stands for, or NULL after a soft error. */
static TYPE *
scan_text(HnrScanner *scanner)
{
	TYPE	   *v;
	int			dim = 0;
	int			room = Min(hnr_scan_count(scanner, ',') + 1, TYPE_MAX_DIM);
	bool		more;

	if (!hnr_scan_char(scanner, '[', "\"[\""))
		return NULL;
	if (hnr_scan_sees(scanner, ']'))
	{
		hnr_check_dims(TYPE_NAME, 0, TYPE_MAX_DIM, scanner->escontext);
		return NULL;
	}
	v = TYPE_FN(new)(room);
	do
	{
		float		value;

		if (!hnr_check_dims(TYPE_NAME, dim + 1, TYPE_MAX_DIM, scanner->escontext) ||
			!hnr_scan_float4(scanner, &value) ||
			!hnr_scan_separator(scanner, ']', "\",\" or \"]\"", &more))
			return NULL;
		DENSE_PUT(v, dim, value);
		dim++;
	} while (more);
	if (!hnr_scan_end(scanner))
		return NULL;
	Assert(dim == room);
	return v;
}

/* in(cstring, oid, typmod): "[1,2.5,-3e4]", blanks allowed between items. */
Datum
TYPE_FN(in)(PG_FUNCTION_ARGS)
{
	int32		typmod = PG_GETARG_INT32(2);
	HnrScanner	scanner;
	TYPE	   *v;

	hnr_scan_begin(&scanner, TYPE_NAME, PG_GETARG_CSTRING(0), DENSE_LIMIT, fcinfo->context);
	v = scan_text(&scanner);
	if (v == NULL || !hnr_check_typmod(TYPE_NAME, v->dim, typmod, fcinfo->context))
		PG_RETURN_NULL();
	PG_RETURN_POINTER(v);
}

/* out(type): the shortest digits that read back as the same float4. */
Datum
TYPE_FN(out)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);
	char	   *text = palloc(v->dim * (Size) FLOAT_SHORTEST_DECIMAL_LEN + 2);
	char	   *end = text;

	for (int i = 0; i < v->dim; i++)
	{
		*end++ = i == 0 ? '[' : ',';
		end += float_to_shortest_decimal_bufn(DENSE_GET(v, i), end);
	}
	*end++ = ']';
	*end = '\0';
	PG_FREE_IF_COPY(v, 0);
	PG_RETURN_CSTRING(text);
}

/* recv(internal, oid, typmod): int16 dimensions, int16 zero, each coordinate. */
Datum
TYPE_FN(recv)(PG_FUNCTION_ARGS)
{
	StringInfo	buf = (StringInfo) PG_GETARG_POINTER(0);
	int32		typmod = PG_GETARG_INT32(2);
	int			dim = (int16) pq_getmsgint(buf, 2);
	int			unused = pq_getmsgint(buf, 2);
	TYPE	   *v;

	hnr_check_dims(TYPE_NAME, dim, TYPE_MAX_DIM, NULL);
	hnr_check_typmod(TYPE_NAME, dim, typmod, NULL);
	if (unused != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary form of type %s", TYPE_NAME),
				 errdetail("The two bytes after the dimensions are %d, not zero.", unused)));
	v = TYPE_FN(new)(dim);
	pq_copymsgbytes(buf, (char *) v->x, dim * (int) sizeof(DENSE_ELEMENT));
	for (int i = 0; i < dim; i++)
	{
		DENSE_WIRE	wire;

		memcpy(&wire, &v->x[i], sizeof(wire));
		wire = DENSE_RECEIVE(wire);
		memcpy(&v->x[i], &wire, sizeof(wire));
		hnr_check_finite(TYPE_NAME, DENSE_GET(v, i), NULL);
	}
	PG_RETURN_POINTER(v);
}

/* send(type): what recv reads. */
Datum
TYPE_FN(send)(PG_FUNCTION_ARGS)
{
	TYPE	   *v = TYPE_GETARG(0);
	StringInfoData buf;

	pq_begintypsend(&buf);
	enlargeStringInfo(&buf, DENSE_SIZE(v->dim));
	pq_sendint16(&buf, v->dim);
	pq_sendint16(&buf, 0);
	for (int i = 0; i < v->dim; i++)
		DENSE_TRANSMIT(&buf, v->x[i]);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
