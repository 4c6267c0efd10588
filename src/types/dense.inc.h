/*-------------------------------------------------------------------------
 *
 * dense.inc.h
 *		The types that hold each of their coordinates, written once and
 *		instantiated per kind of coordinate: vector and halfvec.
 *
 * This is a template: a type's own .c file defines the macros below and those of
 * type.inc.h and includes it.  It includes type.inc.h and defines what that asks for.
 *
 *		TYPE				has the members dim, unused and x, an array
 *		DENSE_ELEMENT		the C type of x[i]
 *		DENSE_SIZE(dim)		bytes of a value
 *		DENSE_GET(v, i)		coordinate i as a float, and
 *		DENSE_PUT(v, i, f)	a float to coordinate i, to the nearest
 *		DENSE_FLOATS(v)		const float *: all coordinates, perhaps in memory of
 *							the current context
 *		DENSE_ROUND(n, f, x)	n floats to n elements, as DENSE_PUT
 *		DENSE_ROOM(v)		float *: room for the coordinates of a new v, for DENSE_ROUND
 *		DENSE_LIMIT			the least float that DENSE_PUT makes infinity of
 *		DENSE_WIRE			an integer of an element's size
 *		DENSE_RECEIVE(wire)	that with an element's bits, of one in network order
 *		DENSE_TRANSMIT(buf, x)	sends an element so
 *		DENSE_KERNEL(name)	the kernel of that name, see distance.h
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "compat.h"
#include "distance/distance.h"
#include "libpq/pqformat.h"
#include "types/array.h"
#include "types/check.h"
#include "types/scan.h"
#include "types/sums.h"
#include "utils/float.h"
#include "utils/fmgrprotos.h"
#include "utils/varbit.h"

#include "types/dense_io.inc.h"
#include "types/dense_cast.inc.h"
#include "types/dense_op.inc.h"
#include "types/dense_agg.inc.h"
#include "types/dense_distance.inc.h"
#include "types/type.inc.h"
