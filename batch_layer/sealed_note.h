/* sealed_note.h: events that come for sealed days go into the ledger.
 *
 * Such an event is counted by nobody: for every view it has a line in the ledger of the run that published its range, cause sealed_day, and is late
 * among the outcomes there. It is not asked whether the view would have wanted it. */
#ifndef TL_SEALED_NOTE_H
#define TL_SEALED_NOTE_H

#include "scope.h"

/* Puts into the ledgers what is on record for sealed days and no run of the view has seen. Own transactions, short; doing it twice adds nothing. *count: events. A damaged file
 * that may have such is marked: keeps_sealed. */
TL_MUST_USE enum tl_code tl_sealed_note(const struct tl_scope *scope, uint64_t *count, struct tl_err *err);

#endif
