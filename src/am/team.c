/*-------------------------------------------------------------------------
 *
 * team.c
 *		Processes that make a graph together.  See team.h.
 *
 * All meet at a barrier before and after each step: in its odd phases they do tasks, in
 * the even ones the leader prepares the next step.  A worker joins whenever it comes, and
 * nobody waits for one that does not.  An error in a worker reaches the leader while it
 * waits at the barrier; an error in the leader ends the workers with its transaction.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "am/team.h"
#include "am/weave.h"
#include "debug_point.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "throttle.h"
#include "utils/guc.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PGDLLEXPORT void hnr_team_worker_main(dsm_segment *segment, shm_toc *toc);

#define KEY_TEAM	UINT64CONST(1)
#define KEY_MAP		UINT64CONST(2)

/* Below this workers take longer to start than they save. */
#define LEAST_ROWS	10000

/* What maintenance_work_mem (kB) has to have for each process, as in the server. */
#define PROCESS_KB	32768

/* Room for the workers' queues and state, for which memory is looked for in advance. */
#define ROOM_FOR_WORKERS ((Size) 1024 * 1024)

/* The locks' name among wait events. */
#define TRANCHE "HnswBuild"

typedef struct TeamShared
{
	HnrWeaveState state;
	HnrMetaPage meta;
	bool		background;
} TeamShared;

struct HnrTeam
{
	ParallelContext *context;
	TeamShared *shared;
};

int
hnr_team_size(Relation heap, double rows)
{
	int			n = RelationGetParallelWorkers(heap, -1);

	/* the server needs a snapshot to start them */
	if (IsInParallelMode() || !ActiveSnapshotSet() ||
		heap->rd_rel->relpersistence == RELPERSISTENCE_TEMP || !IsUnderPostmaster)
		return 0;
	if (n < 0)
		n = rows < LEAST_ROWS ? 0 : max_parallel_maintenance_workers;
	n = Min(n, max_parallel_maintenance_workers);
	while (n > 0 && maintenance_work_mem / (n + 1) < PROCESS_KB && !HNR_DEBUG_FAULT("build_any_memory"))
		n--;
	return n;
}

/* Shares the state, and the map of the graph's memory. */
static TeamShared *
share(ParallelContext *context, HnrWeave *w, Size map_size)
{
	static int	tranche = 0;
	TeamShared *shared = shm_toc_allocate(context->toc, sizeof(TeamShared));
	char	   *map = shm_toc_allocate(context->toc, map_size);

	/* the server keeps every number for ever: one will do for all builds of a process */
	if (tranche == 0)
		tranche = LWLockNewTrancheId();
	memset(shared, 0, sizeof(TeamShared));
	shared->state = *w->state;
	shared->state.nnodes = w->graph->nnodes;
	pg_atomic_init_u32(&shared->state.next_task, 0);
	BarrierInit(&shared->state.barrier, 0);
	/* before anybody else, who would run through the phases alone */
	BarrierAttach(&shared->state.barrier);
	shared->state.tranche = tranche;
	for (int i = 0; i < HNR_WEAVE_LOCKS; i++)
		LWLockInitialize(&shared->state.lock[i], tranche);
	LWLockRegisterTranche(tranche, TRANCHE);
	shared->meta = w->graph->index->meta;
	shared->background = hnr_background;
	hnr_arena_write_map(w->graph->arena, map);
	shm_toc_insert(context->toc, KEY_TEAM, shared);
	shm_toc_insert(context->toc, KEY_MAP, map);
	return shared;
}

static void
leave(ParallelContext *context)
{
	DestroyParallelContext(context);
	ExitParallelMode();
}

HnrTeam *
hnr_team_start(HnrWeave *w, int nworkers)
{
	HnrArena   *arena = w->graph->arena;
	HnrTeam    *team = palloc(sizeof(HnrTeam));
	ParallelContext *context;
	Size		map_size = hnr_arena_map_size(arena);

	if (nworkers == 0 || !hnr_arena_has_room(arena, map_size + ROOM_FOR_WORKERS))
		return NULL;
	EnterParallelMode();
	context = CreateParallelContext("$libdir/hnsw_rebuild", "hnr_team_worker_main", nworkers);
	shm_toc_estimate_chunk(&context->estimator, sizeof(TeamShared));
	shm_toc_estimate_chunk(&context->estimator, map_size);
	shm_toc_estimate_keys(&context->estimator, 2);
	InitializeParallelDSM(context);
	if (context->seg == NULL)
	{
		leave(context);
		return NULL;
	}
	team->context = context;
	team->shared = share(context, w, map_size);
	LaunchParallelWorkers(context);
	if (context->nworkers_launched == 0)
	{
		leave(context);
		return NULL;
	}
	ereport(DEBUG1,
			(errmsg_internal("hnsw graph is made with %d parallel workers",
							 context->nworkers_launched)));
	w->state = &team->shared->state;
	w->team = team;
	w->locking = true;
	return team;
}

void
hnr_team_end(HnrTeam *team, HnrWeave *w)
{
	w->state->step = HNR_STEP_END;
	BarrierArriveAndWait(&w->state->barrier, PG_WAIT_EXTENSION);
	WaitForParallelWorkersToFinish(team->context);
	w->state = NULL;
	leave(team->context);
	pfree(team);
}

void
hnr_team_complain(Relation rel, const char *problem)
{
	ereport(WARNING,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("building index \"%s\" without parallel workers, for lack of shared memory",
					RelationGetRelationName(rel)),
			 errdetail_internal("%s", problem),
			 errhint("Give the server more room in /dev/shm (docker run --shm-size), set dynamic_shared_memory_type to mmap, or max_parallel_maintenance_workers to 0.")));
}

void
hnr_team_begin_step(HnrWeave *w)
{
	BarrierArriveAndWait(&w->state->barrier, PG_WAIT_EXTENSION);
}

void
hnr_team_end_step(HnrWeave *w)
{
	BarrierArriveAndWait(&w->state->barrier, PG_WAIT_EXTENSION);
}

/* What a worker needs to know of the index. */
static HnrIndex *
make_index(const TeamShared *shared)
{
	HnrIndex   *index = palloc0(sizeof(HnrIndex));

	index->meta = shared->meta;
	index->metric = hnr_metric_find(shared->meta.element, shared->meta.metric);
	if (!hnr_layout_compute(&index->layout, &index->meta))
		elog(ERROR, "unexpected layout");
	index->codec = hnr_codec_create(index->metric, &index->layout, index->meta.seed);
	return index;
}

void
hnr_team_worker_main(dsm_segment *segment, shm_toc *toc)
{
	TeamShared *shared = shm_toc_lookup(toc, KEY_TEAM, false);
	HnrArena   *arena = hnr_arena_attach(shm_toc_lookup(toc, KEY_MAP, false));
	HnrWeave   *w = hnr_weave_attach(hnr_mem_graph_attach(make_index(shared), arena),
									 &shared->state);
	Barrier    *barrier = &shared->state.barrier;

	LWLockRegisterTranche(shared->state.tranche, TRANCHE);
	HNR_DEBUG_POINT("build_worker");
	if (shared->background)
		hnr_background_begin();
	/* who comes while a step is under way, takes part in it */
	if (BarrierAttach(barrier) % 2 == 0)
		BarrierArriveAndWait(barrier, PG_WAIT_EXTENSION);
	while (w->state->step != HNR_STEP_END)
	{
		hnr_weave_tasks(w);
		BarrierArriveAndWait(barrier, PG_WAIT_EXTENSION);
		BarrierArriveAndWait(barrier, PG_WAIT_EXTENSION);
	}
	BarrierDetach(barrier);
	hnr_arena_free(arena);
}
