/* capture_rate.c: how many events of 1 KB a second two threads hand over to the capture, how long one call takes at most, and how fast the log gets them.
 *
 * bench_capture_rate FOLDER best-effort|durable RATE SECONDS [BROKER]
 *
 * RATE events a second in all, each thread in steps of a millisecond; 0: as fast as it goes. FOLDER is new. Prints one line. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "speed_layer/capture_inside.h"

enum { THREADS = 2, EVENT_BYTES = 1024 };

static struct tl_capture *capture;
static int64_t rate, seconds;

struct putter {
    int64_t number;
    uint64_t put;
    int64_t slowest_ns;
};

static void put_one(struct putter *putter, const char *value)
{
    char id[40];
    struct tl_capture_event event = {
        .host = TL_SV("www.example.com"), .ip = TL_SV("203.0.113.7"), .value = {value, EVENT_BYTES}
    };
    int64_t began_ns, took_ns;

    event.id = (struct tl_sv){
        id, (size_t)snprintf(id, sizeof id, "%lld-%llu", (long long)putter->number, (unsigned long long)putter->put++)};
    began_ns = tl_clock_monotonic_ns();
    tl_capture_put(capture, &event, NULL);
    took_ns = tl_clock_monotonic_ns() - began_ns;
    if (took_ns > putter->slowest_ns)
        putter->slowest_ns = took_ns;
}

static void *putter_main(void *arg)
{
    struct putter *putter = arg;
    int64_t began_ms = tl_clock_monotonic_ms(), now_ms = began_ms;
    char value[EVENT_BYTES];

    memset(value, 'x', sizeof value);
    while (now_ms - began_ms < seconds * 1000) {
        uint64_t due = rate > 0 ? (uint64_t)((now_ms - began_ms) * rate / THREADS / 1000) : putter->put + 100;

        while (putter->put < due)
            put_one(putter, value);
        if (rate > 0)
            tl_clock_sleep_ms(1);
        now_ms = tl_clock_monotonic_ms();
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct tl_common_options common = {.data = argc > 1 ? argv[1] : "", .log = argc > 5 ? "kafka" : "local"};
    struct tl_capture_options options = {.mode = TL_CAPTURE_BEST_EFFORT, .topic = "capture-rate"};
    struct putter putters[THREADS] = {{0}};
    pthread_t threads[THREADS];
    int64_t began_ms, put_ms, slowest_ns = 0;
    struct tl_capture_figures figures;
    char broker[200];
    struct tl_err err;

    if (argc < 5) {
        fprintf(stderr, "bench_capture_rate FOLDER best-effort|durable RATE SECONDS [BROKER]\n");
        return 2;
    }
    if (argc > 5) {
        snprintf(broker, sizeof broker, "bootstrap.servers=%s", argv[5]);
        common.kafka_properties.items[common.kafka_properties.count++] = broker;
    }
    if (strcmp(argv[2], "durable") == 0)
        options.mode = TL_CAPTURE_DURABLE;
    rate = strtoll(argv[3], NULL, 10);
    seconds = strtoll(argv[4], NULL, 10);
    if (tl_capture_open(&common, NULL, &options, NULL, &capture, &err) != TL_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    began_ms = tl_clock_monotonic_ms();
    for (int i = 0; i < THREADS; i++) {
        putters[i].number = i;
        pthread_create(&threads[i], NULL, putter_main, &putters[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        slowest_ns = tl_max_i64(slowest_ns, putters[i].slowest_ns);
    }
    put_ms = tl_clock_monotonic_ms() - began_ms;
    do {
        tl_clock_sleep_ms(1);
        pthread_mutex_lock(&capture->lock);
        figures = capture->figures;
        pthread_mutex_unlock(&capture->lock);
    } while (figures.spooled > 0 && tl_clock_monotonic_ms() - began_ms < 120000);
    printf("put_per_s=%.0f slowest_us=%.0f delivered_per_s=%.0f dropped=%llu spooled=%llu\n",
           (double)figures.received * 1000 / (double)put_ms, (double)slowest_ns / 1000,
           (double)figures.delivered * 1000 / (double)(tl_clock_monotonic_ms() - began_ms),
           (unsigned long long)(figures.received - figures.delivered - figures.spooled), (unsigned long long)figures.spooled);
    tl_capture_close(capture, 0);
    return 0;
}
