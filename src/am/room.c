/*-------------------------------------------------------------------------
 *
 * room.c
 *		How many words of a vector that varies stand on its vertex.  See room.h.
 *
 * With more room, fewer vertices stand on a page; with less, more vectors have tails, and
 * longer ones.  Room is what so many vertices on a page leave, for some number of these.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "am/room.h"
#include "am/tail.h"

/* Room for this many words, without any vectors to judge by, if so many vertices on a page have it. */
#define DEFAULT_WORDS		256
#define DEFAULT_PER_PAGE	4

/*
 * A piece of a tail is worth more than its bytes: whoever measures the vector has to read
 * another page.
 */
#define PIECE_WEIGHT		1.5

/* What is left where so many vertices stand on a page. */
static int
room_of(int m, int per_page)
{
	int			bytes = MAXALIGN_DOWN(HNR_PAGE_CAPACITY / per_page) -
		(int) (sizeof(HnrVertex) + sizeof(HnrVarying)) - 2 * m * HNR_PLAIN_SLOT_SIZE;

	return bytes / (int) sizeof(float);
}

int
hnr_room_most(int m)
{
	return room_of(m, 1);
}

int
hnr_room_default(int m, int width)
{
	int			per_page = DEFAULT_PER_PAGE;

	while (per_page > 1 && room_of(m, per_page) < Min(DEFAULT_WORDS, width))
		per_page--;
	while (room_of(m, per_page + 1) >= width)
		per_page++;
	return Min(room_of(m, per_page), width);
}

/* Pages that the vectors take, with as much room as so many vertices on a page leave. */
static double
cost(const HnrMemGraph *graph, const uint32 *count, int most, int per_page)
{
	int			room = room_of(graph->index->meta.m, per_page);
	double		pieces = 0;

	for (int words = room + 1; words <= most; words++)
		pieces += (double) count[words] * hnr_tail_pieces(room, words);
	return (double) graph->nnodes / per_page + pieces * PIECE_WEIGHT / HNR_PIECES_PER_PAGE;
}

int
hnr_room_choose(const HnrMemGraph *graph)
{
	const HnrLayout *layout = &graph->index->layout;
	uint32	   *count = palloc0(sizeof(uint32) * (layout->dims + 1));
	int			m = graph->index->meta.m;
	int			best = 1;
	int			most = 0;

	for (uint32 i = 0; i < graph->nnodes; i++)
	{
		int			words = hnr_layout_words(layout, hnr_mem_graph_floats(graph, i));

		/* those to come may be somewhat longer */
		words = Min(words + words / 8, layout->dims);
		count[words]++;
		most = Max(most, words);
	}
	for (int per_page = 2; room_of(m, per_page) > 0; per_page++)
		if (cost(graph, count, most, per_page) < cost(graph, count, most, best))
			best = per_page;
	pfree(count);
	return Min(room_of(m, best), layout->dims);
}
