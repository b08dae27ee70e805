/* report_markdown.c: what reconcile found, as GitHub-flavoured Markdown for a pull request or a mail. See report.h.
 *
 * What comes from outside stands in code spans, where nothing is a link, a mention or markup; in a table a pipe has a backslash before it there
 * too, as that flavour wants it. */
#include <string.h>

#include "cause_words.h"
#include "report.h"

struct markdown {
    struct tl_buf *out;
    struct tl_buf text; /* what is put next */
};

/* ---- text ---- */

static struct tl_sv take(struct markdown *md)
{
    struct tl_sv text = tl_sv_trim(tl_buf_sv(&md->text));

    md->out->failed = md->out->failed || md->text.failed;
    return text;
}

/* The text as a code span in a cell: between more backticks than stand anywhere in it. */
static void put_code(struct markdown *md)
{
    struct tl_sv text = take(md);
    size_t run = 0, longest = 0;
    bool pad = text.size > 0 && (text.data[0] == '`' || text.data[text.size - 1] == '`');

    if (text.size == 0)
        return;
    for (size_t i = 0; i < text.size; i++) {
        run = text.data[i] == '`' ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    for (size_t i = 0; i <= longest; i++)
        tl_buf_put_u8(md->out, '`');
    tl_buf_put_str(md->out, pad ? " " : "");
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '|')
            tl_buf_put_u8(md->out, '\\');
        tl_buf_put_u8(md->out, text.data[i] == '\n' ? ' ' : (uint8_t)text.data[i]);
    }
    tl_buf_put_str(md->out, pad ? " " : "");
    for (size_t i = 0; i <= longest; i++)
        tl_buf_put_u8(md->out, '`');
    tl_buf_clear(&md->text);
}

/* The text as text: what could be markup has a backslash before it. */
static void put_plain(struct markdown *md)
{
    struct tl_sv text = take(md);

    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c > ' ' && c < 0x7f && strchr("\\`*_[]<>#!|~&$@", c) != NULL)
            tl_buf_put_u8(md->out, '\\');
        tl_buf_put_u8(md->out, c < ' ' ? ' ' : c);
    }
    tl_buf_clear(&md->text);
}

static void put_name(struct markdown *md, struct tl_sv name)
{
    tl_buf_put_sv(&md->text, name);
    put_code(md);
}

static void put_bar(struct markdown *md)
{
    tl_buf_put_str(md->out, " | ");
}

/* ---- sections ---- */

static void put_views(struct markdown *md, const struct tl_report *report)
{
    tl_buf_printf(md->out,
                  "\n| view | compared up to | groups | equal | explained | unexplained | pending |%s\n"
                  "|---|---|--:|--:|--:|--:|--:|%s\n",
                  report->full ? " proved |" : "", report->full ? "--:|" : "");
    for (uint32_t v = 0; v < report->views_count; v++) {
        const struct tl_report_view *view = &report->views[v];
        const uint64_t counts[] = {view->groups_count,      view->equal_count,   view->explained_count,
                                   view->unexplained_count, view->pending_count, view->proved_count};

        if (!report->views_wanted[v])
            continue;
        tl_buf_put_str(md->out, "| ");
        put_name(md, view->name);
        put_bar(md);
        if (view->to_ms > view->from_ms)
            tl_report_put_time(md->out, view->to_ms);
        else
            tl_buf_put_str(md->out, "nothing");
        for (size_t c = 0; c < TL_COUNT(counts) - !report->full; c++) {
            put_bar(md);
            tl_report_put_count(md->out, counts[c]);
        }
        tl_buf_put_str(md->out, " |\n");
    }
}

static void put_causes(struct markdown *md, const struct tl_report *report)
{
    if (report->found == NULL || report->found->groups == NULL)
        return;
    tl_buf_put_str(md->out, "\n### Causes\n\n| cause | events | meaning | what to do |\n|---|--:|---|---|\n");
    for (const struct tl_cause_group *g = report->found->groups; g != NULL; g = g->next) {
        tl_buf_put_str(md->out, "| ");
        tl_report_put_cause(&md->text, g->cause, g->check);
        put_code(md);
        put_bar(md);
        tl_report_put_count(md->out, g->events_count);
        tl_buf_printf(md->out, " | %s | %s |\n", tl_cause_words(g->cause)->meaning, tl_cause_words(g->cause)->todo);
    }
}

static void put_findings(struct markdown *md, const struct tl_report *report)
{
    if (report->findings_count == 0)
        return;
    tl_buf_put_str(md->out, "\n### Checks that did not pass");
    tl_report_put_cut(md->out, report->findings_count, report->findings_left_out);
    tl_buf_put_str(md->out, "\n\n");
    for (size_t c = 0; c < report->findings_count; c++) {
        tl_buf_put_str(md->out, "- ");
        tl_report_put_finding(&md->text, &report->findings[c]);
        put_plain(md);
        tl_buf_put_u8(md->out, '\n');
    }
}

static void put_by_value(struct markdown *md, const struct tl_by_view *view, const struct tl_by_value *value)
{
    const uint64_t counts[] = {value->explained_count + value->unexplained_count, value->explained_count,
                               value->unexplained_count};

    for (size_t c = 0; c < TL_COUNT(counts); c++) {
        put_bar(md);
        tl_report_put_count(md->out, counts[c]);
    }
    for (uint32_t s = 0; s < view->sums_count; s++) {
        for (int side = 0; side <= TL_SIDES; side++) {
            put_bar(md);
            tl_report_put_sum(md->out, view, value, s, side);
        }
    }
    tl_buf_put_str(md->out, " |\n");
}

static void put_by_view(struct markdown *md, const struct tl_report *report, const struct tl_by_view *view)
{
    static const char *const sides[TL_SIDES + 1] = {"speed", "batch", "difference"};

    tl_buf_put_u8(md->out, '\n');
    put_name(md, report->views[view->view].name);
    if (view->values_count + view->others_count == 0) {
        tl_buf_put_str(md->out, ": nothing differs.\n");
        return;
    }
    tl_report_put_cut(md->out, view->values_count, view->others_count);
    tl_buf_put_str(md->out, ":\n\n| ");
    put_name(md, report->by->column);
    tl_buf_put_str(md->out, " | groups | explained | unexplained");
    for (uint32_t s = 0; s < view->sums_count; s++) {
        for (int side = 0; side <= TL_SIDES; side++) {
            put_bar(md);
            put_name(md, view->shape->columns[view->sums[s]].name);
            tl_buf_printf(md->out, " %s", sides[side]);
        }
    }
    tl_buf_put_str(md->out, " |\n|---|--:|--:|--:|");
    for (uint32_t s = 0; s < view->sums_count; s++)
        tl_buf_put_str(md->out, "--:|--:|--:|");
    tl_buf_put_u8(md->out, '\n');
    for (size_t i = 0; i < view->values_count; i++) {
        tl_buf_put_str(md->out, "| ");
        tl_report_put_value(&md->text, &view->values[i]->value);
        put_code(md);
        put_by_value(md, view, view->values[i]);
    }
    if (view->others_count > 0) {
        tl_buf_put_str(md->out, "| ");
        tl_report_put_counted(md->out, view->others_count, "other", "others");
        put_by_value(md, view, &view->others);
    }
}

static void put_by(struct markdown *md, const struct tl_report *report)
{
    if (report->by == NULL)
        return;
    tl_buf_put_str(md->out, "\n### Differences by ");
    put_name(md, report->by->column);
    tl_buf_put_u8(md->out, '\n');
    for (uint32_t v = 0; v < report->by->views_count; v++)
        put_by_view(md, report, &report->by->views[v]);
    if (tl_report_put_views_without(&md->text, report, "")) {
        tl_buf_put_str(md->out, "\nNot grouped by it: ");
        put_code(md);
        tl_buf_put_u8(md->out, '\n');
    }
}

/* What a layer has; and, where that is not explained, what its events give. */
static void put_layer(struct markdown *md, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side)
{
    for (int recomputed = 0; recomputed <= !unit->explained; recomputed++) {
        const struct tl_unit_row *row = tl_report_next_row(unit, side, recomputed == 1, NULL);
        int shown = 0;

        tl_buf_put_str(md->out, recomputed == 1 ? "; its events give " : "");
        do {
            tl_buf_put_str(md->out, shown > 0 ? ", " : "");
            tl_report_put_row(&md->text, view, row);
            put_code(md);
            row = row == NULL ? NULL : tl_report_next_row(unit, side, recomputed == 1, row);
        } while (row != NULL && ++shown < TL_REPORT_ROWS_SHOWN);
        tl_buf_put_str(md->out, row != NULL ? ", ..." : "");
    }
}

static void put_units(struct markdown *md, const struct tl_report *report)
{
    if (report->units_count + report->units_left_out == 0)
        return;
    tl_buf_put_str(md->out, "\n### Groups that differ");
    tl_report_put_cut(md->out, report->units_count, report->units_left_out);
    tl_buf_put_str(md->out, "\n\n| view | window | key | speed has | batch has | why |\n|---|---|---|---|---|---|\n");
    for (size_t u = 0; u < report->units_count; u++) {
        const struct tl_unit *unit = report->units[u];
        const struct tl_report_view *view = &report->views[unit->view];

        tl_buf_put_str(md->out, "| ");
        put_name(md, view->name);
        put_bar(md);
        tl_report_put_window(md->out, view, unit);
        put_bar(md);
        tl_report_put_key(&md->text, view, unit);
        put_code(md);
        for (int side = 0; side < TL_SIDES; side++) {
            put_bar(md);
            put_layer(md, view, unit, (enum tl_side)side);
        }
        put_bar(md);
        tl_buf_put_str(md->out, unit->explained ? "" : "**unexplained**");
        for (const struct tl_unit_cause *c = unit->causes; c != NULL; c = c->next) {
            tl_buf_put_str(md->out, c == unit->causes && unit->explained ? "" : "; ");
            tl_report_put_cause(&md->text, c->cause, c->check);
            put_code(md);
            tl_buf_put_str(md->out, ": ");
            tl_report_put_missing(md->out, c);
        }
        tl_buf_put_str(md->out, " |\n");
    }
}

static void put_samples(struct markdown *md, const struct tl_report *report)
{
    if (report->found == NULL || report->found->groups == NULL || report->found->samples_max == 0)
        return;
    tl_buf_put_str(md->out, "\n### Events behind each cause\n\n| cause | view | event |\n|---|---|---|\n");
    for (const struct tl_cause_group *g = report->found->groups; g != NULL; g = g->next) {
        for (size_t s = 0; s < g->samples_count; s++) {
            const struct tl_report_view *view = &report->views[g->samples[s].view];

            tl_buf_put_str(md->out, "| ");
            tl_report_put_cause(&md->text, g->cause, g->check);
            put_code(md);
            if (s == 0)
                tl_report_put_cut(md->out, g->samples_count, g->events_count - g->samples_count);
            put_bar(md);
            put_name(md, view->name);
            put_bar(md);
            tl_report_put_sample(&md->text, view, &g->samples[s].event);
            put_code(md);
            tl_buf_put_str(md->out, " |\n");
        }
    }
}

void tl_report_markdown(const struct tl_report *report, struct tl_buf *out)
{
    struct markdown md = {.out = out};

    tl_buf_init(&md.text, 0);
    tl_buf_put_str(out, "## Do speed and batch agree?\n\n");
    for (size_t n = 0; n < report->notes_count; n++) {
        tl_buf_put_str(out, "> **Note:** ");
        tl_buf_put_sv(&md.text, report->notes[n]);
        put_plain(&md);
        tl_buf_put_str(out, n + 1 < report->notes_count ? "\n>\n" : "\n\n");
    }
    tl_buf_put_str(out, "**");
    tl_report_headline(report, out);
    tl_buf_put_str(out, "**\n");
    if (tl_report_cut_note(report) != NULL)
        tl_buf_printf(out, "\n%s\n", tl_report_cut_note(report));
    put_views(&md, report);
    put_causes(&md, report);
    tl_buf_put_str(out, "\nRefused by both layers: ");
    tl_report_put_refused(out, report);
    tl_buf_put_u8(out, '\n');
    put_findings(&md, report);
    put_by(&md, report);
    put_units(&md, report);
    put_samples(&md, report);
    tl_buf_done(&md.text);
}
