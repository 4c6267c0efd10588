/*-------------------------------------------------------------------------
 *
 * options.h
 *		Storage parameters of an hnsw index.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_OPTIONS_H
#define HNR_OPTIONS_H

/* amoptions */
extern bytea *hnr_options_parse(Datum reloptions, bool validate);

/* Whether reloptions, as pg_class has them, say deferred. */
extern bool hnr_options_deferred(Datum reloptions);

/* Registers the kind and its parameters. */
extern void hnr_options_init(void);

#endif							/* HNR_OPTIONS_H */
