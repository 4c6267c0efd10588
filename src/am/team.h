/*-------------------------------------------------------------------------
 *
 * team.h
 *		Processes that make a graph together.
 *
 * The leader has the rows and the index; parallel workers only compute, on the graph in
 * shared memory.  They touch no relation and run no code of a user.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TEAM_H
#define HNR_TEAM_H

#include "am/weaving.h"

/*
 * How many workers to ask for, for a build over a table of about so many rows; in the
 * manner of the server's own index builds.
 */
extern int	hnr_team_size(Relation heap, double rows);

/*
 * Starts up to so many workers for a graph in shared memory; fewer, or none, where the
 * server has no more.  NULL: the leader is alone.  From here to hnr_team_end the leader
 * is in parallel mode.
 */
extern HnrTeam *hnr_team_start(HnrWeave *w, int nworkers);
extern void hnr_team_end(HnrTeam *team, HnrWeave *w);

/* Warns that shared memory was short, with what the server said: this process goes on alone. */
extern void hnr_team_complain(Relation rel, const char *problem);

/* Lets the others begin the present step; waits until all have done it. */
extern void hnr_team_begin_step(HnrWeave *w);
extern void hnr_team_end_step(HnrWeave *w);

#endif							/* HNR_TEAM_H */
