/* report_test.c: the report's headline, its JSON, and that what comes from outside stays harmless on a terminal. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/batch.h"
#include "serving/report.h"

static const struct tl_source_topic events[] = {
    {TL_SV("events"), 0}
};

struct headline_case {
    char name[64];
    uint64_t groups, equal, explained, unexplained, late, duplicates, imported;
    char want[128];
};

ParameterizedTestParameters(report, headline)
{
    static struct headline_case cases[] = {
        {"as the manager reads it",             1000000,  999800,  200, 0, 312,     41, 0,
         "99.98% of groups equal; 0.02% explained: 312 late events, 41 duplicates; 0 unexplained"                                                              },
        {"nothing differs",                     1152,     1152,    0,   0, 0,       0,  0, "100% of groups equal; 0 explained; 0 unexplained"                  },
        {"nothing to compare",                  0,        0,       0,   0, 0,       0,  0, "no groups to compare"                                              },
        {"one of each",                         4,        1,       3,   0, 1,       1,  1,
         "25.00% of groups equal; 75.00% explained: 1 late event, 1 duplicate, 1 imported event; 0 unexplained"                                                },
        {"all but one in a million is not all", 10000000, 9999999, 1,   0, 1,       0,  0,
         "99.99% of groups equal; 0.01% explained: 1 late event; 0 unexplained"                                                                                },
        {"all but one unexplained",             10000000, 9999999, 0,   1, 0,       0,  0, "99.99% of groups equal; 0 explained; 1 unexplained"                },
        {"one of each kind in ten million",     10000000, 9999998, 1,   1, 1234567, 0,  0,
         "99.99% of groups equal; 0.01% explained: 1,234,567 late events; 1 unexplained"                                                                       },
        {"nothing is equal",                    2,        0,       2,   0, 0,       2,  0, "0.00% of groups equal; 100% explained: 2 duplicates; 0 unexplained"},
    };

    return cr_make_param_array(struct headline_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct headline_case *c, report, headline)
{
    struct tl_report report = {
        .groups_count = c->groups,
        .equal_count = c->equal,
        .explained_count = c->explained,
        .unexplained_count = c->unexplained,
        .explained_events = {
                             [TL_CAUSE_LATE_DROP] = c->late, [TL_CAUSE_DUPLICATE] = c->duplicates, [TL_CAUSE_IMPORTED] = c->imported}
    };
    struct tl_buf out;

    tl_buf_init(&out, 0);
    tl_report_headline(&report, &out);
    tl_buf_put_u8(&out, '\0');
    cr_assert_str_eq(out.data, c->want, "%s: %s", c->name, out.data);
    tl_buf_done(&out);
}

/* A view by host with a count, one explained and one unexplained unit, and a hostile key. */
struct scene {
    struct tl_shape_column columns[4];
    struct tl_shape shape;
    struct tl_value speed[4], batch[4], forged[4];
    struct tl_unit_row speed_row, batch_row, forged_row, speed_other, batch_other;
    struct tl_unit_cause cause;
    struct tl_unit explained, unexplained;
    struct tl_unit *units[2];
    struct tl_sv notes[1];
    struct tl_report_view view;
    bool wanted;
    struct tl_report report;
};

static void set_row(struct tl_value row[4], int64_t start_ms, struct tl_sv host, int64_t hits)
{
    row[0] = (struct tl_value){.kind = TL_TIMESTAMP, .i64 = start_ms};
    row[1] = (struct tl_value){.kind = TL_TIMESTAMP, .i64 = start_ms + 10000};
    row[2] = (struct tl_value){.kind = TL_STRING, .sv = host};
    row[3] = (struct tl_value){.kind = TL_BIGINT, .i64 = hits};
}

static void set_scene(struct scene *s, struct tl_sv host)
{
    memset(s, 0, sizeof *s);
    s->columns[0] = (struct tl_shape_column){TL_SV("window_start"), TL_TIMESTAMP, TL_ROLE_WINDOW_START};
    s->columns[1] = (struct tl_shape_column){TL_SV("window_end"), TL_TIMESTAMP, TL_ROLE_WINDOW_END};
    s->columns[2] = (struct tl_shape_column){TL_SV("host"), TL_STRING, TL_ROLE_KEY};
    s->columns[3] = (struct tl_shape_column){TL_SV("num_hits"), TL_BIGINT, TL_ROLE_VALUE};
    s->shape = (struct tl_shape){.view = TL_SV("hits"), .windowed = true, .columns = s->columns, .columns_count = 4};
    set_row(s->speed, 1431857100000, host, 17);
    set_row(s->batch, 1431857100000, host, 19);
    set_row(s->forged, 1431857100000, host, 99);
    s->cause = (struct tl_unit_cause){
        .cause = TL_CAUSE_LATE_DROP,
        .missing = TL_SIDE_SPEED,
        .events_count = 2,
        .samples_count = 1,
        .samples = {{.partition = TL_PARTITION_IMPORTED + 1, .row = 3, .offset = 42, .time_ms = 1431857101000, .id = host}}};
    s->speed_row = (struct tl_unit_row){.columns = s->speed, .came_out = true};
    s->batch_row = (struct tl_unit_row){.columns = s->batch, .came_out = true};
    s->forged_row = (struct tl_unit_row){.columns = s->forged};
    s->speed_other = (struct tl_unit_row){.columns = s->speed, .came_out = true};
    s->batch_other = (struct tl_unit_row){.columns = s->batch, .came_out = true};
    s->explained = (struct tl_unit){
        .start_ms = 1431857100000,
        .end_ms = 1431857110000,
        .stored = {&s->speed_row, &s->batch_row},
        .agrees = {true,          true         },
        .causes = &s->cause,
        .explained = true
    };
    s->unexplained = (struct tl_unit){
        .start_ms = 1431857100000,
        .end_ms = 1431857110000,
        .stored = {&s->forged_row,  NULL           },
        .others = {&s->speed_other, &s->batch_other},
        .causes = &s->cause
    };
    s->units[0] = &s->unexplained;
    s->units[1] = &s->explained;
    s->notes[0] = TL_SV("view hits: cut \"here\"");
    s->view = (struct tl_report_view){.name = TL_SV("hits"),
                                      .topics = events,
                                      .topics_count = 1,
                                      .shape = &s->shape,
                                      .from_ms = INT64_MIN,
                                      .to_ms = 1431993600000,
                                      .boundary_ms = 1431993600000,
                                      .groups_count = 1234567,
                                      .equal_count = 1234565,
                                      .explained_count = 1,
                                      .unexplained_count = 1,
                                      .events_count = {[TL_CAUSE_LATE_DROP] = 2}};
    s->wanted = true;
    s->report = (struct tl_report){
        .notes = s->notes,
        .notes_count = 1,
        .from_ms = INT64_MIN,
        .to_ms = INT64_MAX,
        .cut = true,
        .views = &s->view,
        .views_wanted = &s->wanted,
        .views_count = 1,
        .groups_count = 1234567,
        .equal_count = 1234565,
        .explained_count = 1,
        .unexplained_count = 1,
        .events_count = {[TL_CAUSE_LATE_DROP] = 2  },
        .alike_count = { [TL_CAUSE_JSON_BAD_ROW] = 1,
                         [TL_CAUSE_FUTURE_EVENT] = 2,
                         [TL_CAUSE_DUPLICATE] = 3,
                         [TL_CAUSE_EVAL_ERROR] = 4,
                         [TL_CAUSE_ID_CONFLICT] = 5},
        .units = s->units,
        .units_count = 2,
        .units_left_out = 5
    };
    s->report.explained_events[TL_CAUSE_LATE_DROP] = 2;
}

/* A value of the JSON by an independent reader; "" for null. */
static const char *at(const struct tl_buf *json, const char *path)
{
    static char texts[8][256];
    static int next;
    char *text = texts[next++ % 8];
    sqlite3 *db;
    sqlite3_stmt *statement;

    cr_assert_eq(sqlite3_open(":memory:", &db), SQLITE_OK);
    cr_assert_eq(sqlite3_prepare_v2(db, "SELECT json_extract(?1, ?2)", -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_text(statement, 1, json->data, (int)json->size, SQLITE_STATIC);
    sqlite3_bind_text(statement, 2, path, -1, SQLITE_STATIC);
    cr_assert_eq(sqlite3_step(statement), SQLITE_ROW, "%s of %.*s", path, TL_SV_ARG(tl_buf_sv(json)));
    snprintf(text, 256, "%s",
             sqlite3_column_type(statement, 0) == SQLITE_NULL ? "" : (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return text;
}

Test(report, json)
{
    static const struct tl_sv hostile = TL_SV("a\"\\\n\x1b[31m<b>");
    struct scene scene;
    struct tl_buf out;

    set_scene(&scene, hostile);
    tl_buf_init(&out, 0);
    tl_report_json(&scene.report, &out);
    cr_assert_str_eq(at(&out, "$.notes[0]"), "view hits: cut \"here\"");
    cr_assert_str_eq(at(&out, "$.range"), "{\"from\":null,\"to\":null,\"cut\":true}");
    cr_assert_str_eq(
        at(&out, "$.summary"),
        "{\"groups\":1234567,\"equal\":1234565,\"explained\":1,\"unexplained\":1,\"pending\":0,\"proved\":null,\"named\":0}");
    cr_assert_str_eq(at(&out, "$.causes"), "{\"late_drop\":2}");
    cr_assert_str_eq(at(&out, "$.refused_by_both"), "{\"duplicate\":3,\"json_bad_row\":1,\"future_event\":2,\"eval_error\":4}");
    cr_assert_str_eq(at(&out, "$.counted_by_both"), "{\"id_conflict\":5}");
    cr_assert_str_eq(at(&out, "$.views[0].boundary"), "2015-05-19T00:00:00.000Z");
    cr_assert_str_eq(at(&out, "$.units[0].verdict"), "unexplained");
    cr_assert_str_eq(at(&out, "$.units[0].speed.num_hits"), "99");
    cr_assert_str_eq(at(&out, "$.units[0].batch"), "");
    cr_assert_str_eq(at(&out, "$.units[0].recomputed.speed.num_hits"), "17");
    cr_assert_str_eq(at(&out, "$.units[0].recomputed.batch.num_hits"), "19");
    cr_assert_str_eq(at(&out, "$.units[1].verdict"), "explained");
    cr_assert_str_eq(at(&out, "$.units[1].recomputed"), "");
    cr_assert_str_eq(at(&out, "$.units[1].window.start"), "2015-05-17T10:05:00.000Z");
    cr_assert_str_eq(at(&out, "$.units[1].key.host"), hostile.data);
    cr_assert_str_eq(at(&out, "$.units[1].causes[0].missing_in"), "speed");
    cr_assert_str_eq(at(&out, "$.units[1].causes[0].samples[0].topic"), "events.import");
    cr_assert_str_eq(at(&out, "$.units[1].causes[0].samples[0].partition"), "1");
    cr_assert_str_eq(at(&out, "$.units[1].causes[0].samples[0].event_id"), hostile.data);
    cr_assert_str_eq(at(&out, "$.units_left_out"), "5");
    tl_buf_done(&out);
}

/* Where people read, a long text ends at a whole character, and says how long it is; where programs do, it is whole. */
Test(report, a_long_text_is_cut_for_people)
{
    char text[3000], want[300];
    struct scene scene;
    struct tl_buf out;

    text[0] = 'a';
    for (size_t i = 1; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xbc", 2);
    text[sizeof text - 1] = 'z';
    set_scene(&scene, (struct tl_sv){text, sizeof text});
    snprintf(want, sizeof want, "host=\"%.199s\"... (3000 bytes)\n", text);
    tl_buf_init(&out, 0);
    tl_report_text(&scene.report, &out);
    tl_buf_put_u8(&out, '\0');
    cr_assert_not_null(strstr(out.data, want), "%s", out.data);
    tl_buf_clear(&out);
    tl_report_json(&scene.report, &out);
    cr_assert_not_null(memmem(out.data, out.size, text, sizeof text));
    tl_buf_clear(&out);
    tl_report_csv(&scene.report, &out);
    cr_assert_not_null(memmem(out.data, out.size, text, sizeof text));
    tl_buf_done(&out);
}

struct hostile_case {
    char name[40], text[32], want[64];
};

ParameterizedTestParameters(report, terminal)
{
    static struct hostile_case cases[] = {
        {"plain",                           "www.example.org", "host=www.example.org\n"},
        {"empty",                           "",                "host=\"\"\n"           },
        {"a blank",                         "a b",             "host=\"a b\"\n"        },
        {"what looks like the next column", "x=1",             "host=\"x=1\"\n"        },
        {"an escape sequence",              "\x1b[2J",         "host=\"\\u001b[2J\"\n" },
        {"a line end",                      "a\nb",            "host=\"a\\u000ab\"\n"  },
        {"a C1 control",
         "a\xc2\x9b"
         "1m",                                                 "host=\"a\\u009b1m\"\n" },
        {"delete",                          "a\x7f",           "host=\"a\\u007f\"\n"   },
        {"text turned around",
         "a\xe2\x80\xae"
         "b",                                                  "host=\"a\\u202eb\"\n"  },
        {"a quote",                         "a\"b\\",          "host=\"a\\\"b\\\\\"\n" },
        {"letters beyond ASCII",
         "b\xc3\xbc"
         "cher",                                               "host=\"b\xc3\xbc"
         "cher\"\n"                                                    },
    };

    return cr_make_param_array(struct hostile_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct hostile_case *c, report, terminal)
{
    struct scene scene;
    struct tl_buf out;

    set_scene(&scene, tl_sv_from(c->text));
    tl_buf_init(&out, 0);
    tl_report_text(&scene.report, &out);
    tl_buf_put_u8(&out, '\0');
    cr_assert_not_null(strstr(out.data, c->want), "%s: %s", c->name, out.data);
    for (const char *p = out.data; *p != '\0'; p++)
        cr_assert(*p == '\n' || (unsigned char)*p >= ' ', "%s: a control character in: %s", c->name, out.data);
    tl_buf_done(&out);
}

Test(report, text_says_notes_first_and_both_sides)
{
    struct scene scene;
    struct tl_buf out;

    set_scene(&scene, TL_SV("a"));
    tl_buf_init(&out, 0);
    tl_report_text(&scene.report, &out);
    tl_buf_put_u8(&out, '\0');
    cr_assert_eq(strncmp(out.data, "note: view hits: cut \"here\"\n99.99% of groups equal; ", 52), 0, "%s", out.data);
    cr_assert_not_null(strstr(out.data, "  1,234,567    1,234,565"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "UNEXPLAINED hits [2015-05-17T10:05:00.000Z, 2015-05-17T10:05:10.000Z) host=a\n"), "%s",
                       out.data);
    cr_assert_not_null(strstr(out.data, "speed has         num_hits=99\n"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "batch has         no row\n"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "its events give num_hits=17\n"), "%s", out.data);
    cr_assert_not_null(strstr(out.data, "events.import/1 offset 42 row 3 at 2015-05-17T10:05:01.000Z id a\n      ...\n"), "%s",
                       out.data);
    cr_assert_not_null(strstr(out.data, "(2 of 7; --limit shows more)"), "%s", out.data);
    tl_buf_done(&out);
}

/* Of sessions a unit is a span, and has lists of rows. */
Test(report, spans)
{
    struct scene scene;
    struct tl_buf out;

    set_scene(&scene, TL_SV("a"));
    scene.view.by_span = true;
    scene.explained.end_ms = 1431857120000;
    scene.speed_row.start_ms = 1431857100000;
    scene.speed_row.end_ms = 1431857110000;
    scene.forged_row =
        (struct tl_unit_row){.start_ms = 1431857105000, .end_ms = 1431857120000, .columns = scene.forged, .came_out = true};
    scene.speed_row.next = &scene.forged_row;
    scene.explained.stored[TL_SIDE_BATCH] = NULL;
    scene.cause.cause = TL_CAUSE_SESSION_SPLIT;
    scene.cause.missing = TL_SIDES;
    scene.unexplained.stored[TL_SIDE_SPEED] = &scene.speed_row;
    scene.unexplained.others[TL_SIDE_BATCH] = NULL;
    scene.speed_other.start_ms = 1431857101000;
    scene.speed_other.end_ms = 1431857112000;
    tl_buf_init(&out, 0);
    tl_report_json(&scene.report, &out);
    cr_assert_str_eq(at(&out, "$.units[1].window.end"), "2015-05-17T10:05:20.000Z");
    cr_assert_str_eq(at(&out, "$.units[1].speed[0].num_hits"), "17");
    cr_assert_str_eq(at(&out, "$.units[1].speed[1].num_hits"), "99");
    cr_assert_str_eq(at(&out, "$.units[1].batch"), "[]");
    cr_assert_str_eq(at(&out, "$.units[1].causes[0].cause"), "session_split");
    cr_assert_str_eq(at(&out, "$.units[1].causes[0].missing_in"), "");
    cr_assert_str_eq(at(&out, "$.units[0].recomputed.speed[0].num_hits"), "17");
    cr_assert_str_eq(at(&out, "$.units[0].recomputed.speed[1].num_hits"), "17");
    cr_assert_str_eq(at(&out, "$.units[0].recomputed.speed[2].num_hits"), "99");
    cr_assert_str_eq(at(&out, "$.units[0].recomputed.batch"), "[]");
    tl_buf_clear(&out);
    tl_report_text(&scene.report, &out);
    tl_buf_put_u8(&out, '\0');
    cr_assert_not_null(strstr(out.data, "    speed has         [2015-05-17T10:05:00.000Z, 2015-05-17T10:05:10.000Z) num_hits=17\n"
                                        "                      [2015-05-17T10:05:05.000Z, 2015-05-17T10:05:20.000Z) num_hits=99\n"
                                        "    batch has         no row\n"
                                        "    session_split: 2 events joined sessions of their own in speed\n"),
                       "%s", out.data);
    tl_buf_done(&out);
}

/* A unit's rows have an end too, in every format. */
Test(report, a_span_with_many_rows)
{
    enum { ROWS = 1500 };
    static struct tl_unit_row rows[ROWS];
    struct scene scene;
    struct tl_buf out;
    size_t json_bytes;

    set_scene(&scene, TL_SV("a"));
    scene.view.by_span = true;
    for (int r = 0; r < ROWS; r++)
        rows[r] = (struct tl_unit_row){
            .start_ms = r, .end_ms = r + 1, .columns = scene.speed, .came_out = true, .next = r + 1 < ROWS ? &rows[r + 1] : NULL};
    scene.explained.stored[TL_SIDE_BATCH] = rows;
    scene.unexplained.stored[TL_SIDE_BATCH] = rows;
    scene.unexplained.others[TL_SIDE_BATCH] = NULL;
    tl_buf_init(&out, 0);
    tl_report_json(&scene.report, &out);
    json_bytes = out.size;
    cr_assert_str_eq(at(&out, "$.units[1].rows_left_out"), "500");
    cr_assert_str_eq(at(&out, "$.units[0].rows_left_out"), "1000");
    cr_assert_str_eq(at(&out, "$.units[1].batch[999].num_hits"), "17");
    cr_assert_str_eq(at(&out, "$.units[1].batch[1000]"), "");
    tl_buf_clear(&out);
    tl_report_csv(&scene.report, &out);
    tl_buf_put_u8(&out, '\0');
    cr_assert_not_null(strstr(out.data, ",500\r\n"), "%s", out.data);
    cr_assert_lt(out.size, 2 * json_bytes);
    for (int format = 0; format < 3; format++) {
        tl_buf_clear(&out);
        if (format == 0)
            tl_report_text(&scene.report, &out);
        else if (format == 1)
            tl_report_markdown(&scene.report, &out);
        else
            tl_report_html(&scene.report, &out);
        tl_buf_put_u8(&out, '\0');
        cr_assert_not_null(strstr(out.data, "..."), "%s", out.data);
        cr_assert_null(strstr(out.data, "1970-01-01T00:00:00.009Z"), "%s", out.data);
    }
    tl_buf_done(&out);
}
