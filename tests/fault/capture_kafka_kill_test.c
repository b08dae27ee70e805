/* capture_kafka_kill_test.c: kill -9 of a real broker under load, again and again: each event comes to its topic, in order, and the spool comes back to nothing.
 * By hand, with TALLY_LONG: the broker is the test's own, and takes its time to start. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "support/capture_scene.h"

enum { KILLS = 3, EVENT_BYTES = 500 };

static struct capture_scene scene;
static atomic_bool stops;
static atomic_llong put_count;

static void broker(const char *what)
{
    char line[400];

    snprintf(line, sizeof line, "deploy/kafka/kafka.sh %s %s/kafka", what, scene.dir);
    cr_assert_eq(system(line), 0, "%s", line);
}

static void *put_steadily(void *arg)
{
    (void)arg;
    while (!atomic_load(&stops)) {
        for (int i = 0; i < 5; i++)
            capture_scene_put(&scene, atomic_fetch_add(&put_count, 1), EVENT_BYTES);
        tl_clock_sleep_ms(1);
    }
    return NULL;
}

Test(capture_kafka_kill, a_broker_that_is_killed_under_load_loses_nothing, .timeout = 600)
{
    char file[300], url[100] = "", property[200];
    pthread_t putter;
    FILE *env;

    if (getenv("TALLY_LONG") == NULL)
        cr_skip_test("takes a minute: TALLY_LONG=1");
    capture_scene_make(&scene);
    broker("up");
    snprintf(file, sizeof file, "%s/kafka/kafka.env", scene.dir);
    env = fopen(file, "r");
    cr_assert_not_null(env);
    cr_assert_eq(fscanf(env, "KAFKA_URL=%99s", url), 1);
    fclose(env);
    snprintf(property, sizeof property, "bootstrap.servers=%s", url);
    scene.common.log = "kafka";
    scene.common.kafka_properties.items[scene.common.kafka_properties.count++] = property;
    scene.options.mode = TL_CAPTURE_BROKER;
    scene.options.memory_bytes_max = 1 << 20;
    capture_scene_open(&scene);
    cr_assert_eq(pthread_create(&putter, NULL, put_steadily, NULL), 0);
    for (int i = 0; i < KILLS; i++) {
        tl_clock_sleep_ms(1000);
        broker("kill");
        tl_clock_sleep_ms(3000);
        cr_assert_gt(capture_scene_segments(&scene), 0);
        broker("up");
    }
    tl_clock_sleep_ms(1000);
    atomic_store(&stops, true);
    pthread_join(putter, NULL);
    capture_scene_await_taken(&scene, (int)atomic_load(&put_count));
    capture_scene_await_delivered(&scene, (uint64_t)atomic_load(&put_count));
    cr_assert_eq(atomic_load(&scene.refused), 0);
    capture_scene_close(&scene, 5000);
    cr_assert_eq(capture_scene_segments(&scene), 0);
    capture_scene_check_numbers(&scene, 0, atomic_load(&put_count));
    cr_log_info("%d kills: %lld events, each there once and in order", KILLS, (long long)atomic_load(&put_count));
    broker("down");
    capture_scene_remove(&scene);
}
