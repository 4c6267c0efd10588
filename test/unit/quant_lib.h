/*-------------------------------------------------------------------------
 *
 * quant_lib.h
 *		What the unit tests of quant/ share: TAP, memory in place of the server's,
 *		random and other vectors, and the loop over instruction sets.
 *
 * Whatever is random comes from a fixed seed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef QUANT_LIB_H
#define QUANT_LIB_H

#include "postgres.h"

#include <float.h>
#include <math.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "quant/quant.h"

#undef printf
#undef fprintf

#define MAX_DIMS 4096
#define MAX_CODES 33

static const char *const isas[] = {"scalar", "avx2", "avx512", "avx512vnni", "neon"};
static const int all_dims[] = {1, 2, 3, 8, 16, 17, 100, 128, 768, 784, 1536, 2000, 4096};
static const int all_bits[] = {1, 2, 4};

static int	tests = 0;
static int	failures = 0;
static char *guard;				/* a page that cannot be read starts here */

/* What the library takes from the server; release_all frees it. */
typedef struct Chunk
{
	struct Chunk *next;
	double		data[];
} Chunk;

static Chunk *chunks = NULL;

void *
palloc(Size size)
{
	Chunk	   *chunk = malloc(sizeof(Chunk) + size);

	chunk->next = chunks;
	chunks = chunk;
	return chunk->data;
}

void *
palloc0(Size size)
{
	return memset(palloc(size), 0, size);
}

void
pfree(void *pointer)
{
}

static void
release_all(void)
{
	while (chunks != NULL)
	{
		Chunk	   *chunk = chunks;

		chunks = chunk->next;
		free(chunk);
	}
}

#ifdef USE_ASSERT_CHECKING
#if PG_VERSION_NUM >= 160000
void
ExceptionalCondition(const char *condition, const char *file, int line)
#else
void
ExceptionalCondition(const char *condition, const char *type, const char *file, int line)
#endif
{
	printf("Bail out! %s at %s:%d\n", condition, file, line);
	exit(2);
}
#endif

static void
report(bool pass, const char *isa, const char *what)
{
	tests++;
	if (!pass)
		failures++;
	printf("%s %d - %s: %s\n", pass ? "ok" : "not ok", tests, isa, what);
}

/* Prints the first few breaches of a check that covers many cases. */
static bool
check(bool pass, const char *what, int dims, int bits, double value)
{
	static int	shown = 0;

	if (!pass && shown++ < 40)
		printf("# %s, %d dimensions, %d bits: %g\n", what, dims, bits, value);
	return pass;
}

static double
uniform(void)
{
	static uint64 state = 20240611;

	state = state * UINT64CONST(6364136223846793005) + UINT64CONST(1442695040888963407);
	return ((double) (state >> 11) + 0.5) / 9007199254740992.0;
}

static double
dot(int n, const float *a, const float *b)
{
	double		sum = 0;

	for (int i = 0; i < n; i++)
		sum += (double) a[i] * b[i];
	return sum;
}

static void
scale_to(int n, float *x, double length)
{
	double		factor = length / sqrt(dot(n, x, x));

	for (int i = 0; i < n; i++)
		x[i] *= factor;
}

/* A vector of the length 1, uniform over the sphere. */
static void
random_unit(int n, float *x)
{
	for (int i = 0; i < n; i++)
		x[i] = sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
	scale_to(n, x, 1);
}

/* Runs the parts for each instruction set that this machine has. */
static void
run_parts(int count, void (*const *parts) (const char *))
{
	size_t		page = sysconf(_SC_PAGESIZE);
	size_t		size = (size_t) MAX_CODES * (MAX_DIMS + 16) / page * page + page;
	char	   *memory = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
							  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED || mprotect(memory + size, page, PROT_NONE) != 0)
	{
		printf("Bail out! no memory\n");
		exit(2);
	}
	guard = memory + size;
	for (int i = 0; i < lengthof(isas); i++)
	{
		if (!hnr_quant_init(isas[i]))
		{
			printf("# %s: not on this machine\n", isas[i]);
			continue;
		}
		for (int k = 0; k < count; k++)
		{
			parts[k] (isas[i]);
			release_all();
		}
	}
}

#endif							/* QUANT_LIB_H */
