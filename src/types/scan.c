/*-------------------------------------------------------------------------
 *
 * scan.c
 *		Reading the text form of a vector type.  See scan.h.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "compat.h"
#include "mb/pg_wchar.h"
#include "types/check.h"
#include "types/scan.h"

/* Bytes of the input that a message quotes at most. */
#define QUOTED_BYTES 80

void
hnr_scan_begin(HnrScanner *scanner, const char *type, const char *text,
			   float limit, Node *escontext)
{
	scanner->type = type;
	scanner->text = text;
	scanner->at = text;
	scanner->limit = limit;
	scanner->escontext = escontext;
}

/* The blanks that core's array and real input know, whatever the locale. */
static void
skip_blanks(HnrScanner *scanner)
{
	while (*scanner->at == ' ' || (*scanner->at >= '\t' && *scanner->at <= '\r'))
		scanner->at++;
}

/* text, cut at a character's end where it is long: vectors are. */
static const char *
quotable(const char *text, int length)
{
	if (length <= QUOTED_BYTES)
		return pnstrdup(text, length);
	return psprintf("%.*s...", pg_mbcliplen(text, length, QUOTED_BYTES), text);
}

static bool
syntax_error(HnrScanner *scanner, const char *expected)
{
	const char *at = scanner->at;
	const char *quoted = quotable(scanner->text, strlen(scanner->text));
	int			position = pg_mbstrlen_with_len(scanner->text, at - scanner->text) + 1;

	if (*at == '\0')
		ereturn(scanner->escontext, false,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid input syntax for type %s: \"%s\"", scanner->type, quoted),
				 errdetail("The text ends where %s is expected.", expected)));
	ereturn(scanner->escontext, false,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s: \"%s\"", scanner->type, quoted),
			 errdetail("Character %d is \"%.*s\" where %s is expected.",
					   position, pg_mbcliplen(at, strlen(at), pg_mblen(at)), at, expected)));
}

int
hnr_scan_count(const HnrScanner *scanner, char c)
{
	const char *at = scanner->at;
	int			n = 0;

	while ((at = strchr(at, c)) != NULL)
	{
		n++;
		at++;
	}
	return n;
}

bool
hnr_scan_sees(HnrScanner *scanner, char c)
{
	skip_blanks(scanner);
	return *scanner->at == c;
}

bool
hnr_scan_char(HnrScanner *scanner, char c, const char *expected)
{
	if (!hnr_scan_sees(scanner, c))
		return syntax_error(scanner, expected);
	scanner->at++;
	return true;
}

bool
hnr_scan_separator(HnrScanner *scanner, char closing, const char *expected, bool *more)
{
	*more = hnr_scan_sees(scanner, ',');
	if (!*more && *scanner->at != closing)
		return syntax_error(scanner, expected);
	scanner->at++;
	return true;
}

bool
hnr_scan_float4(HnrScanner *scanner, float *value)
{
	char	   *end;

	skip_blanks(scanner);
	errno = 0;
	*value = strtof(scanner->at, &end);
	if (end == scanner->at)
		return syntax_error(scanner, "a number");
	if (isinf(*value) ? errno == ERANGE : fabsf(*value) >= scanner->limit)
		ereturn(scanner->escontext, false,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("\"%s\" is out of range for a coordinate of type %s",
						quotable(scanner->at, end - scanner->at), scanner->type)));
	scanner->at = end;
	return hnr_check_finite(scanner->type, *value, scanner->escontext);
}

bool
hnr_scan_int32(HnrScanner *scanner, int32 *value, const char *expected)
{
	char	   *end;
	long		number;

	skip_blanks(scanner);
	number = strtol(scanner->at, &end, 10);
	if (end == scanner->at)
		return syntax_error(scanner, expected);
	*value = (int32) Max(PG_INT32_MIN, Min(PG_INT32_MAX, number));
	scanner->at = end;
	return true;
}

bool
hnr_scan_end(HnrScanner *scanner)
{
	skip_blanks(scanner);
	if (*scanner->at != '\0')
		return syntax_error(scanner, "the end of the text");
	return true;
}
