/* part_output_test.c: whatever pieces a part's words come in, blocks come out whole. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "main/part_output.h"

#define LINE(text) "2026-03-01T02:00:07Z warn speed " text "\n"

static struct tl_part_output output;
static int to;
static char blocks[300000]; /* "N" or "-" for named or not, and the block, each followed by '#' */

static void sink(void *ctx, struct tl_sv lines, bool named)
{
    size_t at = strlen(blocks);

    cr_assert_eq(ctx, (void *)blocks);
    snprintf(blocks + at, sizeof blocks - at, "%c%.*s#", named ? 'N' : '-', TL_SV_ARG(lines));
}

static void pipe_open(void)
{
    struct tl_err err;

    cr_assert_eq(tl_part_output_open(&output, &to, &err), TL_OK, "%s", err.message);
}

TestSuite(part_output, .init = pipe_open);

static void say(const char *text)
{
    cr_assert_eq(write(to, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect(int64_t now_ms, const char *want)
{
    blocks[0] = '\0';
    tl_part_output_read(&output, now_ms, sink, blocks);
    cr_expect_str_eq(blocks, want, "at %lld: %s", (long long)now_ms, blocks);
}

static void expect_at_end(const char *want)
{
    close(to);
    blocks[0] = '\0';
    tl_part_output_close(&output, sink, blocks);
    cr_expect_str_eq(blocks, want, "%s", blocks);
}

Test(part_output, a_line_waits_for_the_next_one_or_for_silence)
{
    say(LINE("one"));
    expect(1000, "");
    say(LINE("two") LINE("three"));
    expect(1010, "N" LINE("one") "#N" LINE("two") "#");
    expect(1109, "");
    expect(1110, "N" LINE("three") "#");
    expect_at_end("");
}

Test(part_output, pieces_of_a_line_become_a_line)
{
    say("2026-03-01T02:00");
    expect(1000, "");
    expect(1500, "");
    say(":07Z warn spe");
    expect(2000, "");
    say("ed one\n2026");
    expect(3000, "");
    expect(3100, "N" LINE("one") "#");
    expect(9000, "");
    expect_at_end("-2026\n#");
}

Test(part_output, a_mistake_of_several_lines_stays_together)
{
    say(LINE("views.sql:3:14: no such column") "  SELECT hst\n");
    expect(1000, "");
    say("         ^\n" LINE("next"));
    expect(1050, "N" LINE("views.sql:3:14: no such column") "  SELECT hst\n         ^\n#");
    expect_at_end("N" LINE("next") "#");
}

Test(part_output, a_report_of_a_crash_is_given_time)
{
    say("==17==ERROR: AddressSanitizer: heap-use-after-free\n");
    expect(1000, "");
    say("    #0 0x1 in main x.c:1\n");
    expect(1900, "");
    expect(2800, "");
    say("SUMMARY: here");
    expect_at_end("-==17==ERROR: AddressSanitizer: heap-use-after-free\n    #0 0x1 in main x.c:1\nSUMMARY: here\n#");
}

Test(part_output, silence_ends_a_block_without_diag_too)
{
    say("%3|1772330407.123|FAIL| a library's own words\n");
    expect(1000, "");
    expect(1999, "");
    expect(2000, "-%3|1772330407.123|FAIL| a library's own words\n#");
    expect_at_end("");
}

Test(part_output, lines_of_json_name_their_part)
{
    say("{\"ts\":\"2026-03-01T02:00:07Z\",\"part\":\"speed\"}\n{\"no\":1}\n");
    expect(1000, "");
    expect_at_end("N{\"ts\":\"2026-03-01T02:00:07Z\",\"part\":\"speed\"}\n{\"no\":1}\n#");
}

Test(part_output, a_line_without_an_end_is_cut_and_nothing_is_lost)
{
    char *text = malloc(150001);
    size_t got = 0;

    memset(text, 'x', 150000);
    text[150000] = '\0';
    say(text);
    blocks[0] = '\0';
    tl_part_output_read(&output, 1000, sink, blocks);
    close(to);
    tl_part_output_close(&output, sink, blocks);
    for (const char *c = blocks; *c != '\0'; c++)
        got += *c == 'x';
    cr_expect_eq(got, 150000);
    free(text);
}

Test(part_output, a_part_that_has_closed_its_stderr_is_read_no_more)
{
    say(LINE("one"));
    close(to);
    expect(1000, "N" LINE("one") "#");
    cr_expect_eq(output.fd, -1);
    expect(2000, "");
}
