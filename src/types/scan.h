/*-------------------------------------------------------------------------
 *
 * scan.h
 *		Reading the text form of a vector type.
 *
 * A scanner walks over a string; blanks are skipped before each item.  Every
 * function returns true, or reports an error as check.h describes (softly where
 * there is an ErrorSaveContext) and returns false; the caller then returns at
 * once.  Syntax errors are ERRCODE_INVALID_TEXT_REPRESENTATION and name the
 * character and what was expected in its place.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SCAN_H
#define HNR_SCAN_H

#include "nodes/nodes.h"

typedef struct HnrScanner
{
	const char *type;			/* SQL type, for messages */
	const char *text;			/* the whole string */
	const char *at;				/* what is read next */
	float		limit;			/* coordinates are below this, and above -this */
	Node	   *escontext;
} HnrScanner;

extern void hnr_scan_begin(HnrScanner *scanner, const char *type, const char *text,
						   float limit, Node *escontext);

/* How often the character c stands in the rest of the text. */
extern int	hnr_scan_count(const HnrScanner *scanner, char c);

/* Whether the next item is the character c; it is not consumed. */
extern bool hnr_scan_sees(HnrScanner *scanner, char c);

/* Consumes the character c; `expected` names it in the error, quotes included. */
extern bool hnr_scan_char(HnrScanner *scanner, char c, const char *expected);

/*
 * Consumes a comma (*more = true) or the closing character (*more = false);
 * `expected` names both in the error.
 */
extern bool hnr_scan_separator(HnrScanner *scanner, char closing, const char *expected,
							   bool *more);

/*
 * Consumes a finite float4.  Like core's real, it rounds once, from the decimal
 * text; a number too small for float4 becomes zero, one too large for it or for the
 * scanner's limit is ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE.
 */
extern bool hnr_scan_float4(HnrScanner *scanner, float *value);

/*
 * Consumes an int32; one beyond its range becomes the nearest that it has, which
 * the caller's check of the range refuses.  `expected` names it in the error.
 */
extern bool hnr_scan_int32(HnrScanner *scanner, int32 *value, const char *expected);

/* Nothing but blanks is left. */
extern bool hnr_scan_end(HnrScanner *scanner);

#endif							/* HNR_SCAN_H */
