/* user_agent_cache.h: what has been found out about user agents, by their text: the regular expressions never run twice for
 * one that is here.
 *
 * A site sees some thousands of user agents again and again. PARSE_USER_AGENT and IS_BOT share the cache of their thread: a
 * table with open addressing over XXH3 that holds each text with its answer, so a hit is one hash and one comparison, and
 * the JSON is not copied. When it is full the clock's hand goes round (second chance): what was asked for since its last
 * pass stays, the first that was not goes. What goes is freed with the arena of the batch, for a row of the batch may have
 * been given it.
 * Runs on: one thread. */
#ifndef TL_USER_AGENT_CACHE_H
#define TL_USER_AGENT_CACHE_H

#include "core/agent_text.h"
#include "core/user_agent.h"

enum {
    TL_USER_AGENT_CACHE_COUNT = 200000,
    TL_USER_AGENT_CACHE_BYTES = 64 << 20, /* of texts and answers */
};

struct tl_user_agent_answer {
    struct tl_sv json;
    bool is_bot;
};

struct tl_user_agent_cache {
    const struct tl_user_agents *agents; /* whose answers these are; NULL: none yet */
    struct tl_user_agent_scratch scratch;
    struct tl_user_agent_slot *slots; /* a power of two, at most half of them in use */
    uint32_t slots_count, count, hand;
    size_t bytes;
    uint32_t count_max;
    size_t bytes_max;
    uint64_t misses; /* texts that were parsed */
    bool as_sent;    /* a text is nothing but a text, and never JSON that holds one (agent_text.h) */
    struct tl_agent_text reader;
    /* What is kept of a text's JSON, where it is not the JSON itself; called once a text. */
    void (*dress)(struct tl_sv json, struct tl_sv text, struct tl_buf *out);
};

void *tl_user_agent_cache_open(void); /* a struct tl_user_agent_cache; NULL: out of memory */
void tl_user_agent_cache_close(void *cache);
/* The answer is good until the batch's arena ends. False: out of memory. */
TL_MUST_USE bool tl_user_agent_cache_find(struct tl_user_agent_cache *cache, const struct tl_user_agents *agents,
                                          struct tl_sv text, struct tl_arena *batch, struct tl_user_agent_answer *out);
/* The same where it need not be found out: false otherwise. For who must not wait for the regular expressions. */
bool tl_user_agent_cache_peek(const struct tl_user_agent_cache *cache, struct tl_sv text, struct tl_user_agent_answer *out);

#endif
