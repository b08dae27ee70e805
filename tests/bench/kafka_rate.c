/* kafka_rate.c: fills a topic with the lines of a file, and reads it as a bare librdkafka consumer does that looks at nothing: what speed's rate
 * from Kafka is measured against.
 *
 * bench_kafka_rate fill URL TOPIC PARTITIONS FILE     makes the topic, or leaves one alone that is there
 * bench_kafka_rate read URL TOPIC PARTITIONS          prints messages_per_s and bytes_per_s, from the first message to the last one
 * bench_kafka_rate print URL TOPIC PARTITIONS         the values, a line each
 * bench_kafka_rate drop URL TOPIC                     takes it away again
 *
 * The consumer is assigned, its queues are as large as they may be: a full one makes librdkafka pause for a second. */
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 4096 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what, const char *why)
{
    fprintf(stderr, "bench_kafka_rate: %s: %s\n", what, why);
    exit(3);
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *url, const char *const *more)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char words[300];
    rd_kafka_t *rk;

    if (rd_kafka_conf_set(conf, "bootstrap.servers", url, words, sizeof words) != RD_KAFKA_CONF_OK)
        die(url, words);
    for (; *more != NULL; more += 2)
        if (rd_kafka_conf_set(conf, more[0], more[1], words, sizeof words) != RD_KAFKA_CONF_OK)
            die(more[0], words);
    rk = rd_kafka_new(type, conf, words, sizeof words);
    if (rk == NULL)
        die("client", words);
    return rk;
}

/* ---- filling ---- */

/* False: it was there. */
static bool make_topic(rd_kafka_t *rk, const char *topic, int partitions)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    char words[300];
    rd_kafka_NewTopic_t *order = rd_kafka_NewTopic_new(topic, partitions, 1, words, sizeof words);
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event;
    rd_kafka_resp_err_t code;
    size_t count;

    rd_kafka_CreateTopics(rk, &order, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 30000);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, event == NULL ? "no answer" : rd_kafka_event_error_string(event));
    results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    code = rd_kafka_topic_result_error(results[0]);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        die(topic, rd_kafka_err2str(code));
    rd_kafka_event_destroy(event);
    rd_kafka_NewTopic_destroy(order);
    rd_kafka_queue_destroy(queue);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

static int fill(const char *url, const char *topic, int partitions, const char *path)
{
    static const char *const more[] = {"linger.ms", "20",         "compression.type", "lz4", "queue.buffering.max.messages",
                                       "200000",    "batch.size", "1000000",          NULL};
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, url, more);
    FILE *in = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int64_t count = 0;

    if (in == NULL)
        die(path, "cannot be opened");
    if (!make_topic(rk, topic, partitions))
        return 0;
    while ((size = getline(&line, &capacity, in)) > 0) {
        rd_kafka_resp_err_t code;

        size -= line[size - 1] == '\n';
        while ((code = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION((int32_t)(count % partitions)),
                                         RD_KAFKA_V_VALUE(line, (size_t)size), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                         RD_KAFKA_V_END)) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(rk, 10);
        if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
            die(topic, rd_kafka_err2str(code));
        if (++count % 1000 == 0)
            rd_kafka_poll(rk, 0);
    }
    if (rd_kafka_flush(rk, 120000) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, "what was sent is not acknowledged");
    free(line);
    fclose(in);
    rd_kafka_destroy(rk);
    return 0;
}

static int drop(const char *url, const char *topic)
{
    rd_kafka_t *rk = client(RD_KAFKA_PRODUCER, url, (const char *const[]){NULL});
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_DeleteTopic_t *order = rd_kafka_DeleteTopic_new(topic);
    const rd_kafka_topic_result_t **results;
    rd_kafka_event_t *event;
    size_t count;

    rd_kafka_DeleteTopics(rk, &order, 1, NULL, queue);
    event = rd_kafka_queue_poll(queue, 30000);
    if (event == NULL || rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, event == NULL ? "no answer" : rd_kafka_event_error_string(event));
    results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event), &count);
    if (rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, rd_kafka_err2str(rd_kafka_topic_result_error(results[0])));
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteTopic_destroy(order);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(rk);
    return 0;
}

/* ---- reading ---- */

static int64_t wanted(rd_kafka_t *rk, const char *topic, int partitions)
{
    int64_t all = 0;

    for (int p = 0; p < partitions; p++) {
        int64_t low, high;

        if (rd_kafka_query_watermark_offsets(rk, topic, p, &low, &high, 30000) != RD_KAFKA_RESP_ERR_NO_ERROR)
            die(topic, "the broker does not say where it ends");
        all += high - low;
    }
    return all;
}

/* `print`: values go to stdout, and no rate. */
static int read_all(const char *url, const char *topic, int partitions, bool print)
{
    static const char *const more[] = {"group.id",
                                       "bench",
                                       "enable.auto.commit",
                                       "false",
                                       "queued.min.messages",
                                       "1000000",
                                       "queued.max.messages.kbytes",
                                       "1048576",
                                       "fetch.message.max.bytes",
                                       "4194304",
                                       NULL};
    rd_kafka_t *rk = client(RD_KAFKA_CONSUMER, url, more);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    static rd_kafka_message_t *messages[BATCH];
    rd_kafka_queue_t *queue;
    int64_t all = wanted(rk, topic, partitions), count = 0, bytes = 0;
    double begun = 0, seconds, until = now_s() + 300;

    for (int p = 0; p < partitions; p++)
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = 0;
    if (rd_kafka_assign(rk, list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        die(topic, "cannot be assigned");
    queue = rd_kafka_queue_get_consumer(rk);
    while (count < all) {
        ssize_t got = rd_kafka_consume_batch_queue(queue, 20, messages, BATCH); /* it waits for a whole batch */

        if (got < 0 || now_s() > until)
            die(topic, "nothing comes any more");
        if (got == 0)
            continue;
        if (begun == 0)
            begun = now_s();
        for (ssize_t i = 0; i < got; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                count++;
                bytes += (int64_t)messages[i]->len;
                if (print)
                    printf("%.*s\n", (int)messages[i]->len, (const char *)messages[i]->payload);
            }
            rd_kafka_message_destroy(messages[i]);
        }
    }
    seconds = now_s() - begun;
    if (!print)
        printf("messages_per_s=%.0f bytes_per_s=%.0f messages=%lld\n", (double)count / seconds, (double)bytes / seconds,
               (long long)count);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(rk);
    rd_kafka_destroy(rk);
    return 0;
}

int main(int argc, char **argv)
{
    int partitions = argc >= 5 ? atoi(argv[4]) : 0;

    if (argc == 6 && partitions > 0 && strcmp(argv[1], "fill") == 0)
        return fill(argv[2], argv[3], partitions, argv[5]);
    if (argc == 5 && partitions > 0 && (strcmp(argv[1], "read") == 0 || strcmp(argv[1], "print") == 0))
        return read_all(argv[2], argv[3], partitions, strcmp(argv[1], "print") == 0);
    if (argc == 4 && strcmp(argv[1], "drop") == 0)
        return drop(argv[2], argv[3]);
    fputs("usage: bench_kafka_rate fill URL TOPIC PARTITIONS FILE\n       bench_kafka_rate read|print URL TOPIC PARTITIONS\n"
          "       bench_kafka_rate drop URL TOPIC\n",
          stderr);
    return 2;
}
