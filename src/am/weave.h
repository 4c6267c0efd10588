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

/* Bytes that it needs beside the graph, a node; and a process, however many. */
extern Size hnr_weave_memory(const HnrIndex *index);
extern Size hnr_weave_process_memory(const HnrIndex *index);

#endif							/* HNR_WEAVE_H */
