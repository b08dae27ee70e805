/* hangup.h: SIGHUP: somebody wants what stands in files, a certificate, read anew. A command that stays looks here once in a while. */
#ifndef TL_HANGUP_H
#define TL_HANGUP_H

#include <stdbool.h>

void tl_hangup_install(void);
/* Once for each signal, or for several that came together. */
bool tl_hangup_taken(void);

#endif
