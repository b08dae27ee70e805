/* fired_by_idle_test.c: an event that is late only because an idle partition had been left out of the watermark is told from one that is late. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "support/reconcile_scene.h"

static const char views[] =
    "CREATE VIEW tens AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND)) GROUP BY window_start, window_end, "
    "host;\n"
    "CREATE VIEW hops AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(HOP(TABLE events, DESCRIPTOR(event_time), INTERVAL '10' SECOND, INTERVAL '30' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW visits AS SELECT window_start, window_end, host, COUNT(*) AS hits\n"
    "    FROM TABLE(SESSION(TABLE events PARTITION BY host, DESCRIPTOR(event_time), INTERVAL '10' SECOND))\n"
    "    GROUP BY window_start, window_end, host;\n"
    "CREATE VIEW threes AS SELECT window_start, window_end, host, COUNT(*) AS hits, closed_by\n"
    "    FROM TABLE(COUNT_WINDOW(TABLE events PARTITION BY host, DESCRIPTOR(event_time), 3, INTERVAL '20' SECOND))\n"
    "    GROUP BY window_start, window_end, host, closed_by;\n";

/* What the report says of a view. */
static const char *causes_of(const struct scene *scene, const char *view)
{
    static char texts[8][256];
    static int at;
    char path[64];

    snprintf(path, sizeof path, "$.views[%d].causes",
             strcmp(view, "tens") == 0     ? 0
             : strcmp(view, "hops") == 0   ? 1
             : strcmp(view, "visits") == 0 ? 2
                                           : 3);
    return snprintf(texts[at % 8], 256, "%s", report(scene, path)) < 0 ? "" : texts[at++ % 8];
}
#define EXPECT_CAUSES(scene, view, want)                                                                                         \
    cr_expect_str_eq(causes_of((scene), (view)), (want), "%s: %s, not %s: %s", (view), causes_of((scene), (view)), (want),       \
                     (scene)->run.out)

struct idle_case {
    char name[40], workers[4];
    bool restart; /* between what is read and what comes late */
};

ParameterizedTestParameters(fired_by_idle, told_from_late_events)
{
    static struct idle_case cases[] = {
        {"one worker",                  "1", false},
        {"a worker for each partition", "2", false},
        {"a restart",                   "1", true },
        {"a restart of two workers",    "2", true },
    };

    return cr_make_param_array(struct idle_case, cases, sizeof cases / sizeof *cases);
}

/* Partition 0 comes to 75 s, partition 1 to 45 s and falls silent. What then comes is judged by 75 s; by 45 s, had partition 1 been waited for:
 *
 *   old     20 s    late either way in its ten seconds and its count window; of its sliding windows [20, 50) would have been open, and so would have
 *                   been the session [25, 62) of its host
 *   z       46 s    late for the idle partition alone
 *   x       60 s    so is this; partly late where windows slide, for [50, 80) and [60, 90) are open
 *   w       57 s    so is this, in partition 0: another worker's, where there are two */
ParameterizedTest(struct idle_case *c, fired_by_idle, told_from_late_events)
{
    struct scene scene;
    struct run run = {0};

    scene_open(&scene, views, "");
    scene.takes_for_idle = true;
    scene_define(&scene, views, "");
    APPEND(&scene, 0, 80, {"y-1", 25, "y.example", 1}, {"y-2", 34, "y.example", 1}, {"y-3", 43, "y.example", 1},
           {"y-4", 52, "y.example", 1}, {"a", 80, "a.example", 1});
    APPEND(&scene, 1, 80, {"b", 50, "b.example", 1});
    scene_speed_start(&scene, &run, c->workers);
    if (c->restart)
        scene_speed_stop(&run);
    APPEND(&scene, 1, 90, {"old", 20, "y.example", 1}, {"z", 46, "z.example", 1}, {"x", 60, "x.example", 1});
    APPEND(&scene, 0, 90, {"w", 57, "w.example", 1});
    if (c->restart)
        scene_speed_start(&scene, &run, c->workers);
    else
        tl_clock_sleep_ms(600);
    scene_speed_stop(&run);
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, "--limit", "200");
    EXPECT_STATUS(&scene, 0);
    EXPECT(&scene, "$.summary.unexplained", "0");
    EXPECT_CAUSES(&scene, "tens", "{\"late_drop\":1,\"fired_by_idle\":3}");
    EXPECT_CAUSES(&scene, "hops", "{\"late_partial\":2,\"fired_by_idle\":2}");
    EXPECT_CAUSES(&scene, "visits", "{\"fired_by_idle\":4}");
    EXPECT_CAUSES(&scene, "threes", "{\"late_drop\":1,\"fired_by_idle\":3}");
    scene_close(&scene);
}

/* What is late by the partition's own watermark is late, whoever else is idle; and a partition that holds the others back loses them nothing. */
Test(fired_by_idle, own_lateness_is_lateness)
{
    struct scene scene;
    struct run run = {0};

    scene_open(&scene, views, "");
    scene.takes_for_idle = true;
    scene_define(&scene, views, "");
    APPEND(&scene, 0, 80, {"a", 80, "a.example", 1});
    scene_speed_start(&scene, &run, "1"); /* partition 1 has never had an event */
    scene_speed_stop(&run);
    APPEND(&scene, 0, 90, {"idle", 20, "x.example", 1});
    APPEND(&scene, 1, 90, {"b", 80, "b.example", 1}, {"late", 21, "x.example", 1});
    scene_speed(&scene);
    append_body(&scene, 300, 60);
    scene_speed(&scene);
    APPEND(&scene, 0, 990, {"later", 40, "x.example", 1});
    scene_speed(&scene);
    scene_archive(&scene);
    scene_batch(&scene, 600);
    reconcile(&scene, "--limit", "200");
    EXPECT_STATUS(&scene, 0);
    EXPECT_CAUSES(&scene, "tens", "{\"late_drop\":2,\"fired_by_idle\":1}");
    scene_close(&scene);
}
