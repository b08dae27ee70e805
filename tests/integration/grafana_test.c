/* grafana_test.c: each query of the dashboard in deploy/grafana, written out as Grafana does it, on a store in PostgreSQL that the demo's views and
 * the whole program have filled, as the role that may only read.
 *
 * Source of the macros: Grafana's grafana-postgresql-datasource (macros.go) and its documentation of the query editor and of global variables. An argument
 * of a macro ends at the first ')', there as here. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/buf.h"
#include "event/outcome.h"
#include "support/pipeline.h"
#include "support/store_fixture.h"

enum { EVENTS = 6000, INTERVAL_S = 60 };
#define FROM_MS "1740956400000" /* an hour before the traffic begins; batch's publication is of today */
#define TO_MS "4102444800000"
#define FROM "2025-03-02T23:00:00Z"
#define TO "2100-01-01T00:00:00Z"
#define BOUNDARY "2025-03-03T01:00:00Z"

static struct pipeline p;
static PGconn *reader;
static char name[64]; /* of the database and the roles */

/* ---- the store ---- */

static void as_admin(const char *words, const char *rest)
{
    char statement[300];

    snprintf(statement, sizeof statement, "%s %s%s", words, name, rest);
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), statement);
}

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = calloc(1, 1 << 20);

    cr_assert_not_null(file, "%s", path);
    cr_assert_lt(fread(text, 1, (1 << 20) - 1, file), (1 << 20) - 1);
    fclose(file);
    return text;
}

static void sh(const char *command)
{
    cr_assert_eq(system(command), 0, "%s", command); /* NOLINT(cert-env33-c): a line for sh */
}

/* "HOST:PORT" of the server. */
static const char *server_place(void)
{
    static char place[100];
    const char *at = strchr(store_server("POSTGRES_URL"), '@');

    cr_assert_not_null(at);
    snprintf(place, sizeof place, "%.*s", (int)strcspn(at + 1, "/"), at + 1);
    return place;
}

static void make_database(void)
{
    const char *server;
    char admin[600], command[1200], url[300];

    snprintf(name, sizeof name, "grafana_%d", (int)getpid());
    as_admin("CREATE DATABASE", "");
    server = store_server("POSTGRES_ADMIN_URL");
    cr_assert_not_null(strstr(server, "/postgres?"));
    snprintf(admin, sizeof admin, "%.*s/%s?%s", (int)(strstr(server, "/postgres?") - server), server, name,
             strchr(server, '?') + 1);
    snprintf(command, sizeof command,
             "psql -X -q -v writer=%s -v reader=%s_read -f deploy/postgres/roles.sql '%s' </dev/null >/dev/null 2>&1", name, name,
             admin);
    sh(command);
    as_admin("ALTER ROLE", " PASSWORD 'w'");
    snprintf(command, sizeof command, "CREATE ROLE %s_look LOGIN PASSWORD 'r' IN ROLE %s_read", name, name);
    store_postgres_sql(store_server("POSTGRES_ADMIN_URL"), command);
    snprintf(url, sizeof url, "postgresql://%s:w@%s/%s", name, server_place(), name);
    setenv("TALLY_STORE", url, 1);
}

static const char checks[] =
    "ALTER TABLE events ADD CONSTRAINT known_status EXPECT (status BETWEEN 100 AND 599) ON VIOLATION WARN;\n"
    "ALTER VIEW answers_10s ADD CONSTRAINT volume EXPECT (ROW_COUNT BETWEEN 1 AND 1000000);\n";

static void fill(void)
{
    char command[900], checks_path[300];
    const char *program = run_program();

    snprintf(checks_path, sizeof checks_path, "%s", run_file_write(p.dir, "checks.sql", checks));
    snprintf(command, sizeof command,
             "\"$(dirname '%s')\"/traffic --seed 7 --events %d --hours 2 --start 2025-03-03 >%s/traffic.jsonl", program, EVENTS,
             p.dir);
    sh(command);
    snprintf(command, sizeof command, "%s/traffic.jsonl", p.dir);
    TALLY(&p, 0, "import", command, "--format", "jsonl", "--into", "log", "--partitions", "2");
    TALLY(&p, 0, "speed", "--once", "--workers", "1");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch", "--to", BOUNDARY, "--checks", checks_path);
    TALLY(&p, 0, "reconcile", "--quiet");
}

static void open_all(void)
{
    char *views = read_whole("deploy/demo/live.sql"), url[300];

    pipeline_open(&p, views);
    free(views);
    make_database();
    fill();
    snprintf(url, sizeof url, "postgresql://%s_look:r@%s/%s", name, server_place(), name);
    reader = PQconnectdb(url);
    cr_assert_eq(PQstatus(reader), CONNECTION_OK, "%s", PQerrorMessage(reader));
}

static void close_all(void)
{
    PQfinish(reader);
    as_admin("DROP DATABASE IF EXISTS", " WITH (FORCE)");
    as_admin("DROP ROLE IF EXISTS", "_look");
    as_admin("DROP ROLE IF EXISTS", "_read");
    as_admin("DROP ROLE IF EXISTS", "");
    pipeline_close(&p);
}

TestSuite(grafana, .init = open_all, .fini = close_all, .timeout = 60);

/* ---- what Grafana makes of a query ---- */

static bool replace(struct tl_buf *out, const char **at, const char *what, const char *with)
{
    size_t size = strlen(what);

    if (strncmp(*at, what, size) != 0)
        return false;
    tl_buf_put_str(out, with);
    *at += size;
    return true;
}

/* ${name}, and the variables that are there in any dashboard. */
static char *with_variables(const json_t *dashboard, const char *sql)
{
    struct tl_buf out;
    size_t i;
    json_t *variable;

    tl_buf_init(&out, 0);
    for (const char *at = sql; *at != '\0';) {
        bool done = replace(&out, &at, "${__from}", FROM_MS) || replace(&out, &at, "${__to}", TO_MS) ||
                    replace(&out, &at, "$__interval_ms", "60000") || replace(&out, &at, "$__interval", "1m");
        char word[80];

        json_array_foreach(json_object_get(json_object_get(dashboard, "templating"), "list"), i, variable)
        {
            snprintf(word, sizeof word, "${%s}", json_string_value(json_object_get(variable, "name")));
            done = done ||
                   replace(&out, &at, word, json_string_value(json_object_get(json_object_get(variable, "current"), "value")));
        }
        if (!done)
            tl_buf_put_u8(&out, (uint8_t)*at++);
    }
    tl_buf_put_u8(&out, '\0');
    return out.data;
}

/* One macro with its arguments; `next` is what stands behind it. False: Grafana knows none of that name. */
static bool put_macro(struct tl_buf *out, const char *macro, const char *column, const char *interval, char next)
{
    bool is_group = strcmp(macro, "__timeGroup") == 0, is_aliased = strcmp(macro, "__timeGroupAlias") == 0;
    bool is_epoch_group = strcmp(macro, "__unixEpochGroup") == 0, is_epoch_aliased = strcmp(macro, "__unixEpochGroupAlias") == 0;

    if (is_group || is_aliased || is_epoch_group || is_epoch_aliased)
        cr_assert_str_eq(interval, "1m", "an interval that this test does not read");
    if (strcmp(macro, "__time") == 0)
        tl_buf_printf(out, "%s AS \"time\"", column);
    else if (strcmp(macro, "__timeEpoch") == 0)
        tl_buf_printf(out, "extract(epoch from %s) as \"time\"", column);
    else if (strcmp(macro, "__timeFilter") == 0)
        tl_buf_printf(out, "%s BETWEEN '" FROM "' AND '" TO "'", column);
    else if (strcmp(macro, "__timeFrom") == 0)
        tl_buf_put_str(out, "'" FROM "'");
    else if (strcmp(macro, "__timeTo") == 0)
        tl_buf_put_str(out, "'" TO "'");
    else if (is_group || is_aliased)
        tl_buf_printf(out, "floor(extract(epoch from %s)/%d)*%d%s", column, INTERVAL_S, INTERVAL_S,
                      is_aliased || next == ',' ? " AS \"time\"" : "");
    else if (is_epoch_group || is_epoch_aliased)
        tl_buf_printf(out, "floor((%s)/%d)*%d%s", column, INTERVAL_S, INTERVAL_S, is_epoch_aliased ? " AS \"time\"" : "");
    else
        return false;
    return true;
}

static char *as_grafana_sends_it(const json_t *dashboard, const char *sql)
{
    char *plain = with_variables(dashboard, sql), macro[60], arguments[200];
    struct tl_buf out;

    tl_buf_init(&out, 0);
    for (const char *at = plain; *at != '\0';) {
        int end = 0;

        macro[0] = arguments[0] = '\0';
        if (sscanf(at, "$%59[A-Za-z0-9_](%n", macro, &end) == 1 && end > 0) {
            size_t size = strcspn(at + end, ")");
            char *comma, *column = arguments, *interval = strchr(arguments, '\0');

            cr_assert(at[end + (int)size] == ')' && size < sizeof arguments, "%s", at);
            snprintf(arguments, sizeof arguments, "%.*s", (int)size, at + end);
            if ((comma = strchr(arguments, ',')) != NULL) {
                *comma = '\0';
                interval = comma + 1 + strspn(comma + 1, " '");
                interval[strcspn(interval, " '")] = '\0';
            } else {
                interval = strchr(arguments, '\0');
            }
            at += end + (int)size + 1;
            cr_assert(put_macro(&out, macro, column, interval, *at), "Grafana knows no macro %s", macro);
        } else {
            tl_buf_put_u8(&out, (uint8_t)*at++);
        }
    }
    tl_buf_put_u8(&out, '\0');
    free(plain);
    cr_assert_null(strchr(out.data, '$'), "something is left: %s", out.data);
    return out.data;
}

/* ---- what comes back ---- */

enum { OID_INT8 = 20, OID_INT4 = 23, OID_FLOAT8 = 701, OID_TIMESTAMPTZ = 1184, OID_NUMERIC = 1700 };

static bool is_number(const PGresult *result, int column)
{
    Oid type = PQftype(result, column);

    return type == OID_INT8 || type == OID_INT4 || type == OID_FLOAT8 || type == OID_NUMERIC;
}

/* The number of a column, which must be there. */
static int column_of(const PGresult *result, const char *title, const char *column)
{
    int found = column != NULL ? PQfnumber(result, column) : -1;

    /* PQfnumber takes what is not quoted in lower case */
    for (int c = 0; c < PQnfields(result) && column != NULL && found < 0; c++)
        if (strcmp(PQfname(result, c), column) == 0)
            found = c;
    cr_assert_geq(found, 0, "%s: there is no column %s", title, column != NULL ? column : "?");
    return found;
}

/* The answer to a query: rows, and of each column something. The caller clears. */
static PGresult *ask(const json_t *dashboard, const json_t *target, const char *title)
{
    const char *sql = json_string_value(json_object_get(target, "rawSql")),
               *format = json_string_value(json_object_get(target, "format"));
    char *sent;
    PGresult *result;

    cr_assert(sql != NULL && format != NULL, "%s", title);
    cr_assert(json_is_true(json_object_get(target, "rawQuery")), "%s", title);
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(target, "datasource"), "uid")), "tally", "%s", title);
    sent = as_grafana_sends_it(dashboard, sql);
    result = PQexec(reader, sent);
    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s: %s%s", title, PQerrorMessage(reader), sent);
    cr_assert_geq(PQntuples(result), 1, "%s: no rows: %s", title, sent);
    for (int c = 0; c < PQnfields(result); c++) {
        int values = 0;

        for (int r = 0; r < PQntuples(result); r++)
            values += !PQgetisnull(result, r, c);
        cr_assert_gt(values, 0, "%s: nothing in column %s: %s", title, PQfname(result, c), sent);
    }
    if (strcmp(format, "time_series") == 0) {
        int time = column_of(result, title, "time"), numbers = 0;

        cr_assert(is_number(result, time) || PQftype(result, time) == OID_TIMESTAMPTZ, "%s: time", title);
        for (int c = 0; c < PQnfields(result); c++)
            numbers += c != time && is_number(result, c);
        cr_assert_geq(numbers, 1, "%s: no value", title);
        cr_assert_gt(PQntuples(result), 10, "%s: %d rows", title, PQntuples(result));
    }
    free(sent);
    return result;
}

static json_t *dashboard_load(void)
{
    json_error_t error;
    json_t *dashboard = json_load_file("deploy/grafana/dashboards/tally.json", JSON_REJECT_DUPLICATES, &error);

    cr_assert_not_null(dashboard, "line %d: %s", error.line, error.text);
    return dashboard;
}

static const json_t *panel_of(const json_t *dashboard, const char *title)
{
    size_t i;
    json_t *panel;

    json_array_foreach(json_object_get(dashboard, "panels"), i,
                       panel) if (strcmp(json_string_value(json_object_get(panel, "title")), title) == 0) return panel;
    cr_assert_fail("there is no panel '%s'", title);
    return NULL;
}

static double sum_of(const PGresult *result, const char *column)
{
    int c = column_of(result, "sum", column);
    double sum = 0;

    for (int r = 0; r < PQntuples(result); r++)
        sum += PQgetisnull(result, r, c) ? 0 : strtod(PQgetvalue(result, r, c), NULL);
    return sum;
}

static const char *ask_store(const char *query)
{
    static char text[400];
    PGresult *result = PQexec(reader, query);

    cr_assert_eq(PQresultStatus(result), PGRES_TUPLES_OK, "%s", PQerrorMessage(reader));
    snprintf(text, sizeof text, "%s", PQgetvalue(result, 0, 0));
    PQclear(result);
    return text;
}

static PGresult *ask_panel(const json_t *dashboard, const char *title)
{
    const json_t *panel = panel_of(dashboard, title);

    return ask(dashboard, json_array_get(json_object_get(panel, "targets"), 0), title);
}

/* ---- the tests ---- */

/* Columns that a panel has words about are there. */
static void check_columns(const json_t *panel, const PGresult *result, const char *title)
{
    const char *x_field = json_string_value(json_object_get(json_object_get(panel, "options"), "xField"));
    json_t *override;
    size_t i;

    if (x_field != NULL)
        (void)column_of(result, title, x_field);
    json_array_foreach(json_object_get(json_object_get(panel, "fieldConfig"), "overrides"), i, override)
    {
        const json_t *matcher = json_object_get(override, "matcher");

        cr_assert_str_eq(json_string_value(json_object_get(matcher, "id")), "byName");
        (void)column_of(result, title, json_string_value(json_object_get(matcher, "options")));
    }
}

Test(grafana, every_query_has_rows)
{
    json_t *dashboard = dashboard_load(), *panel, *target, *annotation;
    size_t i, t, panels = 0, annotations = 0;

    json_array_foreach(json_object_get(dashboard, "panels"), i, panel)
    {
        const char *title = json_string_value(json_object_get(panel, "title"));

        cr_assert_gt(json_array_size(json_object_get(panel, "targets")), 0, "%s", title);
        json_array_foreach(json_object_get(panel, "targets"), t, target)
        {
            PGresult *result = ask(dashboard, target, title);

            check_columns(panel, result, title);
            PQclear(result);
        }
        panels++;
    }
    json_array_foreach(json_object_get(json_object_get(dashboard, "annotations"), "list"), i, annotation)
    {
        const char *title = json_string_value(json_object_get(annotation, "name"));
        PGresult *result = ask(dashboard, json_object_get(annotation, "target"), title);

        cr_assert_eq(PQftype(result, column_of(result, title, "time")), OID_TIMESTAMPTZ);
        (void)column_of(result, title, "text");
        PQclear(result);
        annotations++;
    }
    cr_expect_eq(panels, 11);
    cr_expect_eq(annotations, 2);
    json_decref(dashboard);
}

/* The line stands where batch has published up to. */
static void expect_boundary(const json_t *dashboard)
{
    const json_t *boundary = json_array_get(json_object_get(json_object_get(dashboard, "annotations"), "list"), 0);
    PGresult *result = ask(dashboard, json_object_get(boundary, "target"), "Time boundary");
    char query[200];

    snprintf(query, sizeof query, "SELECT '%s'::timestamptz = '" BOUNDARY "'::timestamptz",
             PQgetvalue(result, 0, column_of(result, "boundary", "time")));
    cr_expect_str_eq(ask_store(query), "t", "%s", query);
    cr_expect_eq(PQntuples(result), 1);
    PQclear(result);
}

/* What is shown is what is there. */
Test(grafana, the_numbers_are_the_stores)
{
    json_t *dashboard = dashboard_load();
    PGresult *result;

    result = ask_panel(dashboard, "Requests per minute");
    cr_expect_float_eq(sum_of(result, "reconciled") + sum_of(result, "provisional"),
                       strtod(ask_store("SELECT sum(requests) FROM tally.answers_10s"), NULL), 0.5);
    PQclear(result);
    result = ask_panel(dashboard, "Sessions");
    cr_expect_float_eq(sum_of(result, "sessions"), strtod(ask_store("SELECT count(*) FROM tally.sessions"), NULL), 0.5);
    PQclear(result);
    result = ask_panel(dashboard, "What became of each event");
    cr_expect_float_eq(sum_of(result, "read"), 5.0 * EVENTS, 0.5); /* in each of five views */
    PQclear(result);
    result = ask_panel(dashboard, "Last reconciliations");
    cr_expect_float_eq(sum_of(result, "unexplained"), 0, 0.1);
    cr_expect_gt(sum_of(result, "explained"), 0);
    cr_expect_not_null(strstr(PQgetvalue(result, 0, column_of(result, "causes", "causes")), " late_drop"), "%s",
                       PQgetvalue(result, 0, column_of(result, "causes", "causes")));
    PQclear(result);
    expect_boundary(dashboard);
    json_decref(dashboard);
}

/* Causes are numbers in the store: the dashboard has the names, and so has common/event/outcome. */
Test(grafana_files, causes_have_their_names)
{
    json_t *dashboard = dashboard_load();
    const json_t *panel = panel_of(dashboard, "Last reconciliations");
    const char *sql = json_string_value(json_object_get(json_array_get(json_object_get(panel, "targets"), 0), "rawSql"));
    struct tl_buf names;

    tl_buf_init(&names, 0);
    tl_buf_put_str(&names, "ARRAY[");
    for (int cause = TL_CAUSE_NONE + 1; cause < TL_CAUSES; cause++)
        tl_buf_printf(&names, "%s'%s'", cause > TL_CAUSE_NONE + 1 ? ", " : "", tl_cause_name((enum tl_cause)cause));
    tl_buf_put_str(&names, "]");
    tl_buf_put_u8(&names, '\0');
    cr_expect_not_null(strstr(sql, names.data), "%s is not in %s", names.data, sql);
    tl_buf_done(&names);
    json_decref(dashboard);
}

/* What Grafana is to read at its start is YAML, and names what the dashboard names. */
Test(grafana_files, the_provisioning_fits)
{
    static const char *const files[] = {"datasources/tally.yaml", "dashboards/tally.yaml"};

    for (size_t f = 0; f < TL_COUNT(files); f++) {
        char path[200], *text;
        yaml_parser_t parser;
        yaml_document_t document;

        snprintf(path, sizeof path, "deploy/grafana/provisioning/%s", files[f]);
        text = read_whole(path);
        cr_assert(yaml_parser_initialize(&parser));
        yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
        cr_expect(yaml_parser_load(&parser, &document) && yaml_document_get_root_node(&document) != NULL, "%s: %s", path,
                  parser.problem);
        cr_expect_not_null(strstr(text, f == 0 ? "\n    uid: tally " : "\n      path: /var/lib/grafana/dashboards/tally\n"), "%s",
                           path);
        yaml_document_delete(&document);
        yaml_parser_delete(&parser);
        free(text);
    }
}
