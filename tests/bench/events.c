/* events.c: writes the events that the benchmarks run on: request events as JSON Lines, about 660 bytes each.
 *
 * bench_events sparse|dense|month [--count N] > events.jsonl
 *
 *   sparse   2 million events over 800 days: 8.7 events in a 5-minute window, so the two views of views.sql have about as many
 *            rows as there are events, and what writes rows is the limit
 *   dense    the same over 4 days, as a busy site has them: 1,700 events in a window, ten thousand rows for hits
 *   month    the same over 30 days
 *
 * Urls, referrers, user agents and addresses are those of the real access log where it is there (TALLY_SHARED, else ../shared;
 * data/apache_logs in it), drawn line by line, so that their frequencies are real too; else they are made up. Nine hosts, one of them with
 * most of the traffic, as the real log has no host. Lines are in order of arrival: most events a few seconds old, 1% up to ten
 * minutes. The same bytes every time. */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS INT64_C(86400000)
enum { TEXT_BYTES_MAX = 1800, RECORDS_MAX = 20000, LINE_BYTES_MAX = 4 * TEXT_BYTES_MAX + 1200 };

/* What one line of the access log gives: texts already escaped for JSON. */
struct record {
    char *url, *referrer, *user_agent, *ip; /* referrer NULL: none */
    uint32_t url_length, referrer_length, user_agent_length, ip_length;
    uint64_t cookie;
};

static const struct {
    char name[24];
    uint32_t share; /* of 1,000 */
} hosts[] = {
    {"www.semicomplete.com",  855},
    {"semicomplete.com",      43 },
    {"blog.semicomplete.com", 30 },
    {"docs.semicomplete.com", 22 },
    {"img.semicomplete.com",  20 },
    {"m.semicomplete.com",    12 },
    {"api.semicomplete.com",  8  },
    {"old.semicomplete.com",  5  },
    {"shop.semicomplete.com", 5  },
};

static uint64_t rng_state = UINT64_C(0x74616c6c79); /* "tally" */

/* splitmix64 */
static uint64_t rng_next(void)
{
    uint64_t x = rng_state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t rng_below(uint32_t n)
{
    return (uint32_t)(((rng_next() >> 32) * n) >> 32);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("bench_events: no memory left\n", stderr);
        exit(3);
    }
    return memory;
}

static char *escape(const char *text, size_t length, uint32_t *out_length)
{
    char *out = must(malloc(length * 6 + 1)), *at = out;

    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\') {
            *at++ = '\\';
            *at++ = (char)c;
        } else if (c < 0x20 || c >= 0x7f) {
            at += sprintf(at, "\\u%04x", c);
        } else {
            *at++ = (char)c;
        }
    }
    *at = 0;
    *out_length = (uint32_t)(at - out);
    return out;
}

/* ip - - [time] "METHOD url HTTP/1.1" status bytes "referrer" "user agent" */
static bool record_from_log(const char *line, struct record *out)
{
    const char *quote[6], *url, *space;
    size_t quotes = 0;

    for (const char *c = line; *c && quotes < 6; c++) {
        if (*c == '"' && (c == line || c[-1] != '\\'))
            quote[quotes++] = c;
    }
    if (quotes < 6 || strlen(line) > TEXT_BYTES_MAX)
        return false;
    url = memchr(quote[0], ' ', (size_t)(quote[1] - quote[0]));
    space = strchr(line, ' ');
    if (url == NULL || space == NULL)
        return false;
    url++;
    out->ip = escape(line, (size_t)(space - line), &out->ip_length);
    space = memchr(url, ' ', (size_t)(quote[1] - url));
    out->url = escape(url, (size_t)((space ? space : quote[1]) - url), &out->url_length);
    out->referrer = quote[3] - quote[2] == 2 && quote[2][1] == '-'
                        ? NULL
                        : escape(quote[2] + 1, (size_t)(quote[3] - quote[2] - 1), &out->referrer_length);
    out->user_agent = escape(quote[4] + 1, (size_t)(quote[5] - quote[4] - 1), &out->user_agent_length);
    return true;
}

static size_t records_from_log(struct record *records)
{
    const char *shared = getenv("TALLY_SHARED");
    char path[4096], line[65536];
    size_t count = 0;
    FILE *in;

    snprintf(path, sizeof path, "%s/data/apache_logs", shared ? shared : "../shared");
    in = fopen(path, "r");
    if (in == NULL)
        return 0;
    while (count < RECORDS_MAX && fgets(line, sizeof line, in) != NULL)
        count += record_from_log(line, &records[count]);
    fclose(in);
    return count;
}

/* Where the log is not there: 10,000 records with as many distinct values and about the same frequencies. */
static size_t records_made_up(struct record *records)
{
    static const char *const agents[] = {
        "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/34.0.1847.137 Safari/537.36",
        "Mozilla/5.0 (Windows NT 6.1; WOW64; rv:29.0) Gecko/20100101 Firefox/29.0",
        "Mozilla/5.0 (X11; Linux x86_64; rv:27.0) Gecko/20100101 Firefox/27.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    };
    size_t count = 10000;

    for (size_t i = 0; i < count; i++) {
        struct record *r = &records[i];
        char text[256];
        uint64_t draw = rng_next();
        uint32_t referrer = rng_below(628);
        int length = sprintf(text, "/articles/%u/entry-%u.html", (unsigned)(draw % 40), (unsigned)(draw >> 8) % 1500);

        r->url = escape(text, (size_t)length, &r->url_length);
        length = sprintf(text, "%s build-%u", agents[draw >> 20 & 3], (unsigned)(draw >> 24) % 140);
        r->user_agent = escape(text, (size_t)length, &r->user_agent_length);
        length = sprintf(text, "%u.%u.%u.%u", 20 + (unsigned)(draw >> 32) % 180, (unsigned)(draw >> 40 & 3),
                         (unsigned)(draw >> 42 & 7), (unsigned)(draw >> 48 & 255));
        r->ip = escape(text, (size_t)length, &r->ip_length);
        if (rng_below(1000) < 407)
            continue;
        length = sprintf(text, "http://semicomplete.com/articles/number-%u/", rng_below(1000) < 600 ? referrer % 25 : referrer);
        r->referrer = escape(text, (size_t)length, &r->referrer_length);
    }
    return count;
}

static char *put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    return at + length;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static char *put_hex(char *at, uint64_t value, unsigned digits)
{
    for (unsigned i = 0; i < digits; i++)
        *at++ = "0123456789abcdef"[value >> (4 * (digits - 1 - i)) & 15];
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

/* After Howard Hinnant's civil_from_days. */
static char *put_time(char *at, int64_t ms)
{
    unsigned z = (unsigned)(ms / DAY_MS + 719468), era = z / 146097, doe = z - era * 146097, rest = (unsigned)(ms % DAY_MS);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9;

    at = put_padded(at, yoe + era * 400 + (month <= 2), 4);
    *at++ = '-';
    at = put_padded(at, month, 2);
    *at++ = '-';
    at = put_padded(at, doy - (153 * mp + 2) / 5 + 1, 2);
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

static size_t write_event(uint64_t number, int64_t event_ms, const struct record *r, char *out)
{
    uint64_t id = rng_next();
    uint32_t draw = rng_below(1000), host = 0;
    char *at = PUT(out, "{\"event_id\":\"");

    while (draw >= hosts[host].share)
        draw -= hosts[host++].share;
    at = put_hex(at, number * UINT64_C(0x9e3779b1) & 0xffffffff, 8); /* odd factor: different for each number below 2^32 */
    *at++ = '-';
    at = put_hex(at, id >> 48, 4);
    at = PUT(at, "-4");
    at = put_hex(at, id >> 36, 3);
    at = PUT(at, "-a");
    at = put_hex(at, id >> 24, 3);
    *at++ = '-';
    at = put_hex(at, id * 31, 12);
    at = PUT(at, "\",\"url\":\"");
    at = put(at, r->url, r->url_length);
    if (r->referrer != NULL) {
        at = PUT(at, "\",\"referrer\":\"");
        at = put(at, r->referrer, r->referrer_length);
        at = PUT(at, "\",\"user_agent\":\"");
    } else {
        at = PUT(at, "\",\"referrer\":null,\"user_agent\":\"");
    }
    at = put(at, r->user_agent, r->user_agent_length);
    at = PUT(
        at,
        "\",\"headers\":\"{\\\"accept\\\":\\\"text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\\\",");
    at = PUT(at, "\\\"accept-encoding\\\":\\\"gzip, deflate, br\\\",\\\"accept-language\\\":\\\"en-US,en;q=0.8\\\",");
    at = PUT(at, "\\\"connection\\\":\\\"keep-alive\\\",\\\"cache-control\\\":\\\"max-age=0\\\",\\\"upgrade-insecure-"
                 "requests\\\":\\\"1\\\",");
    at = PUT(at, "\\\"cookie\\\":\\\"_ga=GA1.2.");
    at = put_hex(at, r->cookie, 16);
    at = PUT(at, "\\\"}\",\"host\":\"");
    at = put(at, hosts[host].name, strlen(hosts[host].name));
    at = PUT(at, "\",\"ip\":\"");
    at = put(at, r->ip, r->ip_length);
    at = PUT(at, "\",\"event_time\":\"");
    at = put_time(at, event_ms);
    at = PUT(at, "\"}\n");
    return (size_t)(at - out);
}

static int usage(void)
{
    fputs("usage: bench_events sparse|dense|month [--count N] > events.jsonl\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    static char buffer[1 << 20], line[LINE_BYTES_MAX];
    struct record *records = must(calloc(RECORDS_MAX, sizeof *records));
    uint64_t count = 2000000;
    int64_t start_ms, span_ms;
    size_t records_count;

    if (argc != 2 && !(argc == 4 && strcmp(argv[2], "--count") == 0))
        return usage();
    if (argc == 4) {
        char *end;

        errno = 0;
        count = strtoull(argv[3], &end, 10);
        if (errno != 0 || *end != 0 || count == 0 || count > UINT32_MAX)
            return usage();
    }
    if (strcmp(argv[1], "sparse") == 0) {
        start_ms = INT64_C(1672531200000); /* 2023-01-01 */
        span_ms = 800 * DAY_MS;
    } else if (strcmp(argv[1], "dense") == 0) {
        start_ms = INT64_C(1740960000000); /* 2025-03-03 */
        span_ms = 4 * DAY_MS;
    } else if (strcmp(argv[1], "month") == 0) {
        start_ms = INT64_C(1740787200000); /* 2025-03-01 */
        span_ms = 30 * DAY_MS;
    } else {
        return usage();
    }
    records_count = records_from_log(records);
    fprintf(stderr, "bench_events: %s\n", records_count ? "from the real access log" : "made up: there is no real access log");
    if (records_count == 0)
        records_count = records_made_up(records);
    for (size_t i = 0; i < records_count; i++)
        records[i].cookie = UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (uint64_t i = 0; i < count; i++) {
        /* The span in equal steps, and anywhere within the step: in order, but not regular. */
        int64_t step_ms = span_ms / (int64_t)count;
        int64_t arrival_ms = start_ms + step_ms * (int64_t)i + span_ms % (int64_t)count * (int64_t)i / (int64_t)count;
        int64_t delay_ms = rng_below(100) == 0 ? (int64_t)rng_below(600000) : (int64_t)(rng_below(64) * rng_below(64));

        arrival_ms += step_ms > 0 ? (int64_t)(rng_next() % (uint64_t)step_ms) : 0;
        fwrite(line, 1, write_event(i, arrival_ms - delay_ms, &records[rng_below((uint32_t)records_count)], line), stdout);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "bench_events: standard output: %s\n", strerror(errno));
        return 3;
    }
    for (size_t i = 0; i < records_count; i++) {
        free(records[i].url);
        free(records[i].referrer);
        free(records[i].user_agent);
        free(records[i].ip);
    }
    free(records);
    return 0;
}
