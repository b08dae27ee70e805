/* user_agent_cache.c: a table of user agents and what they are. See user_agent_cache.h. */
#include "core/user_agent_cache.h"

#include <stdlib.h>
#include <string.h>

#include "base/table.h"

enum { SLOTS_MIN = 16 };

/* The text, and behind it the JSON. */
struct entry {
    uint32_t text_size, json_size;
    bool is_bot;
    bool is_hot; /* asked for since the hand last came by */
    char bytes[];
};

struct tl_user_agent_slot {
    uint64_t hash;
    struct entry *entry; /* NULL: free */
};

static size_t entry_bytes(const struct entry *e)
{
    return sizeof *e + e->text_size + e->json_size;
}

static struct tl_user_agent_answer answer_of(const struct entry *e)
{
    return (struct tl_user_agent_answer){
        {e->bytes + e->text_size, e->json_size},
        e->is_bot
    };
}

void *tl_user_agent_cache_open(void)
{
    struct tl_user_agent_cache *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        return NULL;
    cache->count_max = TL_USER_AGENT_CACHE_COUNT;
    cache->bytes_max = TL_USER_AGENT_CACHE_BYTES;
    return cache;
}

void tl_user_agent_cache_close(void *cache)
{
    struct tl_user_agent_cache *c = cache;

    for (uint32_t i = 0; i < c->slots_count; i++)
        free(c->slots[i].entry);
    free(c->slots);
    tl_user_agent_scratch_done(&c->scratch);
    tl_agent_text_done(&c->reader);
    free(c);
}

/* --- the answer ----------------------------------------------------------------------------------------------------------- */

static void put_field(struct tl_buf *out, const char *before, struct tl_sv value)
{
    tl_buf_put_str(out, before);
    if (value.data != NULL)
        tl_buf_put_json(out, value);
    else
        tl_buf_put_str(out, "null");
}

static void put_json(struct tl_buf *out, const struct tl_user_agent *agent)
{
    put_field(out, "{\"family\":", agent->family);
    put_field(out, ",\"major\":", agent->major);
    put_field(out, ",\"minor\":", agent->minor);
    put_field(out, ",\"patch\":", agent->patch);
    put_field(out, ",\"os\":{\"family\":", agent->os.family);
    put_field(out, ",\"major\":", agent->os.major);
    put_field(out, ",\"minor\":", agent->os.minor);
    put_field(out, ",\"patch\":", agent->os.patch);
    put_field(out, ",\"patch_minor\":", agent->os.patch_minor);
    put_field(out, "},\"device\":{\"family\":", agent->device.family);
    put_field(out, ",\"brand\":", agent->device.brand);
    put_field(out, ",\"model\":", agent->device.model);
    tl_buf_put_str(out, "}}");
}

static struct entry *entry_make(struct tl_user_agent_cache *c, struct tl_sv text)
{
    struct tl_user_agent agent;
    struct tl_sv subject = text;
    struct entry *e = NULL;
    struct tl_buf json, dressed;

    tl_buf_init(&json, 0);
    tl_buf_init(&dressed, 0);
    if ((!c->as_sent && !tl_agent_text_find(&c->reader, text, &subject)) ||
        !tl_user_agent_parse(c->agents, &c->scratch, subject, &agent))
        return NULL;
    put_json(&json, &agent);
    if (c->dress != NULL && !json.failed) {
        c->dress(tl_buf_sv(&json), text, &dressed);
        tl_buf_done(&json);
        json = dressed;
    }
    if (!json.failed)
        e = malloc(sizeof *e + text.size + json.size);
    if (e != NULL) {
        *e = (struct entry){(uint32_t)text.size, (uint32_t)json.size, agent.is_bot, false};
        if (text.size > 0)
            memcpy(e->bytes, text.data, text.size);
        memcpy(e->bytes + text.size, json.data, json.size);
        c->misses++;
    }
    tl_buf_done(&json);
    return e;
}

/* --- the table ------------------------------------------------------------------------------------------------------------ */

/* Where the text is, or where it belongs. */
static uint32_t slot_of(const struct tl_user_agent_cache *c, uint64_t hash, struct tl_sv text)
{
    const uint32_t mask = c->slots_count - 1;
    uint32_t i = (uint32_t)hash & mask;

    for (; c->slots[i].entry != NULL; i = (i + 1) & mask) {
        const struct entry *e = c->slots[i].entry;

        if (c->slots[i].hash == hash && e->text_size == text.size && memcmp(e->bytes, text.data, text.size) == 0)
            break;
    }
    return i;
}

static bool grow(struct tl_user_agent_cache *c)
{
    struct tl_user_agent_slot *before = c->slots;
    const uint32_t before_count = c->slots_count, slots_count = before_count == 0 ? SLOTS_MIN : before_count * 2;
    struct tl_user_agent_slot *slots = calloc(slots_count, sizeof *slots);

    if (slots == NULL)
        return false;
    c->slots = slots;
    c->slots_count = slots_count;
    for (uint32_t i = 0; i < before_count; i++) {
        const struct entry *e = before[i].entry;

        if (e != NULL)
            slots[slot_of(c, before[i].hash, (struct tl_sv){e->bytes, e->text_size})] = before[i];
    }
    free(before);
    return true;
}

/* Those behind that would no longer be found move up. */
static void slot_free(struct tl_user_agent_cache *c, uint32_t hole)
{
    const uint32_t mask = c->slots_count - 1;

    for (uint32_t i = (hole + 1) & mask; c->slots[i].entry != NULL; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)c->slots[i].hash & mask;

        if (((i - home) & mask) >= ((i - hole) & mask)) {
            c->slots[hole] = c->slots[i];
            hole = i;
        }
    }
    c->slots[hole].entry = NULL;
}

/* The first from the hand on that is not hot goes; those before it cool down. */
static bool evict(struct tl_user_agent_cache *c, struct tl_arena *batch)
{
    struct entry *e;

    for (;; c->hand = (c->hand + 1) & (c->slots_count - 1)) {
        e = c->slots[c->hand].entry;
        if (e != NULL && !e->is_hot)
            break;
        if (e != NULL)
            e->is_hot = false;
    }
    if (!tl_arena_on_end(batch, free, e))
        return false;
    c->bytes -= entry_bytes(e);
    c->count--;
    slot_free(c, c->hand);
    return true;
}

static bool put(struct tl_user_agent_cache *c, uint64_t hash, struct entry *e, struct tl_arena *batch)
{
    while (c->count > 0 && (c->count >= c->count_max || c->bytes + entry_bytes(e) > c->bytes_max))
        if (!evict(c, batch))
            return false;
    if (c->count >= c->slots_count / 2 && !grow(c))
        return false;
    c->slots[slot_of(c, hash, (struct tl_sv){e->bytes, e->text_size})] = (struct tl_user_agent_slot){hash, e};
    c->bytes += entry_bytes(e);
    c->count++;
    return true;
}

/* What counts of a text. */
static struct tl_sv beginning(struct tl_sv text)
{
    return text.size == 0 ? TL_SV("")
                          : (struct tl_sv){text.data, text.size > TL_USER_AGENT_BYTES_MAX ? TL_USER_AGENT_BYTES_MAX : text.size};
}

bool tl_user_agent_cache_peek(const struct tl_user_agent_cache *cache, struct tl_sv text, struct tl_user_agent_answer *out)
{
    struct entry *e;

    if (cache->agents == NULL)
        return false;
    text = beginning(text);
    e = cache->slots[slot_of(cache, tl_hash_bytes(text), text)].entry;
    if (e == NULL)
        return false;
    e->is_hot = true;
    *out = answer_of(e);
    return true;
}

bool tl_user_agent_cache_find(struct tl_user_agent_cache *cache, const struct tl_user_agents *agents, struct tl_sv text,
                              struct tl_arena *batch, struct tl_user_agent_answer *out)
{
    struct entry *e;
    uint64_t hash;

    assert(cache->agents == NULL || cache->agents == agents);
    if (cache->agents == NULL) {
        if (!tl_user_agent_scratch_init(&cache->scratch, agents) || !grow(cache))
            return false;
        cache->agents = agents;
    }
    /* What is cut off may be the text itself. */
    if (text.size > TL_USER_AGENT_BYTES_MAX && !cache->as_sent && !tl_agent_text_find(&cache->reader, text, &text))
        return false;
    text = beginning(text);
    hash = tl_hash_bytes(text);
    e = cache->slots[slot_of(cache, hash, text)].entry;
    if (e != NULL) {
        e->is_hot = true;
    } else {
        e = entry_make(cache, text);
        if (e == NULL)
            return false;
        if (!put(cache, hash, e, batch)) {
            free(e);
            return false;
        }
    }
    *out = answer_of(e);
    return true;
}
