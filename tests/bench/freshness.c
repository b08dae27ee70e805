/* freshness.c: how long it takes from handing an event to librdkafka until another connection to the store sees its row.
 *
 * bench_freshness BROKER TOPIC RATE SECONDS EVENTS STORE VIEW COMMAND...
 *
 *   BROKER TOPIC    where events go: RATE a second, over PARTITIONS partitions; a multiple of PROBES_PER_S
 *   EVENTS          lines of bench_events: sent over and over, each with an event_id and a time of its own
 *   STORE VIEW      sqlite:PATH, or an address that libpq takes; the view of views_freshness.sql that has a row a probe
 *   COMMAND         what makes the rows: `tally speed ...`, run as a child, and ended in the end
 *
 * Every 10 ms one of the events is a probe: its host is probe-N, which no other event has. A thread with a connection of its own asks the
 * view for new hosts every 2 ms, in plain SQL. A probe's time is from just before the call that hands it over (so the producer's linger of
 * 5 ms is in it, and half of the 2 ms) to the end of the query that shows it. The first WARM_UP_S seconds do not count.
 *
 * Prints one line: p50_ms, p99_ms, max_ms and how many probes they are of; the rate that was reached, and how many events the broker had
 * not taken by the end; queries a second and microseconds each, which tell whether to ask was itself the load; the child's CPU seconds and
 * memory. Exits with 1 when a probe is not seen within WAIT_S seconds of the last one. */
#include <errno.h>
#include <inttypes.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    PARTITIONS = 2,
    PROBES_PER_S = 100,
    POLL_MS = 2,
    WARM_UP_S = 3,
    WAIT_S = 30,
    SECONDS_MAX = 600,
    PROBES_MAX = PROBES_PER_S * (SECONDS_MAX + WARM_UP_S),
    LINES_MAX = 20000,
    LINE_BYTES_MAX = 8192,
    ID_BYTES = 36,
    TIME_BYTES = 24,
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void sleep_ms(double ms)
{
    struct timespec t = {.tv_nsec = (long)(ms * 1e6)};

    nanosleep(&t, NULL);
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_freshness: %s: %s\n", what, why);
    exit(3);
}

/* ---- the child ---- */

static pid_t child_start(char **command)
{
    pid_t child = fork();

    if (child < 0)
        die("fork", strerror(errno));
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execvp(command[0], command);
        fprintf(stderr, "bench_freshness: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    return child;
}

static void child_must_live(pid_t child)
{
    if (waitpid(child, NULL, WNOHANG) != 0)
        die("the command", "has ended before its time");
}

static struct rusage child_end(pid_t child)
{
    struct rusage used;
    int status;

    kill(child, SIGTERM);
    while (wait4(child, &status, 0, &used) < 0)
        if (errno != EINTR)
            die("the command", strerror(errno));
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        die("the command", "did not end well");
    return used;
}

/* ---- probes ---- */

/* The sender writes sent_at[n] and then raises sent_count; the times are the reader's until it has ended. */
static struct {
    double sent_at[PROBES_MAX];
    double seconds[PROBES_MAX]; /* 0: not seen yet */
    atomic_int sent_count;
    atomic_int unseen; /* all before it were seen */
} probes;

/* Event times begin here and follow the schedule, not the clock. */
static int64_t begin_ms;

static int64_t probe_time_ms(int probe)
{
    return begin_ms + (int64_t)probe * (1000 / PROBES_PER_S);
}

static void probe_seen(const char *host, double at)
{
    int probe;

    if (sscanf(host, "probe-%d", &probe) != 1 || probe < 0 || probe >= atomic_load(&probes.sent_count))
        die(host, "is the host of no probe that was sent");
    if (probes.seconds[probe] == 0)
        probes.seconds[probe] = at - probes.sent_at[probe];
    for (probe = atomic_load(&probes.unseen); probe < PROBES_MAX && probes.seconds[probe] != 0;)
        atomic_store(&probes.unseen, ++probe);
}

/* ---- the second connection ---- */

struct reader {
    sqlite3 *sqlite;
    sqlite3_stmt *statement;
    PGconn *postgres;
    int64_t polls_count;
    double busy_seconds; /* in queries */
    double seconds;      /* in all */
    atomic_bool stop;
};

/* False: the view is not there yet. */
static bool open_sqlite(struct reader *r, const char *path, const char *view)
{
    char sql[300];

    snprintf(sql, sizeof sql, "SELECT host FROM %s WHERE _end_ms > ?", view);
    if (sqlite3_open_v2(path, &r->sqlite, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(r->sqlite, 10000) == SQLITE_OK &&
        sqlite3_prepare_v2(r->sqlite, sql, -1, &r->statement, NULL) == SQLITE_OK)
        return true;
    sqlite3_close(r->sqlite);
    return false;
}

static bool open_postgres(struct reader *r, const char *url, const char *view)
{
    char sql[300];
    PGresult *result;
    bool there;

    snprintf(sql, sizeof sql, "SELECT host FROM %s WHERE _end_ms > $1", view);
    r->postgres = PQconnectdb(url);
    if (PQstatus(r->postgres) != CONNECTION_OK)
        die(url, PQerrorMessage(r->postgres));
    result = PQprepare(r->postgres, "probes", sql, 1, NULL);
    there = PQresultStatus(result) == PGRES_COMMAND_OK;
    PQclear(result);
    if (!there)
        PQfinish(r->postgres);
    return there;
}

static void reader_open(struct reader *r, const char *store, const char *view, pid_t child)
{
    double until = now_s() + WAIT_S;

    while (!(strncmp(store, "sqlite:", 7) == 0 ? open_sqlite(r, store + 7, view) : open_postgres(r, store, view))) {
        child_must_live(child);
        if (now_s() > until)
            die(view, "is not made");
        sleep_ms(20);
    }
}

static void poll_sqlite(struct reader *r, int64_t after_ms)
{
    static char hosts[PROBES_MAX][16]; /* when the query has ended is known only then */
    int count = 0, rc;
    double at;

    sqlite3_bind_int64(r->statement, 1, after_ms);
    while ((rc = sqlite3_step(r->statement)) == SQLITE_ROW)
        snprintf(hosts[count++], sizeof hosts[0], "%s", (const char *)sqlite3_column_text(r->statement, 0));
    if (rc != SQLITE_DONE)
        die("SQLite", sqlite3_errmsg(r->sqlite));
    sqlite3_reset(r->statement);
    at = now_s();
    for (int i = 0; i < count; i++)
        probe_seen(hosts[i], at);
}

static void poll_postgres(struct reader *r, int64_t after_ms)
{
    char text[24];
    const char *values[] = {text};
    PGresult *result;
    double at;

    snprintf(text, sizeof text, "%" PRId64, after_ms);
    result = PQexecPrepared(r->postgres, "probes", 1, values, NULL, NULL, 0);
    at = now_s();
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        die("PostgreSQL", PQerrorMessage(r->postgres));
    for (int i = 0; i < PQntuples(result); i++)
        probe_seen(PQgetvalue(result, i, 0), at);
    PQclear(result);
}

static void *read_rows(void *context)
{
    struct reader *r = context;
    double opened = now_s();

    while (!atomic_load(&r->stop)) {
        double begin = now_s();

        (r->sqlite != NULL ? poll_sqlite : poll_postgres)(r, probe_time_ms(atomic_load(&probes.unseen)));
        r->polls_count++;
        r->busy_seconds += now_s() - begin;
        sleep_ms(POLL_MS);
    }
    r->seconds = now_s() - opened;
    return NULL;
}

static void reader_close(struct reader *r)
{
    sqlite3_finalize(r->statement);
    sqlite3_close(r->sqlite);
    PQfinish(r->postgres);
}

/* ---- sending ---- */

static struct {
    char *text;
    size_t size, id, host, host_size, time; /* where they are in it */
} lines[LINES_MAX];
static size_t lines_count;

static size_t value_at(const char *line, const char *name)
{
    const char *found = strstr(line, name);

    if (found == NULL)
        die(line, "is no line of bench_events");
    return (size_t)(found - line) + strlen(name);
}

static void read_lines(const char *path)
{
    FILE *in = fopen(path, "r");
    size_t capacity = 0;
    ssize_t size;
    char *line = NULL;

    if (in == NULL)
        die(path, strerror(errno));
    while (lines_count < LINES_MAX && (size = getline(&line, &capacity, in)) > 0) {
        size -= line[size - 1] == '\n';
        line[size] = '\0';
        lines[lines_count].text = line;
        lines[lines_count].size = (size_t)size;
        lines[lines_count].id = value_at(line, "\"event_id\":\"");
        lines[lines_count].host = value_at(line, "\"host\":\"");
        lines[lines_count].host_size = strcspn(line + lines[lines_count].host, "\"");
        lines[lines_count].time = value_at(line + lines[lines_count].host, "\"event_time\":\"") + lines[lines_count].host;
        lines_count++;
        line = NULL;
    }
    free(line);
    fclose(in);
    if (lines_count == 0)
        die(path, "is empty");
}

static rd_kafka_t *producer_open(const char *broker)
{
    const char *const settings[] = {
        "bootstrap.servers", broker, "linger.ms", "5", "compression.type", "lz4", "queue.buffering.max.messages",
        "1000000",           NULL};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[300];
    rd_kafka_t *rk;

    for (const char *const *s = settings; *s != NULL; s += 2)
        if (rd_kafka_conf_set(conf, s[0], s[1], words, sizeof words) != RD_KAFKA_CONF_OK)
            die(s[0], words);
    rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    if (rk == NULL)
        die(broker, words);
    return rk;
}

struct sender {
    rd_kafka_t *rk;
    const char *topic;
    int rate;    /* events a second */
    int seconds; /* warming up is in it */
};

/* The line with another id and time, and the host of a probe where `probe` is one. Times have milliseconds: events of one share them. */
static size_t event_write(char *out, int64_t event, int rate, int probe)
{
    size_t which = (size_t)event % lines_count, head = lines[which].host, tail = head + lines[which].host_size;
    int64_t ms = begin_ms + event * 1000 / rate;
    time_t second = (time_t)(ms / 1000);
    char id[64], stamp[64];
    struct tm parts;
    size_t size;

    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012" PRId64, event);
    gmtime_r(&second, &parts);
    size = strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(stamp + size, sizeof stamp - size, ".%03dZ", (int)(ms % 1000));
    memcpy(out, lines[which].text, lines[which].size);
    memcpy(out + lines[which].id, id, ID_BYTES);
    memcpy(out + lines[which].time, stamp, TIME_BYTES);
    if (probe < 0)
        return lines[which].size;
    size = head + (size_t)sprintf(out + head, "probe-%d", probe); /* its tail is written again behind the new host */
    memcpy(out + size, lines[which].text + tail, lines[which].size - tail);
    memcpy(out + size + (lines[which].time - tail), stamp, TIME_BYTES);
    return size + lines[which].size - tail;
}

static void event_send(const struct sender *s, int64_t event)
{
    static char text[2 * LINE_BYTES_MAX];
    int every = s->rate / PROBES_PER_S;
    int probe = event % every == 0 ? (int)(event / every) : -1;
    size_t size = event_write(text, event, s->rate, probe);
    rd_kafka_resp_err_t code;

    if (probe >= 0) {
        probes.sent_at[probe] = now_s();
        atomic_store(&probes.sent_count, probe + 1);
    }
    while ((code = rd_kafka_producev(s->rk, RD_KAFKA_V_TOPIC(s->topic),
                                     RD_KAFKA_V_PARTITION((int32_t)(event / every % PARTITIONS)), RD_KAFKA_V_VALUE(text, size),
                                     RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(s->rk, 10);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(s->topic, rd_kafka_err2str(code));
}

/* Events that were sent, in how many seconds: behind its schedule it hurries. */
static int64_t send_all(const struct sender *s, pid_t child, double *seconds)
{
    int64_t all = (int64_t)s->rate * s->seconds, sent = 0;
    double begin = now_s();

    while (sent < all) {
        double due = (now_s() - begin) * s->rate;

        while (sent < all && (double)sent < due)
            event_send(s, sent++);
        rd_kafka_poll(s->rk, 0);
        child_must_live(child);
        sleep_ms(1);
    }
    *seconds = now_s() - begin;
    return sent;
}

/* ---- all of it ---- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* False: a probe is missing. */
static bool all_seen(pid_t child)
{
    int all = atomic_load(&probes.sent_count), seen;
    double until = now_s() + WAIT_S;

    while ((seen = atomic_load(&probes.unseen)) < all && now_s() < until) {
        child_must_live(child);
        sleep_ms(20);
    }
    if (seen < all)
        fprintf(stderr, "bench_freshness: probe %d of %d was not seen within %d s of the last one\n", seen, all, WAIT_S);
    return seen == all;
}

static void print(const struct reader *r, double rate, int behind, const struct rusage *used)
{
    int first = WARM_UP_S * PROBES_PER_S, count = atomic_load(&probes.sent_count) - first;
    double *seconds = probes.seconds + first;

    qsort(seconds, (size_t)count, sizeof *seconds, compare);
    printf("p50_ms=%.1f p99_ms=%.1f max_ms=%.1f probes=%d events_per_s=%.0f behind=%d polls_per_s=%.0f poll_us=%.0f "
           "cpu_seconds=%.2f "
           "rss_bytes=%lld\n",
           seconds[(count - 1) / 2] * 1e3, seconds[(count * 99 + 99) / 100 - 1] * 1e3, seconds[count - 1] * 1e3, count, rate,
           behind, (double)r->polls_count / r->seconds, r->busy_seconds / (double)r->polls_count * 1e6,
           seconds_of(used->ru_utime) + seconds_of(used->ru_stime), (long long)used->ru_maxrss * 1024);
}

int main(int argc, char **argv)
{
    static struct reader reader;
    struct sender sender;
    struct rusage used;
    pthread_t thread;
    double seconds;
    int64_t sent;
    int behind;
    bool seen;
    pid_t child;

    if (argc < 9 || (sender.rate = atoi(argv[3])) < PROBES_PER_S || sender.rate % PROBES_PER_S != 0 || atoi(argv[4]) < 1 ||
        atoi(argv[4]) > SECONDS_MAX) {
        fputs("usage: bench_freshness BROKER TOPIC RATE SECONDS EVENTS STORE VIEW COMMAND...\n", stderr);
        return 2;
    }
    child = child_start(argv + 8); /* first: what this process holds by now counts as the child's */
    read_lines(argv[5]);
    begin_ms = (int64_t)time(NULL) * 1000;
    sender.rk = producer_open(argv[1]);
    sender.topic = argv[2];
    sender.seconds = WARM_UP_S + atoi(argv[4]);
    reader_open(&reader, argv[6], argv[7], child);
    if (pthread_create(&thread, NULL, read_rows, &reader) != 0)
        die("thread", "cannot be made");
    sent = send_all(&sender, child, &seconds);
    behind = rd_kafka_outq_len(sender.rk);
    if (rd_kafka_flush(sender.rk, WAIT_S * 1000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(sender.topic, "what was sent is not acknowledged");
    seen = all_seen(child);
    atomic_store(&reader.stop, true);
    pthread_join(thread, NULL);
    reader_close(&reader);
    rd_kafka_destroy(sender.rk);
    used = child_end(child);
    if (seen)
        print(&reader, (double)sent / seconds, behind, &used);
    return seen ? 0 : 1;
}
