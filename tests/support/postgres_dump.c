/* postgres_dump.c: what speed keeps in PostgreSQL, as text. See postgres_dump.h. */
#include "support/postgres_dump.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "support/store_fixture.h"

char *postgres_dump(const char *url)
{
    static const char *const queries[] = {
        "SELECT _end_ms, _start_ms, encode(_key, 'hex'), host, hits, total, encode(_acc, 'hex') FROM hits_speed ORDER BY 1, 2, 3",
        "SELECT _end_ms, _offset, _row, event_id, n FROM big_speed ORDER BY 1, 2, 3",
        ("SELECT d.view, l.partition, l.\"offset\", l.\"row\", l.cause, l.flags, l.watermark_ms FROM tally_ledger AS l JOIN"
         " tally_definition AS d USING (definition) ORDER BY 1, 2, 3, 4"),
        /* But for the definitions' numbers: a transaction that is rolled back uses them up. */
        "SELECT d.view, to_jsonb(o) - 'definition' FROM tally_outcome AS o JOIN tally_definition AS d USING (definition) ORDER "
        "BY 1",
        /* But for next_offset: it may stand before or behind a transaction's marker. */
        ("SELECT d.view, o.partition, o.last_offset, o.fingerprint, o.messages_count, o.events_count, o.watermark_ms, "
         "o.judged_ms, o.log_ms"
         " FROM tally_offset AS o JOIN tally_definition AS d USING (definition) ORDER BY 1, 2"),
        "SELECT d.view, p.final_ms FROM tally_progress AS p JOIN tally_definition AS d USING (definition) ORDER BY 1",
        "SELECT topic, partition, \"offset\", \"row\", reason, encode(raw, 'hex') FROM tally_dead_letter ORDER BY 1, 2, 3, 4",
    };
    struct tl_buf all;

    tl_buf_init(&all, 0);
    for (size_t i = 0; i < TL_COUNT(queries); i++) {
        tl_buf_put_str(&all, store_postgres_ask(url, queries[i]));
        tl_buf_put_str(&all, "--\n");
    }
    tl_buf_put_u8(&all, 0);
    cr_assert(!all.failed);
    return all.data;
}

void expect_same_lines(const char *got, const char *want)
{
    for (int line = 1; *got != '\0' || *want != '\0'; line++) {
        size_t a = strcspn(got, "\n"), b = strcspn(want, "\n");

        cr_assert(a == b && memcmp(got, want, a) == 0, "line %d: '%.*s', undisturbed '%.*s'", line, (int)a, got, (int)b, want);
        got += a + (got[a] == '\n');
        want += b + (want[b] == '\n');
    }
}
