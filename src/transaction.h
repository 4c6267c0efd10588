/*-------------------------------------------------------------------------
 *
 * transaction.h
 *		Transactions of background processes.
 *
 *-------------------------------------------------------------------------
 */
#ifndef HNR_TRANSACTION_H
#define HNR_TRANSACTION_H

#include "access/xact.h"

/*
 * As StartTransactionCommand, in a process to which no client sends statements: now() and
 * pg_stat_activity.xact_start are those of the transaction, not of the process.
 */
static inline void
hnr_start_transaction(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
}

#endif							/* HNR_TRANSACTION_H */
