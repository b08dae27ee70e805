/* real_log_test.c: the access log of a real site through the whole program, against what the sqlite3 shell computes from it by itself.
 *
 * 10,000 requests of four days, all in minute :05 of their hour, up to 59 s out of order, 19 of them word for word like one before (17 lines
 * occur more than once). tests/reference has the views and the same questions in the words of sqlite3. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/pipeline.h"

enum { LINES = 10000 };

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *text;
    long size;

    cr_assert(file != NULL && fseek(file, 0, SEEK_END) == 0, "%s", path);
    size = ftell(file);
    rewind(file);
    text = calloc(1, (size_t)size + 1);
    cr_assert(text != NULL && fread(text, 1, (size_t)size, file) == (size_t)size);
    fclose(file);
    return text;
}

static bool real_log_open(struct pipeline *p, const char *views_file)
{
    char command[1600], *views;
    const char *log = shared_path("data/apache_logs");

    if (log == NULL)
        return false;
    views = read_whole(views_file);
    pipeline_open(p, views);
    free(views);
    snprintf(command, sizeof command, "tests/reference/access_log_reference.sh all '%s/reference' '%s'", p->dir, log);
    cr_assert_eq(system(command), 0, "%s", command);
    return true;
}

/* Where the lines differ, the first one that does is shown. */
static void same_lines(const char *got, const char *want, const char *what)
{
    const char *line = got, *line_want = want;
    int number = 1;

    if (strcmp(got, want) == 0)
        return;
    for (;; number++) {
        size_t size = strcspn(line, "\n"), size_want = strcspn(line_want, "\n");

        if (size != size_want || memcmp(line, line_want, size) != 0 || line[size] == '\0' || line_want[size] == '\0')
            cr_assert_fail("%s: line %d is\n%.*s\nand should be\n%.*s", what, number, (int)size, line, (int)size_want, line_want);
        line += size + 1;
        line_want += size_want + 1;
    }
}

static void layer_is_reference(struct pipeline *p, const char *view, const char *layer)
{
    char path[RUN_DIR_BYTES + 100], what[100], *want, *got;

    snprintf(path, sizeof path, "%s/reference/%s.csv", p->dir, view);
    snprintf(what, sizeof what, "view %s, layer %s", view, layer);
    want = read_whole(path);
    got = pipeline_rows(p, view, layer);
    cr_assert_gt(strlen(want), 60, "%s has no rows", path);
    same_lines(got, want, what);
    free(want);
    free(got);
}

/* What `tally status --format json` says of the first view and layer: the number behind "NAME": */
static long said(struct pipeline *p, const char *layer, const char *name)
{
    char key[40];
    const char *at;

    snprintf(key, sizeof key, "\"%s\": {", layer);
    at = strstr(p->run.out, key);
    cr_assert_not_null(at, "%s", p->run.out);
    snprintf(key, sizeof key, "\"%s\": ", name);
    at = strstr(at, key);
    cr_assert_not_null(at, "%s", p->run.out);
    return strtol(at + strlen(key), NULL, 10);
}

static void import_log(struct pipeline *p, const char *partitions)
{
    TALLY(p, 0, "import", shared_path("data/apache_logs"), "--format", "combined", "--host", "www.example.org", "--into", "log",
          "--partitions", partitions);
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static void run_layers(struct pipeline *p, const char *partitions)
{
    import_log(p, partitions);
    cr_assert(has(p->run.err, "10,000 new, 0 known, 0 broken") || has(p->run.out, "10,000 new, 0 known, 0 broken"), "%s%s",
              p->run.out, p->run.err);
    TALLY(p, 0, "speed", "--once");
    TALLY(p, 0, "archive");
    TALLY(p, 0, "batch", "--to", "now");
}

struct partitions_case {
    char partitions[4];
};

ParameterizedTestParameters(real_log, nothing_is_late_and_all_three_answers_are_one)
{
    static struct partitions_case cases[] = {{"1"}, {"2"}};

    return cr_make_param_array(struct partitions_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct partitions_case *c, real_log, nothing_is_late_and_all_three_answers_are_one, .timeout = 120)
{
    static const char *const views[] = {"hits_5m", "hits_by_ip_5m", "files_by_method_1d", "kind_by_url_1h", "errors"};
    static const char *const layers[] = {"speed", "batch", "merged"};
    struct pipeline p;

    if (!real_log_open(&p, "tests/reference/views.sql"))
        cr_skip_test(SHARED_SKIP);
    run_layers(&p, c->partitions);
    for (size_t v = 0; v < TL_COUNT(views); v++) {
        /* Equal event times stand in the order of the partitions: only with one of them is that the order of the lines. */
        if (strcmp(views[v], "errors") == 0 && strcmp(c->partitions, "1") != 0)
            continue;
        for (size_t l = 0; l < TL_COUNT(layers); l++)
            layer_is_reference(&p, views[v], layers[l]);
    }
    /* Lines that are word for word the same are requests of their own. */
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert_eq(said(&p, "speed", "counted"), LINES);
    cr_assert_eq(said(&p, "speed", "duplicate"), 0);
    cr_assert_eq(said(&p, "speed", "late"), 0);
    cr_assert_eq(said(&p, "batch", "counted"), LINES);
    cr_assert_eq(pipeline_number(&p, "SELECT count(*) FROM tally_ledger"), 0);
    TALLY(&p, 0, "reconcile", "--format", "json");
    cr_assert(has(p.run.out, "\"explained\": 0, \"unexplained\": 0"), "%.400s", p.run.out);

    /* The same log again: nothing new, under whatever name, and no layer has work. */
    import_log(&p, c->partitions);
    cr_assert(has(p.run.err, "0 new, 10,000 known, 0 broken") || has(p.run.out, "0 new, 10,000 known, 0 broken"), "%s%s",
              p.run.out, p.run.err);
    TALLY(&p, 0, "speed", "--once");
    TALLY(&p, 0, "archive");
    cr_assert_str_eq(p.run.out, "");
    TALLY(&p, 0, "batch");
    cr_assert_str_eq(p.run.out, "");
    layer_is_reference(&p, "hits_5m", "merged");
    pipeline_close(&p);
}

Test(real_log, thousands_are_late_and_each_is_explained, .timeout = 120)
{
    struct pipeline p;
    char path[RUN_DIR_BYTES + 100], *facts;
    int late = -1;

    if (!real_log_open(&p, "tests/reference/views_10s.sql"))
        cr_skip_test(SHARED_SKIP);
    run_layers(&p, "1");
    layer_is_reference(&p, "hits_10s", "batch");
    layer_is_reference(&p, "by_status_10s", "batch");
    layer_is_reference(&p, "hits_10s", "merged");
    layer_is_reference(&p, "by_status_10s", "merged");

    /* Which requests are late on one partition is a fact of the log: the reference counts them by itself. */
    snprintf(path, sizeof path, "%s/reference/facts.csv", p.dir);
    facts = read_whole(path);
    cr_assert_eq(sscanf(strchr(facts, '\n'), " %*d,%*d,%*d,%*d,%*d,%d", &late), 1);
    cr_assert_gt(late, 1000);
    free(facts);
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert_eq(said(&p, "speed", "late"), late);
    cr_assert_eq(said(&p, "speed", "counted"), LINES - late);
    cr_assert_eq(said(&p, "batch", "counted"), LINES);
    /* Speed's rows and its ledger are the log. */
    cr_assert_eq(pipeline_number(&p, "SELECT (SELECT sum(hits) FROM hits_10s_speed) + (SELECT count(*) FROM tally_ledger l"
                                     " JOIN tally_definition d USING (definition) WHERE d.view = 'hits_10s' AND l.run = 0)"),
                 LINES);
    TALLY(&p, 0, "reconcile", "--format", "json");
    snprintf(path, sizeof path, "\"causes\": {\"late_drop\": %d}", late);
    cr_assert(has(p.run.out, "\"unexplained\": 0"), "%.600s", p.run.out);
    cr_assert(has(p.run.out, path), "%s is not in %.600s", path, p.run.out);
    pipeline_close(&p);
}

/* In two partitions what is late depends on how far the other one was read; that each difference is explained does not. */
Test(real_log, late_in_two_partitions_is_explained_too, .timeout = 120)
{
    struct pipeline p;

    if (!real_log_open(&p, "tests/reference/views_10s.sql"))
        cr_skip_test(SHARED_SKIP);
    run_layers(&p, "2");
    layer_is_reference(&p, "hits_10s", "batch");
    layer_is_reference(&p, "by_status_10s", "merged");
    TALLY(&p, 0, "status", "--format", "json");
    cr_assert_eq(said(&p, "speed", "late") + said(&p, "speed", "counted"), LINES);
    cr_assert_eq(pipeline_number(&p, "SELECT (SELECT sum(hits) FROM hits_10s_speed) + (SELECT count(*) FROM tally_ledger l"
                                     " JOIN tally_definition d USING (definition) WHERE d.view = 'hits_10s' AND l.run = 0)"),
                 LINES);
    TALLY(&p, 0, "reconcile", "--format", "json");
    cr_assert(has(p.run.out, "\"unexplained\": 0"), "%.600s", p.run.out);
    pipeline_close(&p);
}
