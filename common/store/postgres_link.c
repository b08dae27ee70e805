/* postgres_link.c: a URL becomes a connection to a PostgreSQL server; what goes wrong becomes one line with the setting to look at.
 *
 * All that libpq understands holds: the URL's parameters, the environment (PGHOST, PGSERVICE, PGSSLMODE ...), service files, .pgpass. One
 * parameter of the URL is ours: schema. A password never stands in a message: what a message names is the server, its port and its database. */
#include "store/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define DEFAULT_SCHEMA "tally"

/* ---- the URL ---- */

static int hex_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A malloc'ed copy with its %xx as bytes; NULL: no memory, or a % that is none of these. */
static char *decoded(const char *from, size_t size)
{
    char *to = malloc(size + 1);
    size_t at = 0;

    for (size_t i = 0; to != NULL && i < size; i++) {
        int high = from[i] == '%' && i + 2 < size ? hex_of(from[i + 1]) : -1, low = high >= 0 ? hex_of(from[i + 2]) : -1;

        if (from[i] == '%' && (low < 0 || (high == 0 && low == 0))) {
            free(to);
            return NULL;
        }
        to[at++] = from[i] == '%' ? (char)(high * 16 + low) : from[i];
        i += from[i] == '%' ? 2 : 0;
    }
    if (to != NULL)
        to[at] = '\0';
    return to;
}

/* The names of tables have up to 63 bytes there, and so has a schema's. */
static enum tl_code check_schema_name(const char *schema, struct tl_err *err)
{
    if (schema == NULL || schema[0] == '\0' || strlen(schema) > 63 || strncmp(schema, "pg_", 3) == 0)
        return tl_fail(err, TL_ERR_USAGE,
                       "--store: schema=%s: not the name of a schema; up to 63 bytes that do not begin with pg_ would do, as in "
                       "postgresql://HOST/DATABASE?schema=" DEFAULT_SCHEMA,
                       schema != NULL ? schema : "?");
    return TL_OK;
}

enum tl_code tl_pg_take_url(struct tl_pg *pg, const char *url, struct tl_err *err)
{
    static const char name[] = "schema=";
    const char *query = strchr(url, '?'), *at = query;
    enum tl_code rc = TL_OK;

    pg->url = strdup(url);
    if (pg->url == NULL)
        TL_TRY(tl_fail_memory(err, strlen(url)));
    while (at != NULL && strncmp(at + 1, name, sizeof name - 1) != 0)
        at = strchr(at + 1, '&');
    if (at != NULL) {
        const char *value = at + sizeof name;
        size_t size = strcspn(value, "&");

        pg->schema = decoded(value, size);
        /* What follows takes its place, its '?' or '&' included. */
        snprintf(pg->url + (at - url), strlen(url) + 1 - (size_t)(at - url), "%s", value + size);
        if (at == query && value[size] == '&')
            pg->url[at - url] = '?';
    } else {
        pg->schema = strdup(DEFAULT_SCHEMA);
    }
    TL_TRY(check_schema_name(pg->schema, err));
out:
    return rc;
}

/* ---- errors ---- */

bool tl_pg_lost(const struct tl_pg *pg)
{
    return pg->conn == NULL || pg->silent || PQstatus(pg->conn) != CONNECTION_OK;
}

static const struct {
    const char *state; /* the first characters of an SQLSTATE; the first row that fits counts */
    enum tl_code code;
    bool retriable;
    const char *hint;
} causes[] = {
    {"23505", TL_ERR_LIMIT,   false, "the same row stands there twice"                                },
    {"54",    TL_ERR_LIMIT,   false, "PostgreSQL takes no value of 1 GB or more"                      },
    {"42501", TL_ERR_IO,      false,
     "the role lacks a right: deploy/postgres/roles.sql shows who needs which; where it is about a file, the server may not "
     "write there: make it writable"                                                                  },
    {"25006", TL_ERR_IO,      true,
     "it takes no writes now: a standby (target_session_attrs=read-write finds the primary), or "
     "default_transaction_read_only"                                                                  },
    {"57014", TL_ERR_IO,      true,  "statement_timeout is too short for it, or somebody cancelled it"},
    {"55P03", TL_ERR_BUSY,    true,
     "another session has it locked (pg_stat_activity says which); it waited as long as "
     "lock_timeout says"                                                                              },
    {"25P03", TL_ERR_IO,      true,  "idle_in_transaction_session_timeout has ended the session"      },
    {"40",    TL_ERR_IO,      true,  NULL                                                             },
    {"53100", TL_ERR_IO,      true,  "the server's disk is full; free some space there and try again" },
    {"53300", TL_ERR_IO,      true,  "max_connections, or the role's limit, is too low"               },
    {"53",    TL_ERR_IO,      true,  NULL                                                             },
    {"57P",   TL_ERR_IO,      true,  NULL                                                             },
    {"08",    TL_ERR_IO,      true,  NULL                                                             },
    {"58",    TL_ERR_IO,      true,  NULL                                                             },
    {"2BP01", TL_ERR_IO,      true,  "something that is not tally's depends on it; drop that first"   },
    {"42",    TL_ERR_CORRUPT, false,
     "the schema is not as tally left it; put a backup in its place, or name another one with ?schema=: tally makes it anew "
     "from the log and the master record"                                                             },
    {"3F",    TL_ERR_CORRUPT, false, "the schema has gone; start again, and tally makes it anew"      },
    {"XX001", TL_ERR_CORRUPT, false, "the server's data are damaged; put a backup in their place"     },
    {"XX002", TL_ERR_CORRUPT, false, "an index of the server is damaged; REINDEX makes it anew"       },
    {"XX",    TL_ERR_IO,      true,  "a fault within the server; its log says more"                   },
};

/* Words of the server or of libpq in one line. libpq says the same twice where it has tried with and without TLS. */
static void one_line(char *out, size_t size, const char *words)
{
    size_t at = 0;

    while (*words != '\0') {
        size_t length = strcspn(words, "\r\n");
        const char *end = words + length;
        bool said = at >= length && memcmp(out, words, length) == 0;

        if (!said && at > 0 && at + 2 < size)
            out[at++] = ' ';
        for (; !said && words < end && at + 1 < size; words++)
            out[at++] = *words == '\t' ? ' ' : *words;
        words = end + strspn(end, "\r\n");
    }
    out[at] = '\0';
}

static enum tl_code fail_lost(struct tl_pg *pg, struct tl_err *err, const char *what)
{
    char words[400];

    if (pg->silent && pg->base.deadline_ms != 0)
        snprintf(words, sizeof words, "it took longer than it may, and the server has not stopped it");
    else if (pg->silent)
        snprintf(words, sizeof words, "the server has not answered for %lld s", (long long)(pg->silence_ms / 1000));
    else
        one_line(words, sizeof words, pg->conn == NULL ? "there is no connection" : PQerrorMessage(pg->conn));
    tl_fail(err, TL_ERR_IO, "%s: %s: the connection is lost: %s", pg->base.place, what, words);
    if (err != NULL)
        err->retriable = true;
    return TL_ERR_IO;
}

enum tl_code tl_pg_fail(struct tl_pg *pg, struct tl_err *err, const char *what, const PGresult *result)
{
    const char *primary = result == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = primary == NULL ? NULL : PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    const char *state = primary == NULL ? NULL : PQresultErrorField(result, PG_DIAG_SQLSTATE);
    char words[600], more[300];
    size_t cause = 0;

    /* "server closed the connection unexpectedly" comes as a result too, without a state. */
    if (primary == NULL || state == NULL)
        return fail_lost(pg, err, what);
    one_line(words, sizeof words, primary);
    one_line(more, sizeof more, detail != NULL ? detail : "");
    while (cause < TL_COUNT(causes) && strncmp(state, causes[cause].state, strlen(causes[cause].state)) != 0)
        cause++;
    if (cause == TL_COUNT(causes) || causes[cause].hint == NULL)
        tl_fail(err, cause == TL_COUNT(causes) ? TL_ERR_IO : causes[cause].code, "%s: %s: %s%s%s (SQLSTATE %s)", pg->base.place,
                what, words, more[0] != '\0' ? ": " : "", more, state);
    else
        tl_fail(err, causes[cause].code, "%s: %s: %s%s%s (SQLSTATE %s): %s", pg->base.place, what, words,
                more[0] != '\0' ? ": " : "", more, state, causes[cause].hint);
    if (err != NULL)
        err->retriable = cause < TL_COUNT(causes) && causes[cause].retriable;
    return cause == TL_COUNT(causes) ? TL_ERR_IO : causes[cause].code;
}

/* ---- connecting ---- */

/* What is said when no connection comes about. libpq's words are in English: we set no locale. The server's own, which stand behind FATAL:, may be in
 * another language. Names of hosts and files may hold any of them, and stand before "failed:". */
static const struct {
    const char *words, *hint;
    bool servers;
} refusals[] = {
    {"password authentication failed", "the password: in the URL, PGPASSWORD, or ~/.pgpass (PGPASSFILE)",                 true },
    {"no password supplied",           "the password: in the URL, PGPASSWORD, or ~/.pgpass (PGPASSFILE)",                 false},
    {"certificate",                    "sslrootcert (whose signature is trusted), sslmode, sslcert and sslkey",           false},
    {"SSL",                            "sslmode, and whether the server has ssl = on",                                    false},
    {"pg_hba.conf",                    "the server's pg_hba.conf lets this role, address and sslmode not in",             true },
    {"role",                           "the role: in the URL, or PGUSER; deploy/postgres/roles.sql makes it",             true },
    {"database \"",                    "the database: in the URL's path, or PGDATABASE; createdb makes it",               true },
    {"no such database",               "the database: in the URL's path, or PGDATABASE; createdb makes it",               true },
    {"definition of service",          "PGSERVICE or service=, and the service file (PGSERVICEFILE, ~/.pg_service.conf)", false},
};

/* What passes: a server that goes or comes, a network that is away, no room just now. */
static const char *const passing[] = {
    "terminating connection",
    "closed the connection",
    "Connection re", /* refused, reset */
    "timeout",
    "timed out",
    "starting up",
    "shutting down",
    "recovery",
    "accepting connections",
    "too many",
    "connection slots",
    "could not translate",
    "could not receive",
    "could not send",
    "unreachable",
    "No route",
    "is down", /* the host, the network */
    "unexpected eof",
    "SSL SYSCALL",
    "SSL connection has been closed",
};

static size_t refusal_of(const char *words)
{
    const char *reason = strstr(words, "failed: "), *servers = strstr(words, "FATAL:");
    size_t i = 0;

    if (reason == NULL)
        reason = words;
    while (i < TL_COUNT(refusals) && (refusals[i].servers ? servers == NULL || strstr(servers, refusals[i].words) == NULL
                                                          : strstr(reason, refusals[i].words) == NULL))
        i++;
    return i;
}

/* Words that are in neither list may be in another language: then it is asked whether the server is there, and did not want us. */
static bool may_come_back(const char *words, bool refused, const char *const *keys, const char *const *values)
{
    PGPing ping;

    for (size_t i = 0; i < TL_COUNT(passing); i++)
        if (strstr(words, passing[i]) != NULL)
            return true;
    if (refused)
        return false;
    ping = PQpingParams(keys, values, 0);
    return ping != PQPING_OK && ping != PQPING_NO_ATTEMPT;
}

static enum tl_code fail_connect(struct tl_pg *pg, const char *const *keys, const char *const *values, struct tl_err *err)
{
    char words[500];
    size_t refusal;
    bool retriable;

    one_line(words, sizeof words, PQerrorMessage(pg->conn));
    refusal = refusal_of(words);
    /* Who was let in once waits for somebody to put it right. */
    retriable = pg->connections > 0 || may_come_back(words, refusal < TL_COUNT(refusals), keys, values);
    if (refusal == TL_COUNT(refusals))
        tl_fail(err, TL_ERR_IO, "%s: no connection: %s", pg->base.place, words);
    else
        tl_fail(err, TL_ERR_IO, "%s: no connection: %s; look at %s", pg->base.place, words, refusals[refusal].hint);
    if (err != NULL)
        err->retriable = retriable;
    tl_pg_disconnect(pg);
    return TL_ERR_IO;
}

/* libpq's words about a URL may quote it, and a password with it. */
static enum tl_code fail_url(struct tl_err *err, const char *words)
{
    char line[300];
    char *quoted;

    one_line(line, sizeof line, words != NULL ? words : "");
    quoted = strstr(line, "\"postgres");
    if (quoted != NULL)
        snprintf(quoted, sizeof line - (size_t)(quoted - line), "it");
    return tl_fail(err, TL_ERR_USAGE,
                   "--store: not a URL that PostgreSQL understands (%s); postgresql://USER@HOST:5432/DATABASE would do", line);
}

/* What stands before a message: where the server is, and whose tables. */
static enum tl_code take_place(struct tl_pg *pg, struct tl_err *err)
{
    const char *host = PQhost(pg->conn), *port = PQport(pg->conn), *database = PQdb(pg->conn);
    char *place = NULL;

    if (asprintf(&place, "postgresql://%s:%s/%s?schema=%s", host != NULL ? host : "", port != NULL ? port : "",
                 database != NULL ? database : "", pg->schema) < 0)
        return tl_fail_memory(err, 200);
    free(pg->base.place);
    pg->base.place = place;
    return TL_OK;
}

static void no_notice(void *ctx, const PGresult *result)
{
    (void)ctx;
    (void)result;
}

/* A connection that nothing comes through any more is noticed within half a minute, whatever the system's own settings are; a server that takes what
 * is sent, and says nothing, in twice the time of tcp_user_timeout (postgres_pipeline.c). */
static const struct {
    const char *key, *value;
} defaults[] = {
    {"fallback_application_name", "tally"},
    {"connect_timeout",           "10"   },
    {"keepalives_idle",           "10"   },
    {"keepalives_interval",       "5"    },
    {"keepalives_count",          "4"    },
    {"tcp_user_timeout",          "30000"},
};
enum { KEYS_MAX = 80, SILENCE_MS = 60000, SILENCE_MAX_MS = 24 * 3600 * 1000 };

static enum tl_code open_connection(struct tl_pg *pg, PQconninfoOption *given, struct tl_err *err)
{
    const char *keys[KEYS_MAX], *values[KEYS_MAX];
    int64_t left_ms = pg->base.deadline_ms - tl_clock_monotonic_ms();
    char left_s[24];
    size_t count = 0;
    enum tl_code rc;

    snprintf(left_s, sizeof left_s, "%lld", (long long)tl_max_i64((left_ms + 999) / 1000, 2)); /* libpq knows no less */
    pg->silence_ms = SILENCE_MS;
    for (const PQconninfoOption *option = given; option->keyword != NULL; option++) {
        const char *value = option->val;

        for (size_t i = 0; value == NULL && i < TL_COUNT(defaults); i++)
            if (strcmp(option->keyword, defaults[i].key) == 0 && (option->envvar == NULL || getenv(option->envvar) == NULL))
                value = defaults[i].value;
        if (pg->base.deadline_ms != 0 && strcmp(option->keyword, "connect_timeout") == 0)
            value = left_s;
        if (value == NULL || count + 2 >= KEYS_MAX)
            continue;
        if (strcmp(option->keyword, "tcp_user_timeout") == 0 && strtol(value, NULL, 10) > 0)
            pg->silence_ms = tl_min_i64(2 * strtol(value, NULL, 10), SILENCE_MAX_MS);
        keys[count] = option->keyword;
        values[count++] = value;
    }
    keys[count] = "client_encoding";
    values[count++] = "UTF8";
    keys[count] = values[count] = NULL;
    pg->conn = PQconnectdbParams(keys, values, 0);
    if (pg->conn == NULL)
        return tl_fail_memory(err, 0);
    TL_TRY(take_place(pg, err));
    if (PQstatus(pg->conn) != CONNECTION_OK)
        TL_TRY(fail_connect(pg, keys, values, err));
out:
    return rc;
}

/* A commit that returned is on the disk: synchronous_commit = off is not for us; what waits for standbys too stays. The server is to notice a
 * machine that is gone as we do: whoever it was may hold locks. A lock is not waited for as long as a silent server is ($2 ms): it would look like one. */
static const char sql_set_up[] =
    "SELECT set_config('search_path', quote_ident($1) || ', pg_temp', false), set_config('jit', 'off', false),"
    " set_config('lock_timeout', CAST(LEAST(CAST($2 AS BIGINT), COALESCE(NULLIF((SELECT CAST(setting AS BIGINT) FROM pg_settings"
    " WHERE name = 'lock_timeout'), 0), 30000)) AS TEXT), false),"
    " set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on'"
    " ELSE current_setting('synchronous_commit') END, false), set_config('tcp_keepalives_idle', '10', false),"
    " set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '4', false),"
    " set_config('tcp_user_timeout', '30000', false)";

static enum tl_code set_up(struct tl_pg *pg, struct tl_err *err)
{
    const char *encoding = PQparameterStatus(pg->conn, "server_encoding");
    char lock_ms[24];
    const char *values[] = {pg->schema, lock_ms};
    static const char what[] = "set up the connection";
    enum tl_code rc = TL_OK;

    snprintf(lock_ms, sizeof lock_ms, "%lld", (long long)tl_max_i64(pg->silence_ms / 2, 1));
    PQsetNoticeReceiver(pg->conn, no_notice, NULL);
    if (PQserverVersion(pg->conn) < 120000)
        TL_TRY(tl_fail(err, TL_ERR_IO, "%s: the server is PostgreSQL %d; 12 or newer would do", pg->base.place,
                       PQserverVersion(pg->conn) / 10000));
    if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
        TL_TRY(tl_fail(err, TL_ERR_IO,
                       "%s: the database's encoding is %s, and texts are UTF-8; a database of `createdb -E UTF8 -T template0` "
                       "would do",
                       pg->base.place, encoding != NULL ? encoding : "unknown"));
    if (PQsetnonblocking(pg->conn, 1) != 0 || !PQenterPipelineMode(pg->conn) ||
        !PQsendQueryParams(pg->conn, sql_set_up, 2, NULL, values, NULL, NULL, 1))
        TL_TRY(fail_lost(pg, err, what));
    tl_pg_note(pg, NULL, what);
    TL_TRY(tl_pg_drain(pg, NULL, err));
out:
    return rc;
}

enum tl_code tl_pg_connect(struct tl_pg *pg, struct tl_err *err)
{
    PQconninfoOption *given;
    char *words = NULL;
    enum tl_code rc;

    tl_pg_disconnect(pg);
    given = PQconninfoParse(pg->url, &words);
    if (given == NULL) {
        rc = fail_url(err, words);
        PQfreemem(words);
        return rc;
    }
    TL_TRY(open_connection(pg, given, err));
    pg->connections++;
    TL_TRY(set_up(pg, err));
out:
    PQconninfoFree(given);
    if (rc != TL_OK)
        tl_pg_disconnect(pg);
    return rc;
}

void tl_pg_disconnect(struct tl_pg *pg)
{
    PQfinish(pg->conn);
    pg->conn = NULL;
    pg->pending_count = 0;
    pg->unsynced_bytes = 0;
    pg->begun = pg->begun_write = pg->failed = pg->silent = false;
    pg->impatient = pg->base.writable;
}
