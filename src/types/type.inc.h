/*-------------------------------------------------------------------------
 *
 * type.inc.h
 *		What all our types have in SQL, written once and instantiated per type.
 *
 * This is a template: a type's own .c file defines the macros and static functions
 * below and includes it.  What it defines is called TYPE_FN(name), in comments just
 * by the name.
 *
 *		TYPE				the struct, which has a member dim
 *		TYPE_NAME			the SQL type's name, for messages
 *		TYPE_FN(name)		the C name of its function of that name
 *		TYPE_GETARG(n)		argument n, not toasted
 *		TYPE_MAX_DIM		limit of dim
 *		TYPE_FN(from_floats)	(int dim, const float *x): a value of these coordinates;
 *							reports those it cannot hold
 *		l2_squared, inner_product, l1, cosine_distance
 *							double of two values of the same dimensions
 *		norm, normalized	double, and a new value, of one
 *		compare				-1, 0 or 1: the order of arrays, by the first coordinate
 *							that differs, else the one with fewer dimensions is less
 *
 *-------------------------------------------------------------------------
 */

#include "types/type_cast.inc.h"
#include "types/type_distance.inc.h"
#include "types/type_order.inc.h"
