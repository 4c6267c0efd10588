/*-------------------------------------------------------------------------
 *
 * attempt.h
 *		A step that needs locks others hold, for as long as anybody may be made to wait.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_ATTEMPT_H
#define HNR_ATTEMPT_H

/*
 * Outside a transaction: takes the step in one of its own, and returns what it does.  False,
 * and nothing has happened, where a lock was not to be had within LockTimeout, which the step
 * sets, or only by a deadlock.  All other errors are thrown on, in the transaction; so are
 * these where somebody wants the table from us, or the worker was told to stop.
 *
 * Session locks stay.  The report of progress, where there is one, has ended after a step that
 * failed.
 */
extern bool hnr_attempt(bool (*step) (void *arg), void *arg);

#endif							/* HNR_ATTEMPT_H */
