/* traffic.c: writes the traffic log of a made-up company: people, crawlers, and what goes wrong on the way to a log.
 *
 * traffic --seed 1 --events 100000 --days 2 > traffic.jsonl
 *
 * Is:      a simulation. People arrive by the hour of the day, look at pages, follow links and fetch what a page needs; crawlers
 *          walk steadily. Each request becomes one line of JSON, and the lines leave in the order in which they arrive: mostly
 *          a few seconds out of order, some minutes late, some twice, a few broken.
 * Is not:  random from run to run. Every choice comes from one generator of numbers, from integers alone (no libm, no locale,
 *          no rand()), so a seed gives the same bytes on every machine.
 *
 * Lines that are exact copies have the same bytes; copies that were sent again by the browser carry "attempt":2, so that an
 * import that deals lines to partitions by their bytes puts them elsewhere. The future ones stand in the year 2099. --summary says
 * how many of each there are: a test's expectation that does not come from the program under test.
 *
 * This file uses nothing of common/: what tests the parser of times must not write them with it. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

enum {
    LINE_BYTES_MAX = 1600, /* the longest line is about 1,000 bytes */
    HOURS_MAX = 24 * 4000,
    ASSETS_MAX = 7,
    REQUESTS_PER_SESSION = 11, /* measured over 10^6 lines: 10.6; only the shape of the daily rhythm depends on it */
};

/* ---- numbers ----------------------------------------------------------------------------------------------------------- */

struct rng {
    uint64_t state;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* splitmix64 */
static uint64_t rng_next(struct rng *rng)
{
    rng->state += UINT64_C(0x9e3779b97f4a7c15);
    return mix(rng->state);
}

/* 0 .. n-1; the bias of the multiplication is below n / 2^32. */
static uint32_t rng_below(struct rng *rng, uint32_t n)
{
    return (uint32_t)(((rng_next(rng) >> 32) * n) >> 32);
}

static bool rng_chance(struct rng *rng, uint32_t per_million)
{
    return rng_below(rng, 1000000) < per_million;
}

/* Exponential with mean 1, as a multiple of 1/256: -log2 of a uniform number, its fraction taken as straight between powers
 * of two, times ln 2. Integers give the same on every machine. */
static uint32_t rng_exponential_q8(struct rng *rng)
{
    uint64_t u = rng_next(rng) | 1;
    uint32_t zeros = (uint32_t)__builtin_clzll(u);
    uint32_t fraction = (uint32_t)((u << zeros) >> 55) & 0xff;
    uint32_t log2_q8 = (zeros + 1) * 256 - fraction;

    return (uint32_t)((uint64_t)log2_q8 * 177 / 256);
}

static int64_t rng_exponential(struct rng *rng, int64_t mean)
{
    return mean * (int64_t)rng_exponential_q8(rng) / 256;
}

/* 0 .. n-1, small numbers far more often: what is popular. */
static uint32_t skew(uint64_t random, uint32_t n)
{
    uint64_t r = random >> 48; /* 16 bits */

    return (uint32_t)((((r * r) >> 16) * r >> 16) * n >> 16);
}

/* ---- the site ---------------------------------------------------------------------------------------------------------- */

struct site {
    char name[24];
    uint32_t pages_count;
    uint32_t share; /* of the sessions, in 100 */
};
static const struct site sites[] = {
    {"shop.example.com",   900, 46},
    {"www.example.com",    60,  24},
    {"blog.example.com",   400, 18},
    {"docs.example.com",   250, 9 },
    {"status.example.com", 8,   3 },
};

static const char *const words[] = {
    "amber",  "anchor", "autumn", "birch", "bridge", "canvas", "cedar", "cloud",   "copper",  "coral", "cotton", "delta",
    "ember",  "fern",   "forest", "glass", "harbor", "indigo", "iron",  "juniper", "lantern", "linen", "maple",  "marble",
    "meadow", "moss",   "north",  "oak",   "ocean",  "olive",  "pine",  "quartz",  "river",   "sage",  "silver", "willow",
};
static const char *const things[] = {
    "lamp", "chair", "table", "shelf", "notebook", "kettle", "mug", "blanket", "basket", "frame", "vase", "clock",
};
static const char *const topics[] = {
    "install", "views", "windows", "watermarks", "archive", "backfill", "dashboards", "alerts", "upgrade", "partitions",
};

/* The path of a page: 0 is the front page, a tenth are lists, the rest is what people came for. */
static size_t page_path(uint32_t site, uint32_t page, char *out)
{
    uint64_t h = mix((uint64_t)site << 32 | page);
    const char *a = words[h % COUNT(words)], *b = words[(h >> 16) % COUNT(words)];
    int length;

    if (page == 0)
        length = sprintf(out, "/");
    else if (site == 0)
        length = page <= 90 ? sprintf(out, "/c/%s?page=%u", things[page % COUNT(things)], page / (unsigned)COUNT(things) + 1)
                            : sprintf(out, "/p/%s-%s-%s-%u", a, b, things[page % COUNT(things)], 10000 + page * 37);
    else if (site == 1)
        length = page <= 6 ? sprintf(out, "/%s", words[page]) : sprintf(out, "/solutions/%s/%s", a, b);
    else if (site == 2)
        length = page <= 40 ? sprintf(out, "/tags/%s", words[page % COUNT(words)])
                            : sprintf(out, "/2025/%02u/%s-%s-and-%s", page % 12 + 1, a, topics[page % COUNT(topics)], b);
    else if (site == 3)
        length = page <= 25 ? sprintf(out, "/guide/%s", topics[page % COUNT(topics)])
                            : sprintf(out, "/reference/%s/%s-%s", topics[page % COUNT(topics)], a, b);
    else
        length = sprintf(out, "/incidents/%u", 4200 + page);
    return (size_t)length;
}

/* A page links to the same few others every time it is looked at. */
static uint32_t page_link(uint32_t site, uint32_t page, uint32_t link)
{
    uint64_t h = mix(UINT64_C(0x6c696e6b) ^ (uint64_t)site << 48 ^ (uint64_t)page << 8 ^ link);

    return link == 0 ? 0 : skew(h, sites[site].pages_count);
}

static size_t asset_path(uint32_t site, uint32_t page, uint32_t nth, char *out)
{
    uint64_t h = mix((uint64_t)site << 40 | page);
    int length;

    switch (nth) {
    case 0: length = sprintf(out, "/assets/site.%06x.css", (unsigned)mix(site) & 0xffffff); break;
    case 1: length = sprintf(out, "/assets/app.%06x.js", (unsigned)mix(site + 99) & 0xffffff); break;
    case 2: length = sprintf(out, "/favicon.ico"); break;
    case 3: length = sprintf(out, "/assets/fonts/inter-regular.woff2"); break;
    case 4: length = sprintf(out, "/images/logo.svg"); break;
    default:
        length = sprintf(out, "/images/%s-%04x-%u.%s", words[h % COUNT(words)], (unsigned)(h >> 20) & 0xffff, nth - 4,
                         nth % 2 ? "jpg" : "png");
        break;
    }
    return (size_t)length;
}

static const char *const search_referrers[] = {
    "https://www.google.com/", "https://www.google.com/",      "https://www.google.com/",       "https://duckduckgo.com/",
    "https://www.bing.com/",   "https://news.example.org/top", "https://social.example.net/t/", "https://mail.example.net/inbox/",
};

static const char *const browsers[] = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 Safari/537.36 "
    "Edg/132.0.0.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3 Mobile/15E148 "
    "Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
};
static const char *const crawlers[] = {
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
    "UptimeProbe/3.1 (+https://status.example.com/probe)",
};
static const char *const languages[] = {"en-US,en;q=0.9", "en-GB,en;q=0.8", "de-DE,de;q=0.9,en;q=0.7", "fr-FR,fr;q=0.9,en;q=0.5",
                                        "es-ES,es;q=0.9", "ja,en-US;q=0.8", "pt-BR,pt;q=0.9,en;q=0.6"};

/* ---- one line ---------------------------------------------------------------------------------------------------------- */

struct request {
    int64_t event_ms;
    uint64_t id_hi, id_lo;
    uint32_t ip;
    uint32_t site;
    const char *user_agent, *language;
    const char *method;
    const char *referrer; /* NULL: none */
    const char *path;
    int status;
    int64_t bytes; /* -1: no body, null in the line */
    uint32_t duration_ms;
    bool page; /* asked for as a document, not as a part of one */
    bool crawler;
    bool broken_utf8; /* a byte in the user agent that is no UTF-8: readable, mended by every reader in the same way */
};

static char *put(char *at, const char *text)
{
    size_t length = strlen(text);

    memcpy(at, text, length);
    return at + length;
}

static char *put_uint(char *at, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

static char *put_padded(char *at, unsigned value, unsigned width)
{
    for (unsigned i = width; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + width;
}

static char *put_hex(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = 0; i < digits; i++)
        *at++ = "0123456789abcdef"[value >> (4 * (digits - 1 - i)) & 15];
    return at;
}

static char *put_uuid(char *at, uint64_t hi, uint64_t lo)
{
    at = put_hex(at, hi >> 32, 8);
    *at++ = '-';
    at = put_hex(at, hi >> 16, 4);
    at = put(at, "-4");
    at = put_hex(at, hi, 3);
    *at++ = '-';
    at = put_hex(at, (lo >> 48 & 0x3fff) | 0x8000, 4);
    *at++ = '-';
    return put_hex(at, lo, 12);
}

/* "2025-03-03T08:15:30.123Z"; days to a date after Howard Hinnant's civil_from_days. */
static char *put_time(char *at, int64_t ms)
{
    int64_t days = ms / DAY_MS;
    unsigned rest = (unsigned)(ms % DAY_MS);
    unsigned z = (unsigned)(days + 719468), era = z / 146097, doe = z - era * 146097;
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153, day = doy - (153 * mp + 2) / 5 + 1, month = mp < 10 ? mp + 3 : mp - 9;

    at = put_padded(at, yoe + era * 400 + (month <= 2), 4);
    *at++ = '-';
    at = put_padded(at, month, 2);
    *at++ = '-';
    at = put_padded(at, day, 2);
    *at++ = 'T';
    at = put_padded(at, rest / 3600000, 2);
    *at++ = ':';
    at = put_padded(at, rest / 60000 % 60, 2);
    *at++ = ':';
    at = put_padded(at, rest / 1000 % 60, 2);
    *at++ = '.';
    at = put_padded(at, rest % 1000, 3);
    *at++ = 'Z';
    return at;
}

static char *put_ip(char *at, uint32_t ip)
{
    for (int shift = 24; shift >= 0; shift -= 8) {
        at = put_uint(at, ip >> shift & 255);
        if (shift > 0)
            *at++ = '.';
    }
    return at;
}

enum line_fault { FAULT_NONE, FAULT_NO_TIME, FAULT_BAD_TIME };

/* No text of the site needs escaping, so none is escaped; the headers are a JSON text inside a JSON string. */
static size_t write_line(const struct request *r, enum line_fault fault, char *out)
{
    char *at = put(out, "{\"event_id\":\"");

    at = put_uuid(at, r->id_hi, r->id_lo);
    if (fault == FAULT_BAD_TIME) {
        at = put(at, "\",\"event_time\":\"yesterday");
    } else if (fault == FAULT_NONE) {
        at = put(at, "\",\"event_time\":\"");
        at = put_time(at, r->event_ms);
    }
    at = put(at, "\",\"host\":\"");
    at = put(at, sites[r->site].name);
    at = put(at, "\",\"method\":\"");
    at = put(at, r->method);
    at = put(at, "\",\"url\":\"");
    at = put(at, r->path);
    if (r->referrer != NULL) {
        at = put(at, "\",\"referrer\":\"");
        at = put(at, r->referrer);
        at = put(at, "\",\"user_agent\":\"");
    } else {
        at = put(at, "\",\"referrer\":null,\"user_agent\":\"");
    }
    at = put(at, r->user_agent);
    if (r->broken_utf8)
        at = put(at, " \xfftoolbar");
    at = put(at, "\",\"headers\":\"{\\\"accept\\\":\\\"");
    at = put(at, r->page ? "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8" : "*/*");
    at = put(at, "\\\",\\\"accept-encoding\\\":\\\"gzip, deflate, br, zstd\\\"");
    if (!r->crawler) {
        at = put(at, ",\\\"accept-language\\\":\\\"");
        at = put(at, r->language);
        at = put(at, r->page ? "\\\",\\\"sec-fetch-dest\\\":\\\"document\\\",\\\"upgrade-insecure-requests\\\":\\\"1\\\""
                             : "\\\",\\\"sec-fetch-dest\\\":\\\"empty\\\"");
        at = put(at, ",\\\"cookie\\\":\\\"sid=");
        at = put_hex(at, mix(r->ip), 16);
        at = put(at, "; theme=light\\\"");
    } else {
        at = put(at, ",\\\"from\\\":\\\"crawler(at)example.org\\\"");
    }
    at = put(at, ",\\\"connection\\\":\\\"keep-alive\\\"}\",\"ip\":\"");
    at = put_ip(at, r->ip);
    at = put(at, "\",\"status\":");
    at = put_uint(at, (uint64_t)r->status);
    at = put(at, ",\"bytes\":");
    at = r->bytes < 0 ? put(at, "null") : put_uint(at, (uint64_t)r->bytes);
    at = put(at, ",\"duration_ms\":");
    at = put_uint(at, r->duration_ms);
    *at++ = '}';
    return (size_t)(at - out);
}

/* ---- the road to the log: lines wait here until they arrive ------------------------------------------------------------- */

struct line {
    int64_t arrival_ms;
    uint64_t number; /* breaks ties in the order of creation */
    int64_t event_ms;
    bool timed; /* its event time can be read and is not in the future */
    uint32_t length;
    struct line *next_free;
    char text[LINE_BYTES_MAX];
};

struct road {
    struct line **heap; /* the earliest arrival on top */
    size_t count, capacity;
    struct line *free;
    uint64_t numbers;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("traffic: no memory left\n", stderr);
        exit(3);
    }
    return memory;
}

static struct line *road_take(struct road *road)
{
    struct line *line = road->free;

    if (line == NULL) {
        /* A block at a time; they live until the program ends. */
        size_t n = 256;

        line = must(malloc(n * sizeof *line));
        for (size_t i = 0; i < n; i++) {
            line[i].next_free = road->free;
            road->free = &line[i];
        }
        line = road->free;
    }
    road->free = line->next_free;
    return line;
}

static bool line_before(const struct line *a, const struct line *b)
{
    return a->arrival_ms != b->arrival_ms ? a->arrival_ms < b->arrival_ms : a->number < b->number;
}

static void road_put(struct road *road, struct line *line)
{
    size_t at = road->count++;

    if (road->count > road->capacity) {
        road->capacity = road->capacity ? 2 * road->capacity : 1024;
        road->heap = must(realloc(road->heap, road->capacity * sizeof *road->heap));
    }
    line->number = road->numbers++;
    for (; at > 0 && line_before(line, road->heap[(at - 1) / 2]); at = (at - 1) / 2)
        road->heap[at] = road->heap[(at - 1) / 2];
    road->heap[at] = line;
}

static struct line *road_pop(struct road *road)
{
    struct line *top = road->heap[0], *last = road->heap[--road->count];
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= road->count)
            break;
        if (child + 1 < road->count && line_before(road->heap[child + 1], road->heap[child]))
            child++;
        if (!line_before(road->heap[child], last))
            break;
        road->heap[at] = road->heap[child];
        at = child;
    }
    if (road->count > 0)
        road->heap[at] = last;
    return top;
}

/* ---- people and crawlers ------------------------------------------------------------------------------------------------ */

struct actor {
    int64_t next_ms;
    uint64_t number;
    uint32_t ip, site, page, steps;
    const char *user_agent, *language;
    bool crawler, first;
    uint8_t assets_from, assets_to; /* what the page still needs */
    char referrer[160];             /* empty: none */
    char page_url[160];             /* the page that the assets belong to */
};

struct crowd {
    struct actor **heap;
    size_t count, capacity;
    uint64_t numbers;
};

static bool actor_before(const struct actor *a, const struct actor *b)
{
    return a->next_ms != b->next_ms ? a->next_ms < b->next_ms : a->number < b->number;
}

static void crowd_sink(struct crowd *crowd, size_t at)
{
    struct actor *moved = crowd->heap[at];

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= crowd->count)
            break;
        if (child + 1 < crowd->count && actor_before(crowd->heap[child + 1], crowd->heap[child]))
            child++;
        if (!actor_before(crowd->heap[child], moved))
            break;
        crowd->heap[at] = crowd->heap[child];
        at = child;
    }
    crowd->heap[at] = moved;
}

static struct actor *crowd_add(struct crowd *crowd, const struct actor *actor)
{
    size_t at = crowd->count++;
    struct actor *copy = must(malloc(sizeof *copy));

    if (crowd->count > crowd->capacity) {
        crowd->capacity = crowd->capacity ? 2 * crowd->capacity : 256;
        crowd->heap = must(realloc(crowd->heap, crowd->capacity * sizeof *crowd->heap));
    }
    *copy = *actor;
    copy->number = crowd->numbers++;
    for (; at > 0 && actor_before(copy, crowd->heap[(at - 1) / 2]); at = (at - 1) / 2)
        crowd->heap[at] = crowd->heap[(at - 1) / 2];
    crowd->heap[at] = copy;
    return copy;
}

static void crowd_drop_first(struct crowd *crowd)
{
    free(crowd->heap[0]);
    crowd->heap[0] = crowd->heap[--crowd->count];
    if (crowd->count > 0)
        crowd_sink(crowd, 0);
}

/* ---- options and what was planted --------------------------------------------------------------------------------------- */

struct options {
    uint64_t seed, events;
    int64_t start_ms, duration_ms;
    uint32_t bot_ppm, late_ppm, copy_ppm, moved_ppm, future_ppm, broken_ppm, utf8_ppm; /* parts of a million */
    const char *summary;
};

struct summary {
    uint64_t lines, bytes;
    uint64_t people, crawlers, sessions, pages, assets; /* requests that were written and can be read, copies not among them */
    uint64_t delayed, copies_same, copies_moved, future, broken_utf8;
    uint64_t truncated, no_event_time, bad_event_time, binary, not_json;
    uint64_t behind_15s; /* readable lines whose event time lies more than 15 s behind the highest before them */
    int64_t behind_ms_max, first_ms, last_ms, highest_ms;
    uint64_t by_site[COUNT(sites)]; /* countable requests: readable, not in the future, copies not among them */
};

struct traffic {
    struct options o;
    struct rng rng;
    struct road road;
    struct crowd crowd;
    struct summary sum;
    uint64_t created; /* lines so far, sent or on the road */
    uint32_t people_count;
    int64_t end_ms;
    /* The rhythm: expected share of the sessions by hour, accumulated. */
    uint32_t hours;
    uint64_t *rhythm; /* hours + 1 */
    uint64_t rhythm_at;
    uint32_t rhythm_hour;
    int64_t session_ms; /* when the next session begins */
};

/* Visits by the hour of the day, UTC: quiet at four, busy at noon and in the evening. */
static const uint16_t hour_weight[24] = {34,  24, 17, 13, 11, 14, 24, 43, 66, 84, 95, 99,
                                         100, 96, 95, 93, 89, 87, 90, 97, 98, 88, 69, 49};

static void rhythm_open(struct traffic *t)
{
    t->hours = (uint32_t)((t->o.duration_ms + HOUR_MS - 1) / HOUR_MS);
    t->rhythm = must(calloc((size_t)t->hours + 1, sizeof *t->rhythm));
    for (uint32_t h = 0; h < t->hours; h++) {
        int64_t at = t->o.start_ms + (int64_t)h * HOUR_MS;
        int64_t part = t->o.duration_ms - (int64_t)h * HOUR_MS;
        uint64_t weekday = (uint64_t)(at / DAY_MS + 3) % 7; /* 0 is Monday */
        uint64_t weight = hour_weight[at / HOUR_MS % 24] * (weekday >= 5 ? UINT64_C(62) : UINT64_C(100));

        if (part > HOUR_MS)
            part = HOUR_MS;
        t->rhythm[h + 1] = t->rhythm[h] + weight * (uint64_t)part;
    }
}

/* Moves on to the next session's start, so that about as many lines come in each hour as its weight says and the last of them
 * at the end: what is still to come is spread over the rhythm that is left. */
static void rhythm_next(struct traffic *t, int64_t now_ms)
{
    uint64_t total = t->rhythm[t->hours];
    uint64_t left = total - t->rhythm_at;
    int64_t left_ms = t->end_ms > now_ms ? t->end_ms - now_ms : 0;
    uint64_t to_come = t->o.events - t->created;
    uint64_t crawls =
        t->o.events / 1000 * (t->o.bot_ppm / 1000) * ((uint64_t)left_ms / 1000) / ((uint64_t)t->o.duration_ms / 1000);
    uint64_t people = to_come > crawls ? to_come - crawls : 1;
    uint64_t step = left / 256 * rng_exponential_q8(&t->rng) / people * REQUESTS_PER_SESSION;
    uint64_t from, to;

    if (step >= left) {
        /* The rhythm is over and a few lines are missing still. */
        t->session_ms = (now_ms > t->end_ms ? now_ms : t->end_ms) + rng_exponential(&t->rng, SECOND_MS);
        return;
    }
    t->rhythm_at += step;
    while (t->rhythm_hour + 1 < t->hours && t->rhythm[t->rhythm_hour + 1] <= t->rhythm_at)
        t->rhythm_hour++;
    from = t->rhythm[t->rhythm_hour];
    to = t->rhythm[t->rhythm_hour + 1];
    t->session_ms = t->o.start_ms + (int64_t)t->rhythm_hour * HOUR_MS +
                    (int64_t)((t->rhythm_at - from) / ((to - from) / (uint64_t)HOUR_MS + 1));
    if (t->session_ms < now_ms)
        t->session_ms = now_ms;
}

static int64_t delay_ms(struct traffic *t)
{
    int64_t delay;

    if (rng_chance(&t->rng, t->o.late_ppm)) {
        t->sum.delayed++;
        return 20 * SECOND_MS + (int64_t)rng_below(&t->rng, 580 * 1000);
    }
    delay = 15 + rng_exponential(&t->rng, 900);
    return delay < 9 * SECOND_MS ? delay : 9 * SECOND_MS;
}

static void send_copy(struct traffic *t, const struct line *line, bool moved)
{
    struct line *copy;

    if (t->created >= t->o.events)
        return;
    copy = road_take(&t->road);
    memcpy(copy->text, line->text, line->length);
    copy->length = line->length;
    copy->event_ms = line->event_ms;
    copy->timed = true;
    copy->arrival_ms = line->arrival_ms + 40 + rng_exponential(&t->rng, 20 * SECOND_MS);
    if (moved) {
        copy->length = (uint32_t)(put(copy->text + copy->length - 1, ",\"attempt\":2}") - copy->text);
        t->sum.copies_moved++;
    } else {
        t->sum.copies_same++;
    }
    t->created++;
    road_put(&t->road, copy);
}

static void send_broken(struct traffic *t, const struct request *r, struct line *line)
{
    uint32_t kind = rng_below(&t->rng, 5);

    line->timed = false;
    if (kind == 0) {
        line->length = (uint32_t)write_line(r, FAULT_NONE, line->text);
        line->length = 20 + rng_below(&t->rng, line->length - 22); /* without the last brace it is never one object */
        t->sum.truncated++;
    } else if (kind == 1) {
        line->length = (uint32_t)write_line(r, FAULT_NO_TIME, line->text);
        t->sum.no_event_time++;
    } else if (kind == 2) {
        line->length = (uint32_t)write_line(r, FAULT_BAD_TIME, line->text);
        t->sum.bad_event_time++;
    } else if (kind == 3) {
        line->length = 40 + rng_below(&t->rng, 200);
        for (uint32_t i = 0; i < line->length; i++) {
            uint8_t byte = (uint8_t)rng_below(&t->rng, 256);

            line->text[i] = (char)(byte == '\n' || byte == '\r' ? 0 : byte);
        }
        line->text[0] = (char)0x82; /* whatever follows, no JSON begins like this */
        t->sum.binary++;
    } else {
        char *at = put(put(line->text, "upstream sent no valid header while reading "), r->path);

        line->length = (uint32_t)(put_hex(put(at, ": reset, request "), r->id_hi, 16) - line->text);
        t->sum.not_json++;
    }
}

static void send(struct traffic *t, struct request *r)
{
    struct line *line;

    if (t->created >= t->o.events)
        return;
    line = road_take(&t->road);
    line->event_ms = r->event_ms;
    line->timed = true;
    line->arrival_ms = r->event_ms + 5; /* what is broken or misdated comes at once: it must not count as late too */
    r->id_hi = rng_next(&t->rng);
    r->id_lo = rng_next(&t->rng);
    t->created++;
    if (rng_chance(&t->rng, t->o.broken_ppm)) {
        send_broken(t, r, line);
        road_put(&t->road, line);
        return;
    }
    if (rng_chance(&t->rng, t->o.future_ppm)) {
        /* A clock that is wrong: the second half of 2099. */
        r->event_ms = INT64_C(4086547200000) + (int64_t)rng_below(&t->rng, 180 * 24 * 3600) * 1000;
        line->event_ms = r->event_ms;
        line->timed = false;
        line->length = (uint32_t)write_line(r, FAULT_NONE, line->text);
        t->sum.future++;
        road_put(&t->road, line);
        return;
    }
    r->broken_utf8 = rng_chance(&t->rng, t->o.utf8_ppm);
    line->arrival_ms = r->event_ms + delay_ms(t);
    line->length = (uint32_t)write_line(r, FAULT_NONE, line->text);
    t->sum.broken_utf8 += r->broken_utf8;
    t->sum.people += !r->crawler;
    t->sum.crawlers += r->crawler;
    t->sum.pages += r->page;
    t->sum.assets += !r->page;
    t->sum.by_site[r->site]++;
    road_put(&t->road, line);
    if (rng_chance(&t->rng, t->o.copy_ppm))
        send_copy(t, line, false);
    if (rng_chance(&t->rng, t->o.moved_ppm))
        send_copy(t, line, true);
}

static void site_url(uint32_t site, const char *path, char *out, size_t size)
{
    snprintf(out, size, "https://%s%s", sites[site].name, path);
}

static void request_asset(struct traffic *t, struct actor *a)
{
    char path[120];
    struct request r = {.event_ms = a->next_ms,
                        .ip = a->ip,
                        .site = a->site,
                        .user_agent = a->user_agent,
                        .language = a->language,
                        .method = "GET",
                        .referrer = a->page_url,
                        .path = path,
                        .status = 200};

    asset_path(a->site, a->page, a->assets_from, path);
    if (!a->first && a->assets_from < 5 && rng_chance(&t->rng, 700000)) {
        r.status = 304;
        r.bytes = -1;
    } else {
        r.bytes = 900 + rng_exponential(&t->rng, 26000);
    }
    r.duration_ms = 1 + (uint32_t)rng_exponential(&t->rng, 6);
    a->assets_from++;
    a->next_ms += 10 + rng_exponential(&t->rng, 90);
    send(t, &r);
}

static void request_page(struct traffic *t, struct actor *a)
{
    char path[120];
    struct request r = {.event_ms = a->next_ms,
                        .ip = a->ip,
                        .site = a->site,
                        .user_agent = a->user_agent,
                        .language = a->language,
                        .method = "GET",
                        .path = path,
                        .status = 200,
                        .page = true,
                        .crawler = a->crawler};
    uint32_t luck = rng_below(&t->rng, 1000);

    page_path(a->site, a->page, path);
    r.referrer = a->referrer[0] ? a->referrer : NULL;
    r.bytes = 4000 + rng_exponential(&t->rng, 17000);
    r.duration_ms = 8 + (uint32_t)rng_exponential(&t->rng, 70);
    if (luck < 4) {
        r.status = 500 + (luck == 0 ? 3 : 0);
        r.bytes = 512;
    } else if (luck < 20) {
        put(path, "/wp-admin/")[0] = 0;
        r.status = 404;
        r.bytes = 1245;
    } else if (luck < 32) {
        r.status = 301;
        r.bytes = 178;
    } else if (luck < 60 && a->site == 0 && !a->crawler) {
        put(path, luck < 45 ? "/cart/items" : "/api/orders")[0] = 0;
        r.method = "POST";
        r.status = 201;
        r.bytes = 312;
    } else if (luck < 68) {
        r.method = "HEAD";
        r.bytes = -1;
    }
    site_url(a->site, path, a->page_url, sizeof a->page_url);
    send(t, &r);
}

static void person_step(struct traffic *t, struct actor *a)
{
    if (a->assets_from < a->assets_to) {
        request_asset(t, a);
        if (a->assets_from < a->assets_to)
            return;
    } else {
        request_page(t, a);
        a->assets_from = a->first ? 0 : (uint8_t)(2 + rng_below(&t->rng, 3));
        a->assets_to = (uint8_t)(a->assets_from + rng_below(&t->rng, a->first ? ASSETS_MAX + 1 : 4));
        if (a->assets_from < a->assets_to) {
            a->next_ms += 60 + rng_exponential(&t->rng, 180);
            return;
        }
    }
    /* The page is there: read it, then follow a link or leave. */
    if (a->steps == 0 || rng_below(&t->rng, 100) < 24) {
        crowd_drop_first(&t->crowd);
        return;
    }
    a->steps--;
    a->first = false;
    a->assets_from = a->assets_to = 0;
    memcpy(a->referrer, a->page_url, sizeof a->referrer);
    a->page = page_link(a->site, a->page, rng_below(&t->rng, 12));
    a->next_ms += 2500 + rng_exponential(&t->rng, 38 * SECOND_MS);
}

static void crawler_step(struct traffic *t, struct actor *a)
{
    int64_t period = t->o.duration_ms * (int64_t)COUNT(crawlers) / (int64_t)(t->o.events / 1000 * (t->o.bot_ppm / 1000) + 1);

    request_page(t, a);
    if (++a->page >= sites[a->site].pages_count) {
        a->page = 0;
        a->site = (a->site + 1) % (uint32_t)COUNT(sites);
    }
    a->next_ms += period / 2 + (int64_t)(rng_next(&t->rng) % (uint64_t)(period + 1));
}

static void session_begin(struct traffic *t)
{
    struct actor a = {.next_ms = t->session_ms, .first = true};
    uint64_t person = mix(UINT64_C(0x70656f70) ^ ((uint64_t)skew(rng_next(&t->rng), t->people_count) << 20) ^ t->o.seed << 40);
    uint32_t draw = rng_below(&t->rng, 100);

    a.ip = (uint32_t)(person >> 32);
    a.ip = (a.ip & 0x00ffffff) | (20 + (a.ip >> 24) % 180) << 24;
    a.user_agent = browsers[skew(person << 16, (uint32_t)COUNT(browsers))];
    a.language = languages[skew(person << 32, (uint32_t)COUNT(languages))];
    while (draw >= sites[a.site].share) {
        draw -= sites[a.site].share;
        a.site++;
    }
    a.page = rng_below(&t->rng, 100) < 35 ? 0 : skew(rng_next(&t->rng), sites[a.site].pages_count);
    a.steps = 1 + rng_below(&t->rng, 14);
    draw = rng_below(&t->rng, 100);
    if (draw < 52)
        snprintf(a.referrer, sizeof a.referrer, "%s",
                 search_referrers[skew(rng_next(&t->rng), (uint32_t)COUNT(search_referrers))]);
    else if (draw < 64)
        site_url(rng_below(&t->rng, (uint32_t)COUNT(sites)), "/", a.referrer, sizeof a.referrer);
    t->sum.sessions++;
    crowd_add(&t->crowd, &a);
}

static void write_one(struct traffic *t, FILE *out)
{
    struct line *line = road_pop(&t->road);

    if (line->timed) {
        if (t->sum.highest_ms - line->event_ms > 15 * SECOND_MS)
            t->sum.behind_15s++;
        if (t->sum.highest_ms - line->event_ms > t->sum.behind_ms_max)
            t->sum.behind_ms_max = t->sum.highest_ms - line->event_ms;
        if (line->event_ms > t->sum.highest_ms)
            t->sum.highest_ms = line->event_ms;
        if (line->event_ms < t->sum.first_ms)
            t->sum.first_ms = line->event_ms;
    }
    line->text[line->length] = '\n';
    fwrite(line->text, 1, line->length + 1, out);
    t->sum.lines++;
    t->sum.bytes += line->length + 1;
    line->next_free = t->road.free;
    t->road.free = line;
}

static void simulate(struct traffic *t, FILE *out)
{
    for (uint32_t i = 0; i < COUNT(crawlers) && t->o.bot_ppm > 0; i++) {
        struct actor a = {.next_ms = t->o.start_ms + (int64_t)rng_below(&t->rng, 30000),
                          .crawler = true,
                          .ip = 0x42f94000 + i * 0x01010103,
                          .user_agent = crawlers[i],
                          .language = "",
                          .site = i % (uint32_t)COUNT(sites)};

        a.page = rng_below(&t->rng, sites[a.site].pages_count);
        crowd_add(&t->crowd, &a);
    }
    t->sum.highest_ms = INT64_MIN / 2;
    t->sum.first_ms = INT64_MAX;
    rhythm_next(t, t->o.start_ms);
    while (t->created < t->o.events) {
        struct actor *a = t->crowd.count > 0 ? t->crowd.heap[0] : NULL;
        int64_t now_ms = a != NULL && a->next_ms < t->session_ms ? a->next_ms : t->session_ms;

        while (t->road.count > 0 && t->road.heap[0]->arrival_ms <= now_ms)
            write_one(t, out);
        if (a == NULL || a->next_ms > t->session_ms) {
            session_begin(t);
            rhythm_next(t, now_ms);
        } else {
            uint64_t number = a->number;

            if (a->crawler)
                crawler_step(t, a);
            else
                person_step(t, a);
            if (t->crowd.count > 0 && t->crowd.heap[0]->number == number)
                crowd_sink(&t->crowd, 0);
        }
    }
    while (t->road.count > 0)
        write_one(t, out);
}

/* ---- the command ------------------------------------------------------------------------------------------------------- */

static const char help_text[] =
    "traffic: writes the traffic log of a made-up company as JSON Lines, the same bytes for the same options\n"
    "\n"
    "  --seed N             which traffic (1)\n"
    "  --events N           lines in all (100000)\n"
    "  --days N, --hours N  time that they span (2 days)\n"
    "  --start TIME         first moment, as 2025-03-03 or 2025-03-03T06:00:00Z (2025-03-03)\n"
    "  --bot-percent P      requests of crawlers (20)\n"
    "  --late-percent P     lines that come 20 s to 10 min late (1)\n"
    "  --copy-percent P     lines that come again, byte for byte (0.4)\n"
    "  --moved-percent P    lines that come again with \"attempt\":2, so with other bytes (0.3)\n"
    "  --future-percent P   event times in the year 2099 (0.01)\n"
    "  --broken-percent P   truncated, without or with a bad event time, binary, not JSON (0.05)\n"
    "  --utf8-percent P     readable lines with a byte that is no UTF-8 (0.02)\n"
    "  --summary FILE       what was planted, counted, as JSON\n"
    "\n"
    "Example: traffic --seed 7 --events 20000 --hours 6 --summary planted.json > traffic.jsonl\n";

static int usage(const char *what, const char *arg)
{
    fprintf(stderr, "traffic: %s: %s; --help lists the options\n", arg, what);
    return 2;
}

static bool parse_uint(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (*text == 0)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > (max - (uint64_t)(*text - '0')) / 10)
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *out = value;
    return true;
}

/* "0.05" -> 500 parts of a million; at most four decimals. */
static bool parse_percent(const char *text, uint32_t *ppm)
{
    const char *dot = strchr(text, '.');
    char whole[8] = "", part[5] = "0000";
    uint64_t a, b;

    if (dot == NULL)
        dot = text + strlen(text);
    if ((size_t)(dot - text) >= sizeof whole || strlen(*dot ? dot + 1 : dot) > 4)
        return false;
    memcpy(whole, text, (size_t)(dot - text));
    if (*dot)
        memcpy(part, dot + 1, strlen(dot + 1));
    if (!parse_uint(whole, 100, &a) || !parse_uint(part, 9999, &b) || a * 10000 + b > 1000000)
        return false;
    *ppm = (uint32_t)(a * 10000 + b);
    return true;
}

static bool parse_digits(const char **at, unsigned digits, char after, int64_t *out)
{
    *out = 0;
    for (; digits > 0; digits--, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        *out = *out * 10 + (**at - '0');
    }
    if (after != 0 && **at == after)
        (*at)++;
    else if (after != 0)
        return false;
    return true;
}

static bool parse_start(const char *text, int64_t *ms)
{
    int64_t year, month, day, hour = 0, minute = 0, second = 0, y, era, doy;

    if (!parse_digits(&text, 4, '-', &year) || !parse_digits(&text, 2, '-', &month) || !parse_digits(&text, 2, 0, &day))
        return false;
    if (*text == 'T') {
        text++;
        if (!parse_digits(&text, 2, ':', &hour) || !parse_digits(&text, 2, ':', &minute) || !parse_digits(&text, 2, 'Z', &second))
            return false;
    }
    if (*text != 0 || year < 1971 || year > 2090 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    y = year - (month <= 2);
    era = y / 400;
    doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    *ms = ((era * 146097 + (y - era * 400) * 365 + (y - era * 400) / 4 - (y - era * 400) / 100 + doy - 719468) * 86400 +
           hour * 3600 + minute * 60 + second) *
          SECOND_MS;
    return true;
}

static int parse_options(int argc, char **argv, struct options *o)
{
    struct {
        char name[20];
        uint32_t *ppm;
    } percents[] = {
        {"--bot-percent",    &o->bot_ppm   },
        {"--late-percent",   &o->late_ppm  },
        {"--copy-percent",   &o->copy_ppm  },
        {"--moved-percent",  &o->moved_ppm },
        {"--future-percent", &o->future_ppm},
        {"--broken-percent", &o->broken_ppm},
        {"--utf8-percent",   &o->utf8_ppm  },
    };

    for (int i = 1; i < argc; i += 2) {
        const char *arg = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        uint64_t number;
        bool known = false;

        if (strcmp(arg, "--help") == 0) {
            fputs(help_text, stdout);
            exit(0);
        }
        if (value == NULL)
            return usage("an option that nothing follows", arg);
        for (size_t p = 0; p < COUNT(percents); p++) {
            if (strcmp(arg, percents[p].name) != 0)
                continue;
            known = true;
            if (!parse_percent(value, percents[p].ppm))
                return usage("needs a percentage, 0 to 100 with at most four decimals", arg);
        }
        if (strcmp(arg, "--seed") == 0) {
            known = parse_uint(value, UINT64_MAX / 2, &o->seed);
        } else if (strcmp(arg, "--events") == 0) {
            known = parse_uint(value, UINT64_C(1000000000), &o->events) && o->events > 0;
        } else if (strcmp(arg, "--days") == 0 || strcmp(arg, "--hours") == 0) {
            int64_t unit = strcmp(arg, "--days") == 0 ? DAY_MS : HOUR_MS;

            known = parse_uint(value, HOURS_MAX, &number) && number > 0;
            o->duration_ms = known ? (int64_t)number * unit : 0;
            known = known && o->duration_ms <= HOURS_MAX * HOUR_MS;
        } else if (strcmp(arg, "--start") == 0) {
            known = parse_start(value, &o->start_ms);
        } else if (strcmp(arg, "--summary") == 0) {
            o->summary = value;
            known = true;
        } else if (!known) {
            return usage("no such option", arg);
        }
        if (!known)
            return usage("cannot be that", arg);
    }
    return 0;
}

static int write_summary(const struct traffic *t)
{
    const struct summary *s = &t->sum;
    FILE *out = fopen(t->o.summary, "w");
    char first[32], last[32];
    bool failed;

    if (out == NULL) {
        fprintf(stderr, "traffic: %s: %s\n", t->o.summary, strerror(errno));
        return 3;
    }
    if (s->first_ms == INT64_MAX) {
        snprintf(first, sizeof first, "null");
        snprintf(last, sizeof last, "null");
    } else {
        *put(put_time(put(first, "\""), s->first_ms), "\"") = 0;
        *put(put_time(put(last, "\""), s->highest_ms), "\"") = 0;
    }
    fprintf(out, "{\"seed\":%" PRIu64 ",\"lines\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\n", t->o.seed, s->lines, s->bytes);
    fprintf(out,
            " \"countable\":%" PRIu64 ",\"people\":%" PRIu64 ",\"crawlers\":%" PRIu64 ",\"sessions\":%" PRIu64
            ",\"pages\":%" PRIu64 ",\"assets\":%" PRIu64 ",\n",
            s->people + s->crawlers, s->people, s->crawlers, s->sessions, s->pages, s->assets);
    fprintf(out,
            " \"copies_same\":%" PRIu64 ",\"copies_moved\":%" PRIu64 ",\"future\":%" PRIu64 ",\"broken_utf8\":%" PRIu64 ",\n",
            s->copies_same, s->copies_moved, s->future, s->broken_utf8);
    fprintf(out,
            " \"broken\":%" PRIu64 ",\"truncated\":%" PRIu64 ",\"no_event_time\":%" PRIu64 ",\"bad_event_time\":%" PRIu64
            ",\"binary\":%" PRIu64 ",\"not_json\":%" PRIu64 ",\n",
            s->truncated + s->no_event_time + s->bad_event_time + s->binary + s->not_json, s->truncated, s->no_event_time,
            s->bad_event_time, s->binary, s->not_json);
    fprintf(out, " \"delayed\":%" PRIu64 ",\"behind_15s\":%" PRIu64 ",\"behind_ms_max\":%" PRId64 ",\n", s->delayed,
            s->behind_15s, s->behind_ms_max);
    fprintf(out, " \"first_event_time\":%s,\"last_event_time\":%s,\n \"countable_by_host\":{", first, last);
    for (size_t i = 0; i < COUNT(sites); i++)
        fprintf(out, "%s\"%s\":%" PRIu64, i ? "," : "", sites[i].name, s->by_site[i]);
    fputs("}}\n", out);
    failed = ferror(out) != 0;
    if (fclose(out) != 0 || failed) {
        fprintf(stderr, "traffic: %s: could not be written\n", t->o.summary);
        return 3;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static char buffer[1 << 20];
    /* Static, for what it holds lives until the program ends. */
    static struct traffic t = {
        .o = {.seed = 1,
              .events = 100000,
              .start_ms = INT64_C(1740960000000),
              .duration_ms = 2 * DAY_MS,
              .bot_ppm = 200000,
              .late_ppm = 10000,
              .copy_ppm = 4000,
              .moved_ppm = 3000,
              .future_ppm = 100,
              .broken_ppm = 500,
              .utf8_ppm = 200}
    };
    int status = parse_options(argc, argv, &t.o);

    if (status != 0)
        return status;
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    t.rng.state = mix(t.o.seed);
    t.end_ms = t.o.start_ms + t.o.duration_ms;
    t.people_count = (uint32_t)(t.o.events / 60 > 50 ? t.o.events / 60 : 50);
    rhythm_open(&t);
    simulate(&t, stdout);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "traffic: standard output: %s\n", strerror(errno));
        return 3;
    }
    return t.o.summary != NULL ? write_summary(&t) : 0;
}
