/*-------------------------------------------------------------------------
 *
 * sound.h
 *		Whether what a vertex holds can be right: its vector, in itself, and its codes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_SOUND_H
#define HNR_SOUND_H

#include "am/codec.h"
#include "am/store_mem.h"

/* What is wrong about a vector, stored with a scale; NULL: nothing. */
extern const char *hnr_sound_vector(const HnrIndex *index, const float *vec, HnrScale stored);

/* Whether rounding can have cost such a vector what its vertex says. */
extern bool hnr_sound_rounding(const HnrIndex *index, const float *vec, HnrScale scale, float error);

/* Whether a slot of the vertex `at` that leads to another says what the vectors say. */
extern bool hnr_sound_code(HnrCodec *codec, const HnrSlot *slot, HnrCodecPoint at,
						   HnrCodecPoint there);

/* Slots of some vertices, to be looked at when all vectors are there. */
typedef struct HnrCodeSample HnrCodeSample;

/* About n of so many vertices; none where slots have no codes. */
extern HnrCodeSample *hnr_code_sample_create(const HnrIndex *index, uint32 vertices, int n);

/* Whether a slot of the next vertex shall be added: one between two nodes of a graph. */
extern bool hnr_code_sample_wants(HnrCodeSample *s);
extern void hnr_code_sample_add(HnrCodeSample *s, uint32 from, uint32 to, const HnrSlot *slot);

/* The first node that has a wrong one; HNR_MEM_NONE: there is none. */
extern uint32 hnr_code_sample_check(HnrCodeSample *s, const HnrMemGraph *graph);

#endif							/* HNR_SOUND_H */
