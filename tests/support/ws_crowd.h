/* ws_crowd.h: many clients of /api/v1/live in one loop, each with a table of its own that it makes of the messages, and a place in the stream with which it
 * comes back.
 *
 * Each message is held against what the client has: a seq that does not grow, a row that is told though it is there as it is, a deletion of what is not there, an
 * `old` that is not what was shown, a correction without a cause: the first that is wrong is kept in words, and the crowd goes on.
 *
 * Some clients leave by themselves and come back, some stay away for long, some read little at a time.
 * Runs on: a thread of its own from open to close. */
#ifndef TL_TEST_WS_CROWD_H
#define TL_TEST_WS_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ws_crowd;

/* How a client reads, until the crowd settles. */
enum ws_crowd_reading {
    WS_CROWD_MIXED, /* as said above, by turns */
    WS_CROWD_READS,
    WS_CROWD_READS_NOTHING, /* behind its subscription */
    WS_CROWD_READS_A_BYTE,  /* in a second */
    WS_CROWD_STOPS,         /* in the middle of its first frame */
    WS_CROWD_READS_SLOWLY,  /* 4 kB in a second */
    WS_CROWD_READS_IN_TIME, /* 25 kB */
};

/* What one client wants; the clients have them in turn. */
struct ws_crowd_wish {
    const char *view;
    const char *where; /* host:eq:a; NULL: all */
    enum ws_crowd_reading reading;
    bool own_id; /* each of its clients has another: no frame is another's too */
};

enum { WS_CROWD_CAUSES = 3 };
extern const char *const ws_crowd_causes[WS_CROWD_CAUSES]; /* late_event, publication, rollback */

struct ws_crowd_counts {
    long connections, resumed; /* those that came back with a place */
    long closes, too_slow;     /* by serve; with 1013 */
    long messages, snapshots, resyncs, upserts, deletions, events, published, corrections[WS_CROWD_CAUSES];
};

struct ws_crowd *ws_crowd_open(const struct ws_crowd_wish *wishes, size_t wishes_count, size_t clients, uint64_t seed);
/* Where they find serve from now on; 0: nowhere. */
void ws_crowd_port(struct ws_crowd *crowd, uint16_t port);
/* Do all come and stay from now on, and read what there is? */
void ws_crowd_settle(struct ws_crowd *crowd);
/* How many clients have had a snapshot. */
size_t ws_crowd_here(struct ws_crowd *crowd);
/* How many clients of that wish have another table than the rows, which are JSON texts, one a line. */
size_t ws_crowd_differing(struct ws_crowd *crowd, size_t wish, const char *rows);
/* How many messages the clients of that wish have got. */
long ws_crowd_messages(struct ws_crowd *crowd, size_t wish);
/* Fails the test where a message was wrong; `said` is for the message. */
void ws_crowd_check(struct ws_crowd *crowd, const char *said);
struct ws_crowd_counts ws_crowd_counts(struct ws_crowd *crowd);
void ws_crowd_close(struct ws_crowd *crowd);

#endif
