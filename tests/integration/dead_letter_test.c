/* dead_letter_test.c: what is no event is kept, with offset, reason and bytes, whichever layer meets it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/dump.h"
#include "support/pipeline.h"
#include "support/visits.h"

static const char lines[] =
    "{\"event_id\": \"a\", \"host\": \"h\", \"n\": 1, \"event_time\": \"2026-03-01T00:00:01.000Z\"}\n"
    "a broken line\n"
    "{\"event_id\": \"b\", \"host\": \"h\", \"n\": 1}\n"
    "[7, 8, {\"event_id\": \"c\", \"host\": \"h\", \"n\": 1, \"event_time\": \"2026-03-01T00:00:02.000Z\"}]\n"
    "{\"event_id\": \"d\", \"host\": \"h\", \"n\": 1, \"event_time\": \"2026-03-02T00:00:03.000Z\"}\n";

static const char query[] =
    "SELECT topic, partition, \"offset\", \"row\", length(raw) FROM tally_dead_letter ORDER BY 1, 2, 3, 4";

Test(dead_letter, batch_keeps_those_of_an_import_that_the_stream_never_sees, .timeout = 60)
{
    struct pipeline p;
    char *found, path[RUN_DIR_BYTES + 64];

    pipeline_open(&p, visits_views);
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, "events.jsonl", lines));
    TALLY(&p, 0, "import", path, "--format", "jsonl", "--into", "archive");
    TALLY(&p, 0, "batch");
    /* The two numbers of the array are letters of their own; the message's bytes stand with the first. */
    found = dump_sql(p.store, query);
    cr_expect_str_eq(found, "events.import|0|1|0|13\nevents.import|0|2|0|38\nevents.import|0|3|0|88\nevents.import|0|3|1|0\n",
                     "%s", found);
    free(found);
    TALLY(&p, 0, "batch", "--from", "2026-03-01");
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM tally_dead_letter"), 4, "once each, however often");
    pipeline_close(&p);
}

Test(dead_letter, both_layers_keep_the_same_ones_once, .timeout = 60)
{
    struct pipeline p;
    char *stream, *both, path[RUN_DIR_BYTES + 64];

    pipeline_open(&p, visits_views);
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, "events.jsonl", lines));
    TALLY(&p, 0, "import", path, "--format", "jsonl", "--partitions", "2");
    TALLY(&p, 0, "speed", "--once");
    stream = dump_sql(p.store, query);
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM tally_dead_letter"), 4);
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch");
    both = dump_sql(p.store, query);
    cr_expect_str_eq(both, stream);
    free(stream);
    free(both);
    pipeline_close(&p);
}

Test(dead_letter, batch_alone_keeps_those_of_the_log_too, .timeout = 60)
{
    struct pipeline p;
    char path[RUN_DIR_BYTES + 64];

    pipeline_open(&p, visits_views);
    snprintf(path, sizeof path, "%s", run_file_write(p.dir, "events.jsonl", lines));
    TALLY(&p, 0, "import", path, "--format", "jsonl", "--partitions", "2");
    TALLY(&p, 0, "archive");
    TALLY(&p, 0, "batch");
    cr_expect_eq(pipeline_number(&p, "SELECT count(*) FROM tally_dead_letter WHERE topic = 'events'"), 4);
    pipeline_close(&p);
}
