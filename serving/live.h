/* live.h: who listens to which rows: subscriptions, the messages of /api/v1/live, and how much a client may leave waiting.
 *
 * Is:      the protocol. What has changed comes from changes.h; a message is made once for all who listen to the same, and handed over as shared bytes.
 * Is not:  a connection: frames go to the caller's calls (live_http.c).
 * Runs on: the thread that opened it, which calls tl_live_turn whenever tl_live_wait returns.
 *
 * Client to server, JSON texts:
 *   {"type":"subscribe","id":"a","view":"hits_5m","where":["host:eq:a.example"],"from":"2026-11-27T06:00:00Z","last":60,"since":123}
 *       id: the client's own name for it, of at most 64 bytes. from: windows that end later. last: of the snapshot the newest rows alone, so many. since:
 *       the seq up to which it knows the view, from a connection before; then no snapshot comes but what it has missed. All but view may be left out
 *   {"type":"unsubscribe","id":"a"}    {"type":"ping"}
 * Server to client; seq is the view's (changes.h), and the number to come back with:
 *   snapshot  {"type","id","view","seq","columns":[...],"rows":[...],"truncated":bool,"from":time|null,"boundary","freshness":{...}}
 *   changes   {"type","id","view","seq","rows":[{"op","key":{...},"old","row","cause","run"}],"published":[{"from","to","run","undone"}],"boundary","final_to"}
 *             op upsert: the row is new, or the window is open and has grown. delete: it is no more. correct: a number that was shown as one of a window
 *             that had ended is another one now, `row` null where it is gone, with old, cause and (where batch has to do with it) run. Deletions come first.
 *             A row that comes into the filter is an upsert, one that leaves it a delete, or a correction
 *             published: what lies before `from` is not told row by row: ask the API for it
 *   events    the same of a view without windows: rows are new events
 *   status    {"type","id","view","boundary","freshness"}, or {"type","stale":bool}: the store is away, or back
 *   resync    {"type","id","view","reason"}: a snapshot follows
 *   error     {"type","id","status","title","detail","allowed":[...]}    pong
 * Of server-sent events there is one subscription: a client whose first is refused gets a problem in place of messages, and when it ends so does the stream.
 * A row has its columns, "_id" (opaque, the same for the same row as long as serve keeps its file; events have _partition, _offset, _row instead),
 * "_layer" and "_final" as of when it was sent: as time goes on a row is final where its window ends at or before final_to. The key is the window, the
 * key columns, and that id.
 *
 * Back-pressure: a client that has more than backlog_bytes_max waiting is sent nothing more until it has taken half; then it gets in one message what has come
 * together: each row once. Nothing is kept for it meanwhile but a number, for the journal has it all. One that lags for longer than lagging_ms, or takes less
 * than least_bytes of what waits for it in that time, is cut off with 1013. What is made for clients one by one, snapshots above all, has a limit over all of them
 * (made_bytes_max): who comes beyond it has his turn when others have taken theirs. */
#ifndef TL_LIVE_H
#define TL_LIVE_H

#include "base/blob.h"
#include "changes.h"

struct tl_live;
struct tl_live_client;

enum tl_live_kind { TL_LIVE_WEBSOCKET, TL_LIVE_SSE, TL_LIVE_KINDS };

/* Durations are taken by a clock that nobody sets. */
struct tl_live_now {
    int64_t wall_ms, monotonic_ms;
};

struct tl_live_limits {
    size_t backlog_bytes_max;
    int64_t lagging_ms;
    size_t subscriptions_max; /* of one client */
    int64_t rows_max;         /* of a snapshot */
    size_t
        snapshot_bytes_max; /* then it is truncated: what waits for a client that does not read is at most that and its backlog */
    size_t snapshots_bytes_max; /* kept for who asks for the same next, all together; others are made anew */
    /* Who comes back is told each change for itself while what he has missed, as the journal has it, is no more than that; else all in one, each row once.
     * Rows of views without windows do not grow less by that, and are told as they came. */
    int64_t replay_bytes_max;
    /* Made for clients one by one, and not gone yet, over all of them; what several share counts once, and what is kept too. Beyond it they wait for their
     * turn. More than snapshots_bytes_max. */
    size_t made_bytes_max;
    int64_t least_bytes; /* of what waits for a client, or all of that, to be taken in lagging_ms */
    int64_t linger_ms;   /* how long a view stays live when nobody listens any more */
};
struct tl_live_limits tl_live_usual_limits(void);

/* On the same thread, within calls to live. `client` is what came with tl_live_join. */
struct tl_live_calls {
    /* A message as it goes over connections of that kind; NULL: out of memory. seq < 0: it has none. */
    struct tl_blob *(*frame)(enum tl_live_kind kind, int64_t seq, struct tl_sv text);
    void (*send)(void *client, struct tl_blob *frame);                 /* holds it as long as need be */
    size_t (*backlog)(void *client);                                   /* bytes that wait for the client */
    void (*end)(void *client, unsigned code, const char *reason);      /* tl_live_leave follows, later */
    void (*refuse)(void *client, int status, struct tl_blob *problem); /* so it ends, before it was sent anything; holds it */
    int64_t (*clock_ms)(void);                                         /* monotonic: how long a turn has been at it */
};

/* Now: clients to journal_bytes. Since it was opened: the rest. */
struct tl_live_figures {
    uint64_t clients[TL_LIVE_KINDS], lagging, subscriptions, views, journal_bytes;
    uint64_t messages, bytes, cut_off;
};

/* Borrows the changes. */
TL_MUST_USE enum tl_code tl_live_open(struct tl_changes *changes, const struct tl_live_limits *limits,
                                      const struct tl_live_calls *calls, struct tl_live **out, struct tl_err *err);
void tl_live_close(struct tl_live *live);

/* NULL: out of memory. */
struct tl_live_client *tl_live_join(struct tl_live *live, enum tl_live_kind kind, void *client);
void tl_live_leave(struct tl_live *live, struct tl_live_client *client);
/* A message of the client's. */
void tl_live_take(struct tl_live *live, struct tl_live_client *client, struct tl_sv text, struct tl_live_now now);

/* A look where `changed`, and frames for all who are to have some. On failure the store is away: the clients are told, who comes gets what was shown last, and it is
 * tried again. What fails for one client alone ends that one, with 1011. */
TL_MUST_USE enum tl_code tl_live_turn(struct tl_live *live, bool changed, struct tl_live_now now, struct tl_err *err);
/* How long nothing need be done if nothing happens. */
int64_t tl_live_pause_ms(const struct tl_live *live);
/* As of the last turn. */
struct tl_live_figures tl_live_figures(const struct tl_live *live);

#endif
