/*-------------------------------------------------------------------------
 *
 * weave.h
 *		Making the graph in memory when all its rows are there.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_WEAVE_H
#define HNR_WEAVE_H

#include "am/weaving.h"

/* Takes what it needs beside the graph, in its arena. */
extern HnrWeave *hnr_weave_create(HnrMemGraph *graph);

/* The same in another process, where the graph is attached. */
extern HnrWeave *hnr_weave_attach(HnrMemGraph *graph, HnrWeaveState *state);

/* Links all nodes at all levels and sets the graph's entry point. */
extern void hnr_weave_run(HnrWeave *w);

/*
 * For a part of a larger graph (shards.c).  The first nodes choose links, to all nodes, at
 * the ground; one in `sampling` of them is in samples, or (1) all are, and nothing else is
 * wanted of them.  Choosing: beside that, the leader does something else, as hnr_links_choose_all has it.
 */
extern HnrWeave *hnr_weave_create_part(HnrMemGraph *graph, uint32 nlisted, uint32 sampling);
extern void hnr_weave_choose(HnrWeave *w, void (*beside) (HnrMemGraph *graph));

/* Then there are only far candidates, in w->far; and what that takes, a node. */
extern void hnr_weave_run_samples(HnrWeave *w);
extern Size hnr_weave_sample_memory(void);

/*
 * For a graph whose links were taken over (mend.c).  `beside` bytes are in use beside the graph.
 * Then candidates: far ones, without those of the `least` largest samples, and the nearest that
 * one partition finds of each node that wants any, nearest first.
 */
extern HnrWeave *hnr_weave_create_mending(HnrMemGraph *graph, Size beside);
extern void hnr_weave_run_candidates(HnrWeave *w, int least, double share);
extern const HnrMemEdge *hnr_weave_near(const HnrWeave *w, uint32 node, int *n);

/* Bytes that this needs beside the graph, a node. */
extern Size hnr_weave_mending_memory(const HnrIndex *index);

/*
 * And for joining what was chosen, nlinks by or for the first nodes, which w->near takes,
 * one after the other, by node; w->from tells where each node's end.
 */
extern HnrWeave *hnr_weave_create_join(HnrMemGraph *graph, uint32 nlisted, uint64 nlinks);

/* Bytes that it needs beside the graph, a node; and a process, however many. */
extern Size hnr_weave_memory(const HnrIndex *index);
extern Size hnr_weave_process_memory(const HnrIndex *index);

#endif							/* HNR_WEAVE_H */
