/*-------------------------------------------------------------------------
 *
 * dense_agg.inc.h
 *		The aggregates avg and sum of a dense type: part of the template that
 *		dense.inc.h tells of.
 *
 * Their state is a float8 array: the number of vectors, then the sum of each
 * coordinate; it has the count alone, zero, before the first vector.  The sums
 * are kept in double, so that the order of rows and workers hardly matters.
 * The functions can also be called by hand, so they check the state's shape.
 *
 *-------------------------------------------------------------------------
 */

PG_FUNCTION_INFO_V1(TYPE_FN(accum));
PG_FUNCTION_INFO_V1(TYPE_FN(combine));
PG_FUNCTION_INFO_V1(TYPE_FN(avg));
PG_FUNCTION_INFO_V1(TYPE_FN(sum));

/* Its count at [0] and sums from [1]; *dim is 0 before the first vector. */
static double *
state_numbers(ArrayType *state, int *dim)
{
	if (ARR_NDIM(state) != 1 || ARR_DIMS(state)[0] < 1 ||
		ARR_DIMS(state)[0] > TYPE_MAX_DIM + 1 ||
		ARR_HASNULL(state) || ARR_ELEMTYPE(state) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid aggregate state of type %s", TYPE_NAME),
				 errdetail("It is a count followed by up to %d sums.", TYPE_MAX_DIM)));
	*dim = ARR_DIMS(state)[0] - 1;
	return (double *) ARR_DATA_PTR(state);
}

/* A state of dim sums, all zero. */
static ArrayType *
new_state(int dim)
{
	Size		size = ARR_OVERHEAD_NONULLS(1) + sizeof(double) * (dim + 1);
	ArrayType  *state = palloc0(size);

	SET_VARSIZE(state, size);
	state->ndim = 1;
	state->dataoffset = 0;
	state->elemtype = FLOAT8OID;
	ARR_DIMS(state)[0] = dim + 1;
	ARR_LBOUND(state)[0] = 1;
	return state;
}

/*
 * Argument 0 as a state that the caller may write to.  An aggregate owns its
 * state and lets us change it in place; anybody else's is copied.
 */
static ArrayType *
writable_state(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, NULL))
		return PG_GETARG_ARRAYTYPE_P(0);
	return PG_GETARG_ARRAYTYPE_P_COPY(0);
}

static void
check_sums(const double *numbers, int dim)
{
	for (int i = 0; i <= dim; i++)
		if (unlikely(!isfinite(numbers[i])))
			float_overflow_error();
}

/* accum(float8[], type): the state with one vector more. */
Datum
TYPE_FN(accum)(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);
	TYPE	   *v = TYPE_GETARG(1);
	int			dim;
	double	   *numbers = state_numbers(state, &dim);
	const float *x = DENSE_FLOATS(v);

	if (dim == 0)
	{
		double		count = numbers[0];

		state = new_state(v->dim);
		numbers = state_numbers(state, &dim);
		numbers[0] = count;
	}
	hnr_check_same_dims(TYPE_NAME, dim, v->dim);
	numbers[0] += 1;
	for (int i = 0; i < dim; i++)
		numbers[i + 1] += x[i];
	check_sums(numbers, dim);
	PG_RETURN_ARRAYTYPE_P(state);
}

/* combine(float8[], float8[]): the state of both states' vectors. */
Datum
TYPE_FN(combine)(PG_FUNCTION_ARGS)
{
	ArrayType  *state = writable_state(fcinfo);
	ArrayType  *other = PG_GETARG_ARRAYTYPE_P(1);
	int			dim,
				other_dim;
	double	   *numbers = state_numbers(state, &dim);
	double	   *other_numbers = state_numbers(other, &other_dim);

	if (dim == 0 && other_dim > 0)
	{
		double		count = numbers[0];

		state = new_state(other_dim);
		numbers = state_numbers(state, &dim);
		numbers[0] = count;
	}
	if (other_dim > 0)
		hnr_check_same_dims(TYPE_NAME, dim, other_dim);
	for (int i = 0; i <= other_dim; i++)
		numbers[i] += other_numbers[i];
	check_sums(numbers, dim);
	PG_RETURN_ARRAYTYPE_P(state);
}

/*
 * The state's sums divided by divisor; ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE where
 * a coordinate cannot hold one.
 */
static TYPE *
divided_sums(const double *numbers, int dim, double divisor)
{
	TYPE	   *v;

	hnr_check_dims(TYPE_NAME, dim, TYPE_MAX_DIM, NULL);
	v = TYPE_FN(new)(dim);
	for (int i = 0; i < dim; i++)
	{
		float		value = (float) (numbers[i + 1] / divisor);

		if (unlikely(!(fabsf(value) < DENSE_LIMIT)))
			float_overflow_error();
		DENSE_PUT(v, i, value);
	}
	return v;
}

/* avg(float8[]): final function of avg(); NULL for no vectors. */
Datum
TYPE_FN(avg)(PG_FUNCTION_ARGS)
{
	int			dim;
	double	   *numbers = state_numbers(PG_GETARG_ARRAYTYPE_P(0), &dim);

	if (numbers[0] == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(divided_sums(numbers, dim, numbers[0]));
}

/* sum(float8[]): final function of sum(); NULL for no vectors. */
Datum
TYPE_FN(sum)(PG_FUNCTION_ARGS)
{
	int			dim;
	double	   *numbers = state_numbers(PG_GETARG_ARRAYTYPE_P(0), &dim);

	if (numbers[0] == 0)
		PG_RETURN_NULL();
	PG_RETURN_POINTER(divided_sums(numbers, dim, 1));
}
