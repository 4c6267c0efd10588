/*-------------------------------------------------------------------------
 *
 * weaving.h
 *		What the files that make the graph in memory share: its ground level in the
 *		making, by one process or several.
 *
 * The work is a sequence of steps.  A step has tasks that can be done in any order, by any
 * process; what it makes does not depend on that.  Between steps the leader is alone.
 *
 * The members of the ground are the nodes, by number; those of a sample have numbers of
 * their own.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_WEAVING_H
#define HNR_WEAVING_H

#include "am/points.h"
#include "port/atomics.h"
#include "storage/barrier.h"
#include "storage/lwlock.h"

/* Candidates some way off, mostly of one member in HNR_SAMPLED: see weave.c. */
#define HNR_SAMPLED	4
#define HNR_FAR		48
#define HNR_FAR_KEPT 8			/* of these at most are linked in any case */
#define HNR_FAR_BEYOND 1.5f		/* so many times as far as what is near is in another cluster */

/* Cells that a member is in, in one partition, at most. */
#define HNR_OVERLAP 3

/*
 * What is known of a list that was taken over.  With one of the last three, its node looks
 * for candidates; whether it chooses anew then, mend.c says.
 */
#define HNR_LIST_ADDED	0x01	/* its row was added after the last build */
#define HNR_LIST_LOST	0x02	/* it has lost neighbours */
#define HNR_LIST_SHORT	0x04	/* it has fewer links than a node chooses */
#define HNR_LIST_ALONE	0x08	/* whom it leads to nearby was added as well */

/* Leaders of the first partitions that are candidates, of each member. */
#define HNR_LEADERS	4

typedef struct HnrCell
{
	uint32		first;			/* in the list of members by cell */
	uint32		count;
} HnrCell;

typedef struct HnrFar
{
	int			kept;			/* the first ones */
	uint32		member[HNR_FAR];	/* up to HNR_MEM_NONE */
} HnrFar;

typedef enum HnrStep
{
	HNR_STEP_MEASURE,			/* links taken over from an old index: mend.c */
	HNR_STEP_ASSIGN,			/* members to cells: cells.c */
	HNR_STEP_COMPARE,			/* in cells */
	HNR_STEP_KEEP,				/* which far candidates are linked in any case: links.c */
	HNR_STEP_CHOOSE,			/* links */
	HNR_STEP_MEND,				/* lists that were taken over: mend.c */
	HNR_STEP_LIST,				/* who chose whom */
	HNR_STEP_JOIN,
	HNR_STEP_ROTATE,			/* for the pages: slots.c */
	HNR_STEP_FILL,
	HNR_STEP_END				/* workers go */
} HnrStep;

/* Candidates of members are changed under one of these, by number. */
#define HNR_WEAVE_LOCKS 1024

/* What all processes see; the leader changes it between steps. */
typedef struct HnrWeaveState
{
	Barrier		barrier;		/* odd phases: a step is under way */
	HnrStep		step;
	uint32		ntasks;
	pg_atomic_uint32 next_task;
	uint32		n;				/* members of the ground, or of a sample of it */
	bool		numbered;		/* all of the ground; else a sample, see node_of */
	uint32		nlisted;		/* of the members: the others are candidates and have none */
	uint32		sampling;		/* one member in so many is in samples */
	bool		joining;		/* near has links to be joined: see links.c */
	bool		marked;			/* links that are made in any case are marked */
	bool		mending;		/* links were taken over from an old index: mend.c */
	pg_atomic_uint32 unsound;	/* then: a node whose vector is none, or HNR_MEM_NONE */
	bool		sample;			/* only far candidates are looked for */
	int			partition;		/* counts on from sample to sample */
	int			nleaders;
	uint32		position;		/* of the first of a batch */
	uint32		first_position; /* of all; a multiple of what stands on a page */
	uint32		nnodes;			/* of the graph */
	int			tranche;		/* of these, by members: */
	LWLock		lock[HNR_WEAVE_LOCKS];
} HnrWeaveState;

/* Called now and then with the share of a step that is done. */
typedef void (*HnrStepProgress) (void *state, double done);

typedef struct HnrCells HnrCells;
typedef struct HnrLinks HnrLinks;
typedef struct HnrMender HnrMender;
typedef struct HnrTeam HnrTeam;

/*
 * A vertex's slots as an old index has them, but for the nodes that they lead to, which stand
 * in the place of block numbers; HNR_MEM_NONE: to none.
 */
typedef struct HnrOldSlots
{
	int			count;
	char		slot[FLEXIBLE_ARRAY_MEMBER];
} HnrOldSlots;

/* Reads those of a node. */
typedef void (*HnrReadOldSlots) (void *state, uint32 node, HnrOldSlots *old);

/* A process's view. */
typedef struct HnrWeave
{
	HnrMemGraph *graph;
	HnrWeaveState *state;
	HnrTeam    *team;			/* leader: NULL if alone */
	bool		locking;		/* others are at work as well */
	int			leaf;			/* the most members of a leaf */
	int			keep;			/* nearest members that a leaf gives each */
	int			most_near;		/* candidates that a member keeps */
	double		enough;			/* candidates new in a partition, a member's nearest m: 1 */
	HnrStepProgress progress;	/* leader only */
	void	   *progress_state;
	double		progress_from;	/* of the step, as shares of all */
	double		progress_share;
	HnrCells   *cells;			/* scratch */
	HnrLinks   *links;
	HnrMender  *mender;
	struct HnrSlotMaker *maker;
	uint32		batch;			/* nodes whose slots are made at a time */
	HnrReadOldSlots read_old;	/* leader only, where links were taken over */
	void	   *read_old_state;

	/* in the graph's arena, behind its own */
	HnrArray	node_of;		/* uint32: a member's node */
	HnrArray	near;			/* most_near HnrMemEdges each, nearest first; at last rotated
								 * vectors, where there is room */
	HnrArray	counts;			/* uint32: how many; at last places by node */
	HnrArray	far;			/* HnrFar, for one member in HNR_SAMPLED */
	HnrArray	nearest_leaders;	/* HNR_LEADERS uint32 each */
	HnrArray	assigned;		/* HNR_OVERLAP uint16 each: cells */
	HnrArray	members;		/* uint32, by cell; at last nodes by place */
	HnrArray	cell;			/* HnrCell */
	HnrArray	leaders;		/* uint32: members */
	HnrArray	from;			/* pg_atomic_uint64: see links.c */
	HnrArray	lists;			/* uint8, by node: HNR_LIST_..., of those taken over */
	HnrArray	slots;			/* see slots.c */
	HnrArray	old_slots;
	HnrArray	rotated;
} HnrWeave;

static inline uint32
hnr_weave_node(const HnrWeave *w, uint32 member)
{
	return w->state->numbered ? member : *(uint32 *) hnr_array_at(&w->node_of, member);
}

/* The one that has, of each `sampling` members. */
static inline uint32
hnr_weave_sampled(const HnrWeave *w, uint32 group)
{
	return group * w->state->sampling + (group * 0x9E3779B1U >> 16) % w->state->sampling;
}

/* A member's far candidates, or NULL: one member in `sampling` has some. */
static inline HnrFar *
hnr_weave_far(const HnrWeave *w, uint32 member)
{
	uint32		group = member / w->state->sampling;

	if (group >= w->state->nlisted / w->state->sampling || hnr_weave_sampled(w, group) != member)
		return NULL;
	return hnr_array_at(&w->far, group);
}

/*
 * Which of two is the nearer to a member.  Of equally near ones, it is another for each
 * member: were it the one with the lower number, all links on a grid would lead to low
 * numbers and none back.
 */
static inline bool
hnr_weave_nearer(const HnrMemEdge *a, const HnrMemEdge *b, uint32 member)
{
	if (a->distance != b->distance)
		return a->distance < b->distance;
	return (a->node ^ member) * 0x9E3779B1U < (b->node ^ member) * 0x9E3779B1U;
}

/* Sorts a short list, nearest first. */
static inline void
hnr_weave_sort(HnrMemEdge *edge, int n, uint32 member)
{
	for (int i = 1; i < n; i++)
	{
		HnrMemEdge	e = edge[i];
		int			j = i;

		for (; j > 0 && hnr_weave_nearer(&e, &edge[j - 1], member); j--)
			edge[j] = edge[j - 1];
		edge[j] = e;
	}
}

/* HNR_LIST_... of a node, of a graph that was taken over. */
static inline uint8 *
hnr_weave_list(const HnrWeave *w, uint32 node)
{
	return hnr_array_at(&w->lists, node);
}

/* Whether a member needs candidates. */
static inline bool
hnr_weave_wants(const HnrWeave *w, uint32 member)
{
	return !w->state->mending || !w->state->numbered ||
		(*hnr_weave_list(w, member) & (HNR_LIST_LOST | HNR_LIST_SHORT | HNR_LIST_ALONE)) != 0;
}

/* How far apart two vectors are, whatever the metric takes for near. */
extern float hnr_weave_separation(const HnrIndex *index, const float *a, const float *b);

/* Does a step of so many tasks with whoever is there; in the leader. */
extern void hnr_weave_step(HnrWeave *w, HnrStep step, uint32 ntasks, double share);

/* The same, but the leader does something else before it joins in. */
extern void hnr_weave_step_beside(HnrWeave *w, HnrStep step, uint32 ntasks, double share,
								  void (*beside) (HnrMemGraph *graph));

/* The same in two parts, between which the leader may do something else. */
extern void hnr_weave_begin_step(HnrWeave *w, HnrStep step, uint32 ntasks);
extern void hnr_weave_end_step(HnrWeave *w);

/* Does tasks of the present step until none is left. */
extern void hnr_weave_tasks(HnrWeave *w);

/* Finds candidates for all members; in the leader (partition.c).  And tasks. */
#define HNR_CELLS_TASK	512		/* members */
#define HNR_NO_CELL		PG_UINT16_MAX
extern void hnr_cells_run(HnrWeave *w, int most_partitions, double share);
extern void hnr_cells_assign(HnrWeave *w, uint32 task);
extern void hnr_cells_compare(HnrWeave *w, uint32 task);

/* Chooses n of count members (NULL: all) as leaders, one from each stretch of them. */
extern void hnr_cells_choose_leaders(const uint32 *members, uint32 count, int n, uint64 seed,
									 uint32 *leaders);

/*
 * Chooses links from them; likewise.  In two parts: which a member chooses, and of those
 * it chose and those who chose it, which it has.  Beside that, the leader does something else,
 * unless it is NULL, with other levels of the graph.
 */
extern void hnr_links_choose_all(HnrWeave *w, double share, void (*beside) (HnrMemGraph *graph));
extern void hnr_links_list_all(HnrWeave *w, double share);
extern void hnr_links_join_all(HnrWeave *w, double share);

/*
 * Where the lists to join come from elsewhere (stitch.c): how long each member's is, of
 * all members; then what is in it, in the end.
 */
extern void hnr_links_count(HnrWeave *w, uint32 member, uint32 n);
extern void hnr_links_begin_lists(HnrWeave *w);
extern void hnr_links_put(HnrWeave *w, uint32 member, HnrMemEdge chooser);

/* Whether two members are linked in any case. */
extern bool hnr_links_kept(const HnrWeave *w, uint32 a, uint32 b);

/*
 * Marks a link that is made in any case, with state->marked: in lists and where they stand
 * joined by member.
 */
#define HNR_LINK_KEPT	0x80000000U

/* Before lists are joined: nobody has chosen anybody; who is in a member's list was chosen by it. */
extern void hnr_links_begin_count(HnrWeave *w);
extern void hnr_links_count_list(HnrWeave *w, uint32 member);

extern void hnr_links_keep(HnrWeave *w, uint32 task);
extern void hnr_links_choose(HnrWeave *w, uint32 task);
extern void hnr_links_list(HnrWeave *w, uint32 task);
extern void hnr_links_join(HnrWeave *w, uint32 task);

/* Links that were taken over: see mend.h for the leader's part. */
extern void hnr_mend_measure_task(HnrWeave *w, uint32 task);
extern void hnr_mend_task(HnrWeave *w, uint32 task);

/* Slots: see slots.h for the leader's part. */
extern void hnr_slots_rotate(HnrWeave *w, uint32 task);
extern void hnr_slots_fill(HnrWeave *w, uint32 task);

#endif							/* HNR_WEAVING_H */
