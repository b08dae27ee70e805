/* report_html.c: what reconcile found, as one HTML file with pictures, which asks for nothing and runs nothing. See report.h.
 *
 * A policy in the file forbids all but its own style sheet, so that even a mistake in here could load and run nothing. The markup is well-formed
 * XML too. Pictures are SVG, drawn here, each with a title, a description and its figures as a table. */
#include <openssl/evp.h>
#include <string.h>

#include "cause_words.h"
#include "event/timestamp.h"
#include "report.h"

/* Colours keep 4.5:1 to the paper as text and 3:1 as areas, in light and dark, and the stacked ones stand apart in lightness too. */
static const char style[] =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--band:#f3f5f7;"
    "--explained:#2f6fb2;--pending:#9a6700;--unexplained:#b3261e}"
    "@media screen and "
    "(prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e9ec;--soft:#a5adb6;--line:#3a424a;--band:#1f252a;"
    "--explained:#6cb0f0;--pending:#e3b341;--unexplained:#ff8f85}}"
    "body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}"
    "main{max-width:76rem;margin:0 auto;padding:1rem}"
    "h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}"
    ".headline{font-size:1.25rem;font-weight:600}.notes{border-left:.3rem solid "
    "var(--pending);padding-left:1.5rem;list-style:none}"
    ".bad{color:var(--unexplained);font-weight:600}.soft,figcaption{color:var(--soft)}"
    "table{border-collapse:collapse;font-size:.9rem}caption{text-align:left;font-weight:600;padding:.3rem 0}"
    "th,td{border-bottom:1px solid var(--line);padding:.3rem .6rem;text-align:left;vertical-align:top}"
    "thead th{background:var(--band)}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "code{font-family:ui-monospace,monospace;font-size:.85rem;overflow-wrap:anywhere}"
    "td:has(code),tbody th:has(code){min-width:9rem}.wide{overflow-x:auto}figure{margin:1.5rem 0}summary{cursor:pointer}"
    "svg{display:block;width:100%;max-width:60rem;height:auto}svg text{fill:var(--ink);font:13px system-ui,sans-serif}"
    ".e{fill:var(--explained)}.p{fill:var(--pending)}.u{fill:var(--unexplained)}.g{stroke:var(--line)}.r{text-anchor:end}"
    ".key span{display:inline-block;width:.8em;height:.8em;margin:0 .4em 0 1em}"
    ".key .e{background:var(--explained)}.key .p{background:var(--pending)}.key .u{background:var(--unexplained)}"
    "@media print{main{max-width:none;padding:0}.wide{overflow:visible}tr,figure{break-inside:avoid}h2{break-after:avoid}}";

struct html {
    struct tl_buf *out;
    struct tl_buf text; /* what is put next */
};

/* ---- text ---- */

static void put(struct html *h, const char *markup)
{
    tl_buf_put_str(h->out, markup);
}

static void put_escaped(struct tl_buf *out, struct tl_sv text)
{
    for (size_t i = 0; i < text.size; i++) {
        switch (text.data[i]) {
        case '&': tl_buf_put_str(out, "&amp;"); break;
        case '<': tl_buf_put_str(out, "&lt;"); break;
        case '>': tl_buf_put_str(out, "&gt;"); break;
        case '"': tl_buf_put_str(out, "&quot;"); break;
        case '\'': tl_buf_put_str(out, "&#39;"); break;
        default: tl_buf_put_u8(out, (uint8_t)text.data[i]); break;
        }
    }
}

/* The text, as text. */
static void end_text(struct html *h)
{
    put_escaped(h->out, tl_sv_trim(tl_buf_sv(&h->text)));
    h->out->failed = h->out->failed || h->text.failed;
    tl_buf_clear(&h->text);
}

static void end_code(struct html *h)
{
    put(h, "<code>");
    end_text(h);
    put(h, "</code>");
}

static void put_text(struct html *h, struct tl_sv text)
{
    tl_buf_put_sv(&h->text, text);
    end_text(h);
}

static void put_code(struct html *h, struct tl_sv text)
{
    tl_buf_put_sv(&h->text, text);
    end_code(h);
}

/* Our own words: what stands in backticks is code. */
static void put_words(struct html *h, const char *words)
{
    struct tl_sv rest = tl_sv_from(words);

    for (bool code = false; rest.size > 0; code = !code) {
        struct tl_sv part = tl_sv_cut(&rest, '`');

        put(h, code ? "<code>" : "");
        put_escaped(h->out, part);
        put(h, code ? "</code>" : "");
    }
}

static void put_number(struct html *h, uint64_t count)
{
    put(h, "<td class=\"n\">");
    tl_report_put_count(h->out, count);
    put(h, "</td>");
}

static void put_heads(struct html *h, const char *const *names, size_t count, size_t numbers_from, size_t numbers_to)
{
    for (size_t n = 0; n < count; n++)
        tl_buf_printf(h->out, "<th scope=\"col\"%s>%s</th>", n >= numbers_from && n < numbers_to ? " class=\"n\"" : "", names[n]);
}

/* A table may be wider than a screen: it can be scrolled, by keys too. `caption` is ours. */
static void begin_table(struct html *h, const char *caption, uint64_t shown, uint64_t left_out)
{
    tl_buf_printf(h->out, "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"%s\"><table><caption>%s", caption,
                  caption);
    tl_report_put_cut(h->out, shown, left_out);
    put(h, "</caption><thead><tr>");
}

static void begin_rows(struct html *h)
{
    put(h, "</tr></thead><tbody>\n");
}

static void end_table(struct html *h)
{
    put(h, "</tbody></table></div>\n");
}

/* ---- pictures ---- */

static void begin_picture(struct html *h, const char *id, int height, const char *title)
{
    tl_buf_printf(h->out,
                  "<figure><figcaption id=\"%s-c\">%s</figcaption>\n<svg viewBox=\"0 0 960 %d\" role=\"img\" "
                  "aria-labelledby=\"%s-t %s-d\"><title id=\"%s-t\">%s</title><desc id=\"%s-d\">",
                  id, title, height, id, id, id, title, id);
}

static void begin_figures(struct html *h)
{
    put(h, "</svg><details><summary>The figures</summary>\n");
}

static void end_picture(struct html *h)
{
    put(h, "</details></figure>\n");
}

/* 1, 2 or 5 and noughts, at or above it. */
static uint64_t round_up(uint64_t count)
{
    uint64_t unit = 1;

    while (unit <= UINT64_MAX / 10 && unit * 10 <= count)
        unit *= 10;
    for (uint64_t times = 1; times <= 5; times += times == 1 ? 1 : 3)
        if (unit * times >= count)
            return unit * times;
    return unit <= UINT64_MAX / 10 ? unit * 10 : count;
}

/* A share of `size`, and what is not nothing can be seen. */
static double length_of(uint64_t count, uint64_t most, double size)
{
    double length = most == 0 ? 0 : (double)count / (double)most * size;

    return count > 0 && length < 2 ? 2 : length;
}

enum {
    PLOT_X = 70,
    PLOT_Y = 12,
    PLOT_WIDTH = 880,
    PLOT_HEIGHT = 210,
    BAR_HEIGHT = 26,
    LABEL_X = 220,
    BAR_X = 230,
    BAR_WIDTH = 620,
    STEP_LABEL_WIDTH = 150
};

/* As exact as the steps are. */
static void put_step_time(struct html *h, const struct tl_timeline *line, uint32_t step)
{
    char text[TL_TIME_TEXT_BYTES];
    size_t size = tl_time_to_iso_z(line->from_ms + step * line->step_ms, text);

    if (line->step_ms >= TL_DAY_MS)
        size -= strlen("T00:00:00.000Z");
    else if (line->step_ms >= 60000)
        size -= strlen(":00.000Z");
    else
        size -= strlen(".000Z");
    tl_buf_put(h->out, text, size);
}

static void put_step_figures(struct html *h, const struct tl_timeline_step *step)
{
    const uint64_t counts[] = {step->explained_count, step->pending_count, step->unexplained_count};

    for (size_t c = 0; c < TL_COUNT(counts); c++)
        put_number(h, counts[c]);
}

static void put_step_bar(struct html *h, const struct tl_timeline *line, uint32_t s, uint64_t most)
{
    static const char *const classes[] = {"e", "p", "u"};
    const struct tl_timeline_step *step = &line->steps[s];
    const uint64_t counts[] = {step->explained_count, step->pending_count, step->unexplained_count};
    double width = (double)PLOT_WIDTH / line->steps_count, bottom = PLOT_Y + PLOT_HEIGHT;

    if (counts[0] + counts[1] + counts[2] == 0)
        return;
    put(h, "<g><title>");
    put_step_time(h, line, s);
    tl_buf_printf(h->out, ": %llu explained, %llu pending, %llu unexplained</title>", (unsigned long long)counts[0],
                  (unsigned long long)counts[1], (unsigned long long)counts[2]);
    for (size_t c = 0; c < TL_COUNT(counts); c++) {
        double height = length_of(counts[c], most, PLOT_HEIGHT);

        bottom -= height;
        if (counts[c] > 0)
            tl_buf_printf(h->out, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>", classes[c],
                          PLOT_X + s * width + 0.5, bottom, width > 2 ? width - 1 : width, height);
    }
    put(h, "</g>\n");
}

static void put_axes(struct html *h, const struct tl_timeline *line, uint64_t most)
{
    uint32_t every = (line->steps_count + 4) / 5;
    unsigned ticks = most % 4 == 0 ? 4 : most % 5 == 0 ? 5 : (unsigned)most; /* 1, 2 or 5 and noughts */

    for (unsigned t = 0; t <= ticks; t++) {
        double y = PLOT_Y + PLOT_HEIGHT - (double)PLOT_HEIGHT * t / ticks;

        tl_buf_printf(h->out,
                      "<line class=\"g\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"r\" x=\"%d\" y=\"%.1f\">",
                      PLOT_X, PLOT_X + PLOT_WIDTH, y, y, PLOT_X - 6, y + 4);
        tl_report_put_count(h->out, most / ticks * t);
        put(h, "</text>\n");
    }
    for (int64_t s = 0; (line->steps_count - s) * PLOT_WIDTH >= (int64_t)line->steps_count * STEP_LABEL_WIDTH; s += every) {
        tl_buf_printf(h->out, "<text x=\"%.1f\" y=\"%d\">", PLOT_X + (double)(PLOT_WIDTH * s) / line->steps_count,
                      PLOT_Y + PLOT_HEIGHT + 20);
        put_step_time(h, line, (uint32_t)s);
        put(h, "</text>\n");
    }
}

static void put_timeline(struct html *h, const struct tl_timeline *line)
{
    static const char *const heads[] = {"from (UTC)", "explained", "pending", "unexplained"};
    uint64_t most = 1, units = 0;

    for (uint32_t s = 0; s < line->steps_count; s++) {
        uint64_t sum = line->steps[s].explained_count + line->steps[s].pending_count + line->steps[s].unexplained_count;

        most = sum > most ? sum : most;
        units += sum;
    }
    if (units == 0)
        return;
    most = round_up(most);
    begin_picture(h, "time", PLOT_Y + PLOT_HEIGHT + 32, "Groups that differ, by when they start (UTC)");
    tl_report_put_counted(h->out, units, "group differs", "groups differ");
    put(h, ", between ");
    put_step_time(h, line, 0);
    put(h, " and ");
    put_step_time(h, line, line->steps_count);
    put(h, " UTC; stacked: explained, pending, unexplained.</desc>\n");
    put_axes(h, line, most);
    for (uint32_t s = 0; s < line->steps_count; s++)
        put_step_bar(h, line, s, most);
    put(h, "</svg>\n<p class=\"key\"><span class=\"e\"></span>explained<span class=\"p\"></span>pending: the next commit or run "
           "changes "
           "them<span class=\"u\"></span>unexplained</p>\n<details><summary>The figures</summary>\n");
    begin_table(h, "Groups that differ, by when they start", 0, 0);
    put_heads(h, heads, TL_COUNT(heads), 1, TL_COUNT(heads));
    begin_rows(h);
    for (uint32_t s = 0; s < line->steps_count; s++) {
        put(h, "<tr><th scope=\"row\">");
        put_step_time(h, line, s);
        put(h, "</th>");
        put_step_figures(h, &line->steps[s]);
        put(h, "</tr>\n");
    }
    end_table(h);
    end_picture(h);
}

static void put_bar(struct html *h, int row, uint64_t count, uint64_t most)
{
    double length = length_of(count, most, BAR_WIDTH);

    tl_buf_printf(h->out, "</text><rect class=\"e\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/><text x=\"%.1f\" y=\"%d\">",
                  BAR_X, row * BAR_HEIGHT + 4, length, BAR_HEIGHT - 8, BAR_X + length + 6, row * BAR_HEIGHT + 18);
    tl_report_put_count(h->out, count);
    put(h, "</text>\n");
}

static void begin_bar(struct html *h, int row)
{
    tl_buf_printf(h->out, "<text class=\"r\" x=\"%d\" y=\"%d\">", LABEL_X, row * BAR_HEIGHT + 18);
}

static void put_lateness(struct html *h, const struct tl_cause_events *found)
{
    static const char *const heads[] = {"behind the watermark", "events"};
    uint64_t most = 0, events = 0;

    for (int s = 0; s < TL_LATE_STEPS; s++) {
        events += found->late_count[s];
        most = found->late_count[s] > most ? found->late_count[s] : most;
    }
    if (events == 0)
        return;
    begin_picture(h, "late", TL_LATE_STEPS * BAR_HEIGHT + 6,
                  "How late late events were: behind the watermark that they were judged by");
    tl_report_put_counted(h->out, events, "late event", "late events");
    put(h, ", by how far behind the watermark their time was.</desc>\n");
    for (int s = 0; s < TL_LATE_STEPS; s++) {
        begin_bar(h, s);
        put(h, tl_late_names[s]);
        put_bar(h, s, found->late_count[s], most);
    }
    begin_figures(h);
    begin_table(h, "How late late events were", 0, 0);
    put_heads(h, heads, TL_COUNT(heads), 1, TL_COUNT(heads));
    begin_rows(h);
    for (int s = 0; s < TL_LATE_STEPS; s++) {
        tl_buf_printf(h->out, "<tr><th scope=\"row\">%s</th>", tl_late_names[s]);
        put_number(h, found->late_count[s]);
        put(h, "</tr>\n");
    }
    end_table(h);
    if (found->late_unknown_count > 0) {
        put(h, "<p>");
        tl_report_put_counted(h->out, found->late_unknown_count, "further event has", "further events have");
        put(h, " no watermark in the ledger.</p>\n");
    }
    end_picture(h);
}

enum { LABEL_BYTES = 26 };

/* A check's name may be long. */
static void put_label(struct html *h, const struct tl_cause_group *group)
{
    struct tl_sv text;

    tl_report_put_cause(&h->text, group->cause, group->check);
    text = tl_buf_sv(&h->text);
    if (text.size > LABEL_BYTES) {
        h->text.size = LABEL_BYTES;
        while (h->text.size > 0 && ((unsigned char)text.data[h->text.size] & 0xc0) == 0x80)
            h->text.size--;
        tl_buf_put_str(&h->text, "...");
    }
    end_text(h);
}

enum { GROUPS_MAX = 40 }; /* bars of one picture; each check is one */

static void put_cause_bars(struct html *h, const struct tl_report *report)
{
    uint64_t most = 0;
    int count = 0, row = 0;

    for (const struct tl_cause_group *g = report->found->groups; g != NULL && count < GROUPS_MAX; g = g->next, count++)
        most = g->events_count > most ? g->events_count : most;
    begin_picture(h, "causes", count * BAR_HEIGHT + 6, "Events by cause");
    put(h,
        "How many events differ, by what kept one of the layers from counting them. The table below has the figures.</desc>\n");
    for (const struct tl_cause_group *g = report->found->groups; g != NULL && row < count; g = g->next, row++) {
        begin_bar(h, row);
        put_label(h, g);
        put_bar(h, row, g->events_count, most);
    }
    put(h, "</svg></figure>\n");
}

/* ---- sections ---- */

static void put_head(struct html *h)
{
    unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    unsigned size = 0;

    put(h, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n");
    /* Without the digest no style sheet is taken, and the page is still there to read. */
    text[0] = '\0';
    if (EVP_Digest(style, sizeof style - 1, digest, &size, EVP_sha256(), NULL) == 1)
        (void)EVP_EncodeBlock(text, digest, (int)size);
    tl_buf_printf(
        h->out,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; "
        "form-action 'none'\"/>\n",
        (const char *)text);
    put(h, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>Do speed and batch "
           "agree?</title>\n<style>");
    put(h, style);
    put(h, "</style></head>\n<body><main>\n<h1>Do speed and batch agree?</h1>\n");
}

static void put_summary(struct html *h, const struct tl_report *report)
{
    if (report->notes_count > 0) {
        put(h, "<ul class=\"notes\" aria-label=\"Notes\">\n");
        for (size_t n = 0; n < report->notes_count; n++) {
            put(h, "<li>");
            put_text(h, report->notes[n]);
            put(h, "</li>\n");
        }
        put(h, "</ul>\n");
    }
    tl_buf_printf(h->out, "<p class=\"headline%s\">", report->unexplained_count > 0 ? " bad" : "");
    tl_report_headline(report, h->out);
    put(h, "</p>\n");
    if (tl_report_cut_note(report) != NULL)
        tl_buf_printf(h->out, "<p>%s</p>\n", tl_report_cut_note(report));
}

static void put_views(struct html *h, const struct tl_report *report)
{
    static const char *const heads[] = {"view",      "compared up to", "groups",  "equal",
                                        "explained", "unexplained",    "pending", "proved"};
    size_t heads_count = TL_COUNT(heads) - !report->full;

    begin_table(h, "Views", 0, 0);
    put_heads(h, heads, heads_count, 2, heads_count);
    begin_rows(h);
    for (uint32_t v = 0; v < report->views_count; v++) {
        const struct tl_report_view *view = &report->views[v];
        const uint64_t counts[] = {view->groups_count,      view->equal_count,   view->explained_count,
                                   view->unexplained_count, view->pending_count, view->proved_count};

        if (!report->views_wanted[v])
            continue;
        put(h, "<tr><th scope=\"row\">");
        put_text(h, view->name);
        put(h, "</th><td>");
        if (view->to_ms > view->from_ms)
            tl_report_put_time(h->out, view->to_ms);
        else
            put(h, "nothing");
        put(h, "</td>");
        for (size_t c = 0; c < TL_COUNT(counts) - !report->full; c++)
            put_number(h, counts[c]);
        put(h, "</tr>\n");
    }
    end_table(h);
}

static void put_cause_cell(struct html *h, const char *tag, enum tl_cause cause, struct tl_sv check)
{
    tl_buf_printf(h->out, "<%s%s>", tag, tag[1] == 'h' ? " scope=\"row\"" : "");
    tl_report_put_cause(&h->text, cause, check);
    end_code(h);
    tl_buf_printf(h->out, "</%s>", tag);
}

static void put_causes(struct html *h, const struct tl_report *report)
{
    static const char *const heads[] = {"cause", "events", "meaning", "what to do"};

    put(h, "<h2>Causes</h2>\n");
    put_cause_bars(h, report);
    put_lateness(h, report->found);
    begin_table(h, "Events by which the layers differ", 0, 0);
    put_heads(h, heads, TL_COUNT(heads), 1, 2);
    begin_rows(h);
    for (const struct tl_cause_group *g = report->found->groups; g != NULL; g = g->next) {
        put(h, "<tr>");
        put_cause_cell(h, "th", g->cause, g->check);
        put_number(h, g->events_count);
        put(h, "<td>");
        put_words(h, tl_cause_words(g->cause)->meaning);
        put(h, "</td><td>");
        put_words(h, tl_cause_words(g->cause)->todo);
        put(h, "</td></tr>\n");
    }
    end_table(h);
}

static void put_findings(struct html *h, const struct tl_report *report)
{
    if (report->findings_count == 0)
        return;
    put(h, "<h2>Checks that did not pass");
    tl_report_put_cut(h->out, report->findings_count, report->findings_left_out);
    put(h, "</h2>\n<ul>\n");
    for (size_t c = 0; c < report->findings_count; c++) {
        put(h, "<li>");
        tl_report_put_finding(&h->text, &report->findings[c]);
        end_text(h);
        put(h, "</li>\n");
    }
    put(h, "</ul>\n");
}

static void put_by_value(struct html *h, const struct tl_by_view *view, const struct tl_by_value *value)
{
    put_number(h, value->explained_count + value->unexplained_count);
    put_number(h, value->explained_count);
    put_number(h, value->unexplained_count);
    for (uint32_t s = 0; s < view->sums_count; s++) {
        for (int side = 0; side <= TL_SIDES; side++) {
            put(h, "<td class=\"n\">");
            tl_report_put_sum(h->out, view, value, s, side);
            put(h, "</td>");
        }
    }
    put(h, "</tr>\n");
}

static void put_by_view(struct html *h, const struct tl_report *report, const struct tl_by_view *view)
{
    static const char *const heads[] = {"groups", "explained", "unexplained"}, *const sides[] = {"speed", "batch", "difference"};

    put(h, "<h3>");
    put_text(h, report->views[view->view].name);
    put(h, "</h3>\n");
    if (view->values_count + view->others_count == 0) {
        put(h, "<p>Nothing differs.</p>\n");
        return;
    }
    begin_table(h, "Differences, the largest first", view->values_count, view->others_count);
    put(h, "<th scope=\"col\">");
    put_text(h, report->by->column);
    put(h, "</th>");
    put_heads(h, heads, TL_COUNT(heads), 0, TL_COUNT(heads));
    for (uint32_t s = 0; s < view->sums_count; s++) {
        for (int side = 0; side <= TL_SIDES; side++) {
            put(h, "<th scope=\"col\" class=\"n\">");
            put_text(h, view->shape->columns[view->sums[s]].name);
            tl_buf_printf(h->out, " %s</th>", sides[side]);
        }
    }
    begin_rows(h);
    for (size_t i = 0; i < view->values_count; i++) {
        put(h, "<tr><th scope=\"row\">");
        tl_report_put_value(&h->text, &view->values[i]->value);
        end_code(h);
        put(h, "</th>");
        put_by_value(h, view, view->values[i]);
    }
    if (view->others_count > 0) {
        put(h, "<tr><th scope=\"row\">");
        tl_report_put_counted(h->out, view->others_count, "other", "others");
        put(h, "</th>");
        put_by_value(h, view, &view->others);
    }
    end_table(h);
}

static void put_by(struct html *h, const struct tl_report *report)
{
    if (report->by == NULL)
        return;
    put(h, "<h2>Differences by ");
    put_code(h, report->by->column);
    put(h, "</h2>\n");
    for (uint32_t v = 0; v < report->by->views_count; v++)
        put_by_view(h, report, &report->by->views[v]);
    if (tl_report_put_views_without(&h->text, report, "")) {
        put(h, "<p>Not grouped by it: ");
        end_text(h);
        put(h, "</p>\n");
    }
}

static void put_rows(struct html *h, const struct tl_report_view *view, const struct tl_unit *unit, enum tl_side side,
                     bool recomputed)
{
    const struct tl_unit_row *row = tl_report_next_row(unit, side, recomputed, NULL);
    int shown = 0;

    do {
        put(h, shown > 0 ? "<br/>" : "");
        tl_report_put_row(&h->text, view, row);
        end_code(h);
        row = row == NULL ? NULL : tl_report_next_row(unit, side, recomputed, row);
    } while (row != NULL && ++shown < TL_REPORT_ROWS_SHOWN);
    put(h, row != NULL ? "<br/>..." : "");
}

static void put_unit(struct html *h, const struct tl_report_view *view, const struct tl_unit *unit)
{
    put(h, "<tr><td>");
    put_text(h, view->name);
    put(h, "</td><td>");
    tl_report_put_window(&h->text, view, unit);
    end_text(h);
    put(h, "</td><td>");
    tl_report_put_key(&h->text, view, unit);
    end_code(h);
    put(h, "</td>");
    for (int side = 0; side < TL_SIDES; side++) {
        put(h, "<td>");
        put_rows(h, view, unit, (enum tl_side)side, false);
        if (!unit->explained) {
            put(h, "<br/><span class=\"soft\">its events give</span><br/>");
            put_rows(h, view, unit, (enum tl_side)side, true);
        }
        put(h, "</td>");
    }
    put(h, unit->explained ? "<td>" : "<td><span class=\"bad\">unexplained</span>");
    for (const struct tl_unit_cause *c = unit->causes; c != NULL; c = c->next) {
        put(h, c == unit->causes && unit->explained ? "" : "<br/>");
        tl_report_put_cause(&h->text, c->cause, c->check);
        end_code(h);
        put(h, ": ");
        tl_report_put_missing(h->out, c);
    }
    put(h, "</td></tr>\n");
}

static void put_units(struct html *h, const struct tl_report *report)
{
    static const char *const heads[] = {"view", "window (UTC)", "key", "speed has", "batch has", "why"};

    if (report->units_count + report->units_left_out == 0)
        return;
    put(h, "<h2>Groups that differ</h2>\n");
    begin_table(h, "Groups that differ, unexplained ones first", report->units_count, report->units_left_out);
    put_heads(h, heads, TL_COUNT(heads), 0, 0);
    begin_rows(h);
    for (size_t u = 0; u < report->units_count; u++)
        put_unit(h, &report->views[report->units[u]->view], report->units[u]);
    end_table(h);
}

static void put_samples(struct html *h, const struct tl_report *report)
{
    static const char *const heads[] = {"cause", "view", "event"};

    put(h, "<h2>Events behind each cause</h2>\n");
    begin_table(h, "Events behind each cause", 0, 0);
    put_heads(h, heads, TL_COUNT(heads), 0, 0);
    begin_rows(h);
    for (const struct tl_cause_group *g = report->found->groups; g != NULL; g = g->next) {
        for (size_t s = 0; s < g->samples_count; s++) {
            const struct tl_report_view *view = &report->views[g->samples[s].view];

            put(h, "<tr>");
            put_cause_cell(h, "td", g->cause, g->check);
            put(h, "<td>");
            put_text(h, view->name);
            put(h, "</td><td>");
            tl_report_put_sample(&h->text, view, &g->samples[s].event);
            end_code(h);
            put(h, "</td></tr>\n");
        }
        if (g->events_count == g->samples_count)
            continue;
        put(h, "<tr>");
        put_cause_cell(h, "td", g->cause, g->check);
        put(h, "<td></td><td>");
        tl_report_put_count(h->out, g->events_count - g->samples_count);
        put(h, " more; --limit shows more</td></tr>\n");
    }
    end_table(h);
}

void tl_report_html(const struct tl_report *report, struct tl_buf *out)
{
    struct html h = {.out = out};
    bool found = report->found != NULL && report->found->groups != NULL;

    tl_buf_init(&h.text, 0);
    put_head(&h);
    put_summary(&h, report);
    put_views(&h, report);
    put_timeline(&h, &report->timeline);
    if (found)
        put_causes(&h, report);
    put(&h, "<p>Refused by both layers: ");
    tl_report_put_refused(out, report);
    put(&h, "</p>\n");
    put_findings(&h, report);
    put_by(&h, report);
    put_units(&h, report);
    if (found)
        put_samples(&h, report);
    put(&h, "</main></body></html>\n");
    tl_buf_done(&h.text);
}
