/* store_postgres_test.c: the store in PostgreSQL: the schema that is ours and the ones that are not, what is refused and how it is said, what other
 * tools see. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/store_fixture.h"

#define MIN_MS INT64_MIN
#define MAX_MS INT64_MAX

static char url[512];

static void sql(const char *statements)
{
    store_postgres_sql(url, statements);
}

static const char *ask(const char *query)
{
    return store_postgres_ask(url, query);
}

static struct tl_store *make_store(int64_t *id)
{
    struct tl_shape shape = store_windowed("hits", 'a');
    struct tl_store *store;

    store_postgres.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, id, err));
    return store;
}

static void make_and_close(void)
{
    int64_t id = 0;
    struct tl_store *store = make_store(&id);

    store_put_speed(store, store_epoch(store), id, 0, 10, "a", 1);
    tl_store_close(store);
}

static void expect(const char *got, const char *want)
{
    cr_assert_str_eq(got, want, "got:\n%swant:\n%s", got, want);
}

/* The parts of POSTGRES_URL: postgresql://USER:PASSWORD@HOST:PORT/DATABASE. */
static struct parts {
    char user[64], password[64], host[64], port[16], database[64];
} parts_of_server(void)
{
    struct parts parts;

    cr_assert_eq(sscanf(store_server("POSTGRES_URL"), "postgresql://%63[^:]:%63[^@]@%63[^:]:%15[^/]/%63s", parts.user,
                        parts.password, parts.host, parts.port, parts.database),
                 5);
    return parts;
}

/* A setting of the server's, for this connection. */
static void with_option(char out[700], const char *name, const char *value)
{
    snprintf(out, 700, "%s&options=-c%%20%s%%3D%s", url, name, value);
}

/* ---- whose schema it is ---- */

/* Both ways to open it are refused, and what stands there stays. */
static void expect_refusal(const char *word)
{
    static const char count[] = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace";
    struct tl_store *store = NULL;
    char before[32];

    snprintf(before, sizeof before, "%s", ask(count));
    FAILS(TL_ERR_CORRUPT, word, tl_store_open(url, TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_CORRUPT, word, tl_store_open(url, TL_STORE_READ, &store, err));
    cr_assert_null(store);
    cr_assert_str_eq(before, ask(count));
}

struct foreign_case {
    char name[40], statements[160], word[60];
};

ParameterizedTestParameters(store_postgres, foreign)
{
    static struct foreign_case cases[] = {
        {"newer",               "UPDATE tally_schema SET version = 6",         "a newer tally"                     },
        {"much newer",          "UPDATE tally_schema SET version = 999",       "its schema is version 999"         },
        {"no version",          "DELETE FROM tally_schema",                    "does not say its version"          },
        {"version 0",           "UPDATE tally_schema SET version = 0",         "does not say its version"          },
        {"no epoch",            "DELETE FROM tally_epoch",                     "does not say its version"          },
        {"a table is missing",  "DROP TABLE tally_epoch",                      "not as tally left it"              },
        {"a column is missing", "ALTER TABLE tally_change DROP COLUMN change", "not as tally left it"              },
        {"somebody else's",     "DROP TABLE tally_schema",                     "tables and views of something else"},
    };
    return cr_make_param_array(struct foreign_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct foreign_case *c, store_postgres, foreign, .fini = store_folder_remove)
{
    make_and_close();
    sql(c->statements);
    expect_refusal(c->word);
}

Test(store_postgres, an_empty_schema_is_used, .fini = store_folder_remove)
{
    struct tl_store *store = NULL;

    store_postgres.url(url);
    store_postgres_sql(store_server("POSTGRES_URL"), "SELECT 1");
    {
        char statement[100];

        snprintf(statement, sizeof statement, "CREATE SCHEMA %s", strstr(url, "schema=") + 7);
        store_postgres_sql(store_server("POSTGRES_URL"), statement);
    }
    FAILS(TL_ERR_NOT_FOUND, "no store yet", tl_store_open(url, TL_STORE_READ, &store, err));
    store = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(store_epoch(store), 1);
    tl_store_close(store);
    expect(ask("SELECT version FROM tally_schema"), "5\n");
}

/* What versions 2 to 5 added, taken away: an older store is brought up, and what stood there stays. */
Test(store_postgres, an_older_store_is_brought_up, .fini = store_folder_remove)
{
    static const char columns[] =
        "SELECT table_name, column_name, data_type, column_default, is_nullable FROM information_schema.columns"
        " WHERE table_schema = current_schema() ORDER BY 1, 2";
    const struct tl_sv topic = TL_SV("site-a");
    struct tl_shape hits = store_windowed("hits", 'a');
    struct tl_store *store = NULL;
    char *before;
    int64_t id = 0;

    store_postgres.url(url);
    store = store_open(url, TL_STORE_WRITE);
    OK(tl_store_define(store, &hits, &id, err));
    store_put_speed(store, store_epoch(store), id, 0, 10, "a", 1);
    tl_store_close(store);
    before = strdup(ask(columns));
    sql("ALTER TABLE tally_change DROP COLUMN store; DROP TABLE tally_reconciliation, tally_reconciliation_view, "
        "tally_reconciliation_cause; DROP INDEX "
        "tally_dead_letter_log;"
        " DROP TABLE tally_publication, tally_check_result, tally_sealed, tally_run_unread; ALTER TABLE tally_run DROP"
        " COLUMN events_count, DROP COLUMN bytes_count, DROP COLUMN duplicates_count, DROP COLUMN checks, DROP COLUMN failure;"
        " ALTER TABLE tally_run_range DROP COLUMN blocked, DROP COLUMN carry_in, DROP COLUMN published, DROP COLUMN pruned;"
        " ALTER TABLE tally_progress DROP COLUMN pruned_ms;"
        " DROP TABLE tally_topic; ALTER TABLE tally_definition DROP COLUMN by_pattern; UPDATE tally_schema SET version = 1");
    FAILS(TL_ERR_CORRUPT, "brings it up to date", tl_store_open(url, TL_STORE_READ, &store, err));
    store = store_open(url, TL_STORE_WRITE);
    expect(ask(columns), before);
    expect(ask("SELECT version FROM tally_schema"), "5\n");
    cr_assert_str_eq(store_answer(store, "hits", TL_LAYER_MERGED, INT64_MIN, INT64_MAX), "0 10 a 1 speed 0\n");
    OK(tl_store_number_topics(store, &topic, 1, err));
    tl_store_close(store);
    free(before);
}

/* A failure in the middle of it leaves nothing: no schema, or all of it. */
Test(store_postgres, made_whole_or_not_at_all, .fini = store_folder_remove)
{
    struct tl_store *store = NULL;
    char query[200], other[700], value[16];

    store_postgres.url(url);
    snprintf(query, sizeof query, "SELECT count(*) FROM pg_namespace WHERE nspname = '%s'", strstr(url, "schema=") + 7);
    for (int timeout_ms = 1; timeout_ms < 60; timeout_ms++) { /* of one statement: sooner or later none takes so long */
        snprintf(value, sizeof value, "%dms", timeout_ms);
        with_option(other, "statement_timeout", value);
        if (tl_store_open(other, TL_STORE_WRITE, &store, NULL) == TL_OK)
            break;
        expect(store_postgres_ask(store_server("POSTGRES_URL"), query), "0\n");
    }
    tl_store_close(store);
    store = store_open(url, TL_STORE_WRITE);
    cr_assert_eq(store_epoch(store), 1);
    tl_store_close(store);
}

Test(store_postgres, two_make_it_at_once, .fini = store_folder_remove)
{
    enum { PROCESSES = 6 };
    int go[2], status;

    store_postgres.url(url);
    cr_assert_eq(pipe(go), 0);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            struct tl_shape shape = store_windowed("hits", 'a');
            struct tl_store *store = NULL;
            struct tl_err why = {.message = ""};
            int64_t id = 0;
            char byte;
            bool ok;

            close(go[1]);
            (void)!read(go[0], &byte, 1); /* until all are there */
            ok = tl_store_open(url, TL_STORE_WRITE, &store, &why) == TL_OK &&
                 tl_store_define(store, &shape, &id, &why) == TL_OK && id == 1;
            if (!ok)
                fprintf(stderr, "%s\n", why.message);
            tl_store_close(store);
            _exit(ok ? 0 : 1);
        }
    close(go[0]);
    close(go[1]);
    for (int i = 0; i < PROCESSES; i++) {
        cr_assert_gt(wait(&status), 0);
        cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

/* ---- connecting ---- */

static void expect_no_connection(const char *to, bool retriable, const char *word, const char *other)
{
    struct tl_store *store = NULL;
    struct tl_err why = {.message = ""};

    cr_assert_eq(tl_store_open(to, TL_STORE_WRITE, &store, &why), TL_ERR_IO, "%s: %s", to, why.message);
    cr_assert_null(store);
    cr_assert_eq(why.retriable, retriable, "%s", why.message);
    cr_assert_not_null(strstr(why.message, word), "'%s' is not in: %s", word, why.message);
    cr_assert_not_null(strstr(why.message, other), "'%s' is not in: %s", other, why.message);
    cr_assert_null(strchr(why.message, '\n'), "%s", why.message);
    cr_assert_null(strstr(why.message, "sesame"), "the password is told: %s", why.message);
}

static const char *url_of(const char *user, const char *password, const char *host, const char *port, const char *rest)
{
    static char text[1200];

    snprintf(text, sizeof text, "postgresql://%s:%s@%s:%s/%s", user, password, host, port, rest);
    return text;
}

Test(store_postgres, refusals_say_what_to_look_at)
{
    struct parts p = parts_of_server();

    expect_no_connection(url_of(p.user, "sesame", p.host, p.port, p.database), false, "password authentication failed",
                         "PGPASSWORD");
    expect_no_connection(url_of("nobody_of_that_name", "sesame", p.host, p.port, p.database), false, "nobody_of_that_name",
                         "PGPASSWORD");
    expect_no_connection(url_of(p.user, p.password, p.host, p.port, "nothing_of_that_name"), false,
                         "database \"nothing_of_that_name\" does not exist", "createdb");
    expect_no_connection(url_of(p.user, "sesame", p.host, "1", p.database), true, "Connection refused", "127.0.0.1:1/");
    expect_no_connection(url_of(p.user, "sesame", "no-such-host.invalid", p.port, p.database), true,
                         "could not translate host name", "no-such-host.invalid");
}

/* Takes one connection and says no in the server's words, in a process of its own; gives the port. */
static uint16_t refuse_once(const char *const *fields, size_t count)
{
    int listener = socket(AF_INET, SOCK_STREAM, 0), client;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char words[300] = "E", startup[600];
    size_t used = 5;

    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s", fields[i]) + 1;
    words[used] = '\0';
    words[4] = (char)used; /* with the 0 at its end, and without the E */
    cr_assert(used < 128 && bind(listener, (struct sockaddr *)&at, size) == 0 && listen(listener, 1) == 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    if (fork() == 0) {
        client = accept(listener, NULL, NULL);
        _exit(read(client, startup, sizeof startup) > 0 && write(client, words, used + 1) == (ssize_t)used + 1 ? 0 : 1);
    }
    close(listener);
    return ntohs(at.sin_port);
}

/* "the database system is ..." is not about a database; a pooler's words are. */
Test(store_postgres, a_server_that_starts_is_no_mistake_in_the_url)
{
    static const char *const starts[] = {"SFATAL", "C57P03", "Mthe database system is not yet accepting connections"};
    static const char *const pooler[] = {"SFATAL", "C08P01", "Mno such database: tally"};
    struct tl_store *store = NULL;
    struct tl_err why = {.message = ""};

    snprintf(url, sizeof url, "postgresql://127.0.0.1:%u/tally?sslmode=disable", refuse_once(starts, TL_COUNT(starts)));
    cr_assert_eq(tl_store_open(url, TL_STORE_WRITE, &store, &why), TL_ERR_IO, "%s", why.message);
    cr_assert(why.retriable && strstr(why.message, starts[2] + 1) != NULL, "%s", why.message);
    cr_assert_null(strstr(why.message, "look at"), "%s", why.message);
    snprintf(url, sizeof url, "postgresql://127.0.0.1:%u/tally?sslmode=disable", refuse_once(pooler, TL_COUNT(pooler)));
    expect_no_connection(url, false, pooler[2] + 1, "look at the database");
}

Test(store_postgres, urls_that_are_none)
{
    struct tl_store *store = NULL;

    FAILS(TL_ERR_USAGE, "bogus", tl_store_open("postgresql://u:sesame@localhost/x?bogus=1", TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_USAGE, "understands", tl_store_open("postgresql://u:sesame@[::1/x", TL_STORE_WRITE, &store, err));
    {
        struct tl_err why = {.message = ""};

        cr_assert_eq(tl_store_open("postgresql://u:sesame@[::1/x", TL_STORE_WRITE, &store, &why), TL_ERR_USAGE);
        cr_assert_null(strstr(why.message, "sesame"), "%s", why.message);
    }
    FAILS(TL_ERR_USAGE, "schema", tl_store_open("postgresql://localhost/x?schema=", TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_USAGE, "schema", tl_store_open("postgresql://localhost/x?schema=pg_mine", TL_STORE_WRITE, &store, err));
    FAILS(TL_ERR_USAGE, "schema", tl_store_open("postgresql://localhost/x?schema=%zz", TL_STORE_WRITE, &store, err));
}

/* The schema stands anywhere among the parameters, and may have any name. */
Test(store_postgres, schema_of_the_url, .fini = store_folder_remove)
{
    static const char *const forms[] = {"%s?schema=t%%20%%22%d&connect_timeout=5", "%s?connect_timeout=5&schema=t%%20%%22%d",
                                        "%s?connect_timeout=5&schema=t%%20%%22%d&application_name=me"};
    char statement[100];

    for (size_t i = 0; i < TL_COUNT(forms); i++) {
        struct tl_store *store;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(url, sizeof url, forms[i], store_server("POSTGRES_URL"), (int)getpid());
#pragma GCC diagnostic pop
        store = store_open(url, TL_STORE_WRITE);
        cr_assert_eq(store_epoch(store), (int64_t)i + 1, "the same schema each time");
        tl_store_close(store);
    }
    snprintf(statement, sizeof statement, "DROP SCHEMA \"t \"\"%d\" CASCADE", (int)getpid());
    store_postgres_sql(store_server("POSTGRES_URL"), statement);
}

/* What libpq takes from the environment and from files holds. */
Test(store_postgres, environment_and_files, .fini = store_folder_remove)
{
    struct parts p = parts_of_server();
    struct tl_store *store;
    char folder[400], path[500], schema[64];
    FILE *file;

    store_folder(folder);
    store_postgres.url(url);
    snprintf(schema, sizeof schema, "%s", strstr(url, "schema="));
    setenv("PGHOST", p.host, 1);
    setenv("PGPORT", p.port, 1);
    setenv("PGUSER", p.user, 1);
    setenv("PGPASSWORD", p.password, 1);
    snprintf(url, sizeof url, "postgresql:///%s?%s", p.database, schema);
    tl_store_close(store_open(url, TL_STORE_WRITE));
    unsetenv("PGPASSWORD");
    snprintf(path, sizeof path, "%s/pgpass", folder);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "*:*:*:%s:%s\n", p.user, p.password);
    fclose(file);
    cr_assert_eq(chmod(path, 0600), 0);
    setenv("PGPASSFILE", path, 1);
    tl_store_close(store_open(url, TL_STORE_READ));
    unsetenv("PGHOST");
    unsetenv("PGPORT");
    unsetenv("PGUSER");
    snprintf(path, sizeof path, "%s/services", folder);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    fprintf(file, "[numbers]\nhost=%s\nport=%s\nuser=%s\ndbname=%s\n", p.host, p.port, p.user, p.database);
    fclose(file);
    setenv("PGSERVICEFILE", path, 1);
    snprintf(url, sizeof url, "postgresql:///?service=numbers&%s", schema);
    store = store_open(url, TL_STORE_READ);
    tl_store_close(store);
    expect_no_connection("postgresql:///?service=none_of_that_name", false, "none_of_that_name", "PGSERVICE");
}

Test(store_postgres, certificates, .fini = store_folder_remove)
{
    struct parts p = parts_of_server();
    char rest[300], schema[64];

    store_postgres.url(url);
    snprintf(schema, sizeof schema, "%s", strstr(url, "schema="));
    snprintf(rest, sizeof rest, "%s?sslmode=verify-full&sslrootcert=%s&%s", p.database, store_server("POSTGRES_CA"), schema);
    tl_store_close(store_open(url_of(p.user, p.password, p.host, p.port, rest), TL_STORE_WRITE));
    snprintf(rest, sizeof rest, "%s?sslmode=verify-full&sslrootcert=/etc/ssl/certs/ca-certificates.crt&%s", p.database, schema);
    expect_no_connection(url_of(p.user, "sesame", p.host, p.port, rest), false, "certificate", "sslrootcert");
    snprintf(rest, sizeof rest, "%s?sslmode=verify-full&sslrootcert=/none&%s", p.database, schema);
    expect_no_connection(url_of(p.user, "sesame", p.host, p.port, rest), false, "/none", "sslrootcert");
}

/* ---- what the server says later ---- */

Test(store_postgres, rights_are_missing, .fini = store_folder_remove)
{
    struct parts p = parts_of_server();
    struct tl_store *store = NULL;
    char statement[300], rest[200];
    struct tl_epoch mine;

    make_and_close();
    snprintf(statement, sizeof statement, "DROP ROLE IF EXISTS stranger_%d", (int)getpid());
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
    snprintf(statement, sizeof statement, "CREATE ROLE stranger_%d LOGIN PASSWORD 'sesame'", (int)getpid());
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
    snprintf(statement, sizeof statement, "stranger_%d", (int)getpid());
    snprintf(rest, sizeof rest, "%s?%s", p.database, strstr(url, "schema="));
    expect_no_connection(url_of(statement, "sesame", p.host, p.port, rest), false, "permission denied", "roles.sql");
    snprintf(rest, sizeof rest, "%s?schema=of_strangers", p.database);
    expect_no_connection(url_of(statement, "sesame", p.host, p.port, rest), false, "permission denied for database", "roles.sql");
    snprintf(statement, sizeof statement, "DROP ROLE stranger_%d", (int)getpid());
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
    store = store_open(url, TL_STORE_READ);
    FAILS(TL_ERR_IO, "reading only", tl_store_begin(store, err));
    FAILS(TL_ERR_IO, "reading only", tl_store_take_epoch(store, "me", NULL, &mine, err));
    tl_store_close(store);
}

/* Fails with the code, can be tried again, and the handle is of use afterwards. */
static void expect_to_pass(struct tl_store *store, enum tl_code rc, enum tl_code want, const struct tl_err *why, const char *word)
{
    cr_assert_eq(rc, want, "%d: %s", (int)rc, why->message);
    cr_assert(why->retriable, "%s", why->message);
    cr_assert_not_null(strstr(why->message, word), "'%s' is not in: %s", word, why->message);
    tl_store_rollback(store);
    OK(tl_store_begin_read(store, err));
    OK(tl_store_commit(store, err));
}

Test(store_postgres, somebody_has_it_locked, .fini = store_folder_remove)
{
    struct tl_store *first, *second;
    struct tl_err why = {.message = ""};
    int64_t epoch, change = 0, id = 0;
    char other[700];

    first = make_store(&id);
    epoch = store_epoch(first);
    with_option(other, "lock_timeout", "200ms");
    second = store_open(other, TL_STORE_WRITE);
    OK(tl_store_begin_tick(first, epoch, &change, err));
    expect_to_pass(second, tl_store_begin_tick(second, epoch, &change, &why), TL_ERR_BUSY, &why, "lock_timeout");
    tl_store_close(second);
    with_option(other, "statement_timeout", "200ms");
    second = store_open(other, TL_STORE_WRITE);
    expect_to_pass(second, tl_store_begin_tick(second, epoch, &change, &why), TL_ERR_IO, &why, "statement_timeout");
    OK(tl_store_commit(first, err));
    OK(tl_store_begin_tick(second, epoch, &change, err));
    tl_store_rollback(second);
    tl_store_close(second);
    tl_store_close(first);
}

Test(store_postgres, takes_no_writes, .fini = store_folder_remove)
{
    struct tl_store *store;
    struct tl_err why = {.message = ""};
    struct tl_epoch epoch;
    int64_t id = 0;
    char other[700];

    store = make_store(&id);
    tl_store_close(store);
    with_option(other, "default_transaction_read_only", "on");
    store = store_open(other, TL_STORE_WRITE);
    expect_to_pass(store, tl_store_take_epoch(store, "me", NULL, &epoch, &why), TL_ERR_IO, &why, "standby");
    tl_store_close(store);
}

static enum tl_code see_no_position(void *ctx, const struct tl_position *position, struct tl_err *err)
{
    (void)ctx;
    (void)position;
    (void)err;
    cr_assert_fail("there is none");
    return TL_OK;
}

/* A failure that shows while something is put away is heard of by whoever comes next, and as what it was. */
Test(store_postgres, the_first_failure_counts_wherever_it_shows, .fini = store_folder_remove)
{
    struct tl_store *store, *other;
    struct tl_err why;
    char hasty[600];
    int64_t id, change, epoch;

    store = make_store(&id);
    epoch = store_epoch(store);
    store_put_speed(store, epoch, id, 0, 10, "a", 1);
    tl_store_close(store);
    snprintf(hasty, sizeof hasty, "%s&options=-c%%20lock_timeout%%3D10ms", url);
    store = store_open(hasty, TL_STORE_WRITE);
    other = store_open(url, TL_STORE_WRITE);
    OK(tl_store_begin(other, err));
    OK(tl_store_put_final(other, id, 1, err));
    OK(tl_store_definition(other, id, &(struct tl_definition){0}, err)); /* its answer says that the row is locked */
    for (int statements = 210; statements < 256; statements++) {
        struct tl_store_cursor *cursor = NULL;
        const struct tl_stored_row *row;
        enum tl_code rc = TL_OK;

        OK(tl_store_begin_tick(store, epoch, &change, err));
        OK(tl_store_cursor_open(store, id, TL_LAYER_SPEED, INT64_MIN, INT64_MAX, &cursor, err));
        OK(tl_store_cursor_next(cursor, &row, err));
        for (int i = 0; rc == TL_OK && i < statements; i++)
            rc = tl_store_put_final(store, id, i, &why);
        tl_store_cursor_close(cursor);
        if (rc == TL_OK)
            rc = tl_store_commit(store, &why);
        cr_assert(rc == TL_ERR_BUSY && why.retriable, "%d statements: code %d: %s", statements, (int)rc, why.message);
        cr_assert_not_null(strstr(why.message, "lock timeout"), "%s", why.message);
        tl_store_rollback(store);
    }
    tl_store_rollback(other);
    tl_store_close(other);
    tl_store_close(store);
}

/* Who was let in once, and is not any more, waits for somebody to put it right. */
Test(store_postgres, a_refusal_in_mid_flight_passes, .fini = store_folder_remove)
{
    struct parts p = parts_of_server();
    char user[40], rest[300], statement[400];
    struct tl_store *store;
    struct tl_epoch epoch;
    struct tl_err why = {.message = ""};

    make_and_close();
    snprintf(user, sizeof user, "passing_%d", (int)getpid());
    snprintf(statement, sizeof statement, "CREATE ROLE %s LOGIN SUPERUSER PASSWORD 'sesame'", user);
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
    snprintf(rest, sizeof rest, "%s?%s", p.database, strstr(url, "schema="));
    store = store_open(url_of(user, "sesame", p.host, p.port, rest), TL_STORE_WRITE);
    snprintf(statement, sizeof statement,
             "ALTER ROLE %s PASSWORD 'changed'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '%s'",
             user, user);
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(tl_store_epoch(store, &epoch, &why), TL_ERR_IO, "%s", why.message);
        cr_assert(why.retriable && strstr(why.message, "password authentication failed") != NULL &&
                      strstr(why.message, "PGPASSWORD") != NULL,
                  "%s", why.message);
    }
    snprintf(statement, sizeof statement, "ALTER ROLE %s PASSWORD 'sesame'", user);
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
    OK(tl_store_epoch(store, &epoch, err));
    tl_store_close(store);
    snprintf(statement, sizeof statement, "DROP ROLE %s", user);
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
}

/* One works at a time, and knows when it is not he any more. */
Test(store_postgres, work_is_locked, .fini = store_folder_remove)
{
    struct tl_store *first, *second, *elsewhere;
    struct tl_epoch epoch;
    char other[512];

    make_and_close();
    first = store_open(url, TL_STORE_WRITE);
    second = store_open(url, TL_STORE_WRITE);
    OK(tl_store_lock(first, "batch", "web1 pid 7", err));
    FAILS(TL_ERR_BUSY, "another batch works on this store: tally batch on web1 pid 7, connected since 2",
          tl_store_lock(second, "batch", "web2 pid 8", err));
    store_postgres.url(other);
    elsewhere = store_open(other, TL_STORE_WRITE);
    OK(tl_store_lock(elsewhere, "batch", "web2 pid 8", err));
    tl_store_close(elsewhere);

    store_postgres_sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tally batch on web1"
                            " pid 7'");
    OK(tl_store_epoch(first, &epoch, err)); /* on a new connection, which has the lock again */
    FAILS(TL_ERR_BUSY, "web1 pid 7", tl_store_lock(second, "batch", "web2 pid 8", err));
    store_postgres_sql(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tally batch on web1"
                            " pid 7'");
    while (tl_store_lock(second, "batch", "web2 pid 8", NULL) == TL_ERR_BUSY)
        ;
    FAILS(TL_ERR_BUSY, "web2 pid 8", tl_store_epoch(first, &epoch, err));
    tl_store_close(second);
    tl_store_close(first);
}

/* Somebody at work by hand has the epoch's row. */
static void expect_no_tick(struct tl_store *store)
{
    PGconn *conn = PQconnectdb(store_server("POSTGRES_URL"));
    struct tl_store_holder holder = {0};
    char statement[200];

    snprintf(statement, sizeof statement, "BEGIN; SELECT * FROM %s.tally_epoch FOR UPDATE", strstr(url, "schema=") + 7);
    PQclear(PQexec(conn, statement));
    while (holder.session == 0)
        OK(tl_store_silent_holder(store, &holder, err));
    cr_assert(!holder.ticks);
    PQfinish(conn);
}

/* Whoever stands still in the middle of a tick can be seen to, and loses it when another one ends his session. */
Test(store_postgres, a_frozen_tick_is_given_up, .fini = store_folder_remove)
{
    struct tl_store *frozen, *next;
    struct tl_store_holder none, holder = {0}, said_more;
    struct tl_epoch theirs;
    int64_t epoch, challenge, change = 0, id = 0;
    bool ended = true;

    frozen = make_store(&id);
    epoch = store_epoch(frozen);
    next = store_open(url, TL_STORE_WRITE);
    OK(tl_store_silent_holder(next, &none, err));
    cr_assert_eq(none.session, 0);
    OK(tl_store_begin_tick(frozen, epoch, &change, err));
    FAILS(TL_ERR_BUSY, "locked", tl_store_take_epoch(next, "host b", NULL, &theirs, err));
    FAILS(TL_ERR_BUSY, "locked", tl_store_challenge(next, &challenge, err));
    while (holder.session == 0)
        OK(tl_store_silent_holder(next, &holder, err));
    OK(tl_store_positions(frozen, id, see_no_position, NULL, NULL, err));
    OK(tl_store_end_holder(next, &holder, &ended, err));
    cr_assert(!ended, "it has said something since");
    do
        OK(tl_store_silent_holder(next, &said_more, err));
    while (said_more.session == 0);
    cr_assert_eq(said_more.session, holder.session);
    cr_assert(said_more.ticks);
    cr_assert_gt(said_more.statement, holder.statement);
    OK(tl_store_end_holder(next, &said_more, &ended, err));
    cr_assert(ended);
    while (tl_store_take_epoch(next, "host b", NULL, &theirs, NULL) == TL_ERR_BUSY)
        ;
    cr_assert_eq(theirs.epoch, epoch + 1);
    expect_no_tick(next);
    theirs.change--;
    FAILS(TL_ERR_BUSY, "has shown itself", tl_store_take_epoch(next, "host c", &theirs, NULL, err));
    FAILS(TL_ERR_UNKNOWN, "connection",
          (tl_store_put_final(frozen, id, 5, err) == TL_OK ? tl_store_commit(frozen, err) : err->code));
    tl_store_rollback(frozen);
    FAILS(TL_ERR_FENCED, "host b", tl_store_begin_tick(frozen, epoch, &change, err));
    tl_store_close(frozen);
    tl_store_close(next);
}

/* ---- the roles of deploy/postgres/roles.sql ---- */

static void may(const char *to, bool allowed, const char *statement)
{
    PGconn *conn = PQconnectdb(to);
    PGresult *result = PQexec(conn, statement);
    bool worked = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;

    cr_assert_eq(worked, allowed, "%s: %s", statement, PQerrorMessage(conn));
    if (!allowed)
        cr_assert_not_null(strstr(PQerrorMessage(conn), "permission denied"), "%s: %s", statement, PQerrorMessage(conn));
    PQclear(result);
    PQfinish(conn);
}

static void as_admin(const char *statement)
{
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
}

/* A database and roles of the test's own; its name is theirs, too. */
Test(store_postgres, roles, .fini = store_folder_remove)
{
    struct tl_shape shape = store_windowed("hits", 'a'), next = store_windowed("hits", 'b');
    struct parts p = parts_of_server();
    char name[64], command[1024], admin[600], writer[600], reader[600], tally[700];
    uint8_t secret[TL_STORE_SECRET_BYTES];
    struct tl_store *store, *dashboard;
    int64_t id = 0;
    bool swapped = false;

    snprintf(name, sizeof name, "roles_%d", (int)getpid());
    snprintf(command, sizeof command, "CREATE DATABASE %s", name);
    as_admin(command);
    snprintf(admin, sizeof admin, "%s", store_server("POSTGRES_ADMIN_URL"));
    cr_assert_not_null(strstr(admin, "/postgres?"));
    snprintf(strstr(admin, "/postgres?"), 300, "/%s?%s", name, strchr(store_server("POSTGRES_ADMIN_URL"), '?') + 1);
    snprintf(command, sizeof command,
             "for again in 1 2; do psql -X -q -v schema=numbers -v writer=%s -v reader=%s_read -f deploy/postgres/roles.sql '%s'"
             " </dev/null >/dev/null 2>&1 || exit 1; done",
             name, name, admin);
    cr_assert_eq(system(command), 0, "%s", command);
    snprintf(command, sizeof command, "ALTER ROLE %s PASSWORD 'w'; CREATE ROLE %s_grafana LOGIN PASSWORD 'r' IN ROLE %s_read",
             name, name, name);
    as_admin(command);
    snprintf(writer, sizeof writer, "postgresql://%s:w@%s:%s/%s", name, p.host, p.port, name);
    snprintf(reader, sizeof reader, "postgresql://%s_grafana:r@%s:%s/%s", name, p.host, p.port, name);

    snprintf(tally, sizeof tally, "%s?schema=numbers", writer);
    store = store_open(tally, TL_STORE_WRITE);
    OK(tl_store_define(store, &shape, &id, err));
    OK(tl_store_secret(store, TL_SV("visitor"), secret, err));
    OK(tl_store_define(store, &next, &id, err));
    OK(tl_store_swap(store, id, 0, &swapped, err));
    cr_assert(swapped);
    store_put_speed(store, store_epoch(store), id, 0, 10, "a", 1);
    may(writer, false, "CREATE SCHEMA more");
    may(writer, false, "CREATE TABLE public.more (a int)");
    may(writer, false, "CREATE ROLE more");

    snprintf(tally, sizeof tally, "%s?schema=numbers", reader);
    dashboard = store_open(tally, TL_STORE_READ);
    expect(store_answer(dashboard, "hits", TL_LAYER_MERGED, MIN_MS, MAX_MS), "0 10 a 1 speed 0\n");
    FAILS(TL_ERR_IO, "permission denied", tl_store_secret(dashboard, TL_SV("visitor"), secret, err));
    tl_store_close(dashboard);
    may(reader, true, "SELECT sum(num_hits) FROM numbers.hits");
    may(reader, true, "SELECT count(*) FROM numbers.tally_ledger");
    may(reader, false, "SELECT * FROM numbers.tally_meta");
    may(reader, false, "INSERT INTO numbers.tally_epoch_versions VALUES (1, '')");
    may(reader, false, "UPDATE numbers.tally_epoch SET epoch = 7");
    may(reader, false, "DELETE FROM numbers.hits_speed");
    may(reader, false, "CREATE TABLE numbers.mine (a int)");
    may(reader, false, "TRUNCATE numbers.hits_speed");
    tl_store_close(store);

    snprintf(command, sizeof command, "DROP DATABASE %s", name);
    as_admin(command);
    snprintf(command, sizeof command, "DROP ROLE %s_grafana; DROP ROLE %s_read; DROP ROLE %s", name, name, name);
    as_admin(command);
}
