/* collect_fuzz.c: whatever is sent to the collector, it is answered by what may be answered, what is taken are events, and the token is nowhere in
 * them. The first byte chooses what is asked for and by whom. */
#include "core/json_path.h"
#include "fuzz/target.h"
#include "speed_layer/collect.h"

#define TOKEN "5e7Kq9zW5e7Kq9zW"

static struct tl_collect *collect;
static struct tl_event_rules *rules;
static struct tl_event_maker *maker;
static struct tl_collect_answer answer;
static struct tl_arena arena;
static const struct tl_json_path *url_path, *no_path;

static void open_all(void)
{
    struct tl_collect_options own = TL_COLLECT_OPTIONS_DEFAULT;
    const struct tl_event_options options = {.honor_dnt = true};

    own.events_max = 20;
    setenv("TALLY_COLLECT_TOKEN", TOKEN, 1);
    CHECK(tl_collect_open(&own, &collect, NULL) == TL_OK);
    CHECK(tl_event_rules_open(&options, &rules, NULL) == TL_OK);
    CHECK(tl_event_maker_open(rules, &maker, NULL) == TL_OK);
    tl_collect_answer_init(&answer);
    tl_arena_init(&arena, 1024, 0);
    CHECK(tl_json_path_compile(TL_SV("$.url"), &arena, &url_path, NULL) == TL_OK);
    CHECK(tl_json_path_compile(TL_SV("$.none"), &arena, &no_path, NULL) == TL_OK);
}

static void check_event(void *ctx, const struct tl_capture_event *event)
{
    struct tl_sv url;

    (*(size_t *)ctx)++;
    CHECK(tl_json_path_find(url_path, event->value, &url) == TL_JSON_STRING);
    CHECK(event->value.data[event->value.size - 1] == '}' && event->id.size == TL_REQUEST_ID_BYTES);
    CHECK(memmem(event->value.data, event->value.size, TOKEN, sizeof TOKEN - 1) == NULL);
    for (size_t i = 0; i < event->value.size; i++)
        CHECK((unsigned char)event->value.data[i] >= ' ');
}

static void check_answer(bool pixel)
{
    struct tl_sv rest = tl_buf_sv(&answer.lines), found;

    CHECK(pixel ? answer.status == 200 && answer.body.size == 43
                : answer.status == 204 || answer.status == 400 || answer.status == 413);
    CHECK(pixel || (answer.status == 204) == (answer.body.size == 0));
    if (!pixel && answer.body.size > 0)
        CHECK(tl_json_path_find(no_path, tl_buf_sv(&answer.body), &found) == TL_JSON_ABSENT);
    while (rest.size > 0) {
        struct tl_sv line = tl_sv_cut(&rest, '\n');

        CHECK(line.size > 4 && line.data[line.size - 1] == '\r' && memchr(line.data, ':', line.size) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tl_sv types[] = {
        {"application/json",     16},
        {"text/plain",           10},
        {"application/x-ndjson", 20},
    };
    struct tl_http1_header headers[] = {
        {TL_SV("Content-Type"),  {NULL, 0}             },
        {TL_SV("User-Agent"),    TL_SV("curl/8.5.0")   },
        {TL_SV("Authorization"), TL_SV("Bearer " TOKEN)}
    };
    struct tl_request request = {.time_ms = INT64_C(1772330407123),
                                 .method = TL_SV("POST"),
                                 .target = TL_SV("/tally/collect"),
                                 .host = TL_SV("x.com"),
                                 .ip = TL_SV("203.0.113.7"),
                                 .headers = headers,
                                 .headers_count = TL_COUNT(headers)};
    size_t count = 0;
    const struct tl_collect_sink sink = {check_event, &count};
    struct tl_buf target;
    struct tl_sv body;
    bool pixel;

    if (size == 0 || memmem(data, size, "5e7Kq9zW", 8) != NULL)
        return 0;
    if (collect == NULL)
        open_all();
    pixel = data[0] % 8 == 7;
    headers[0].value = types[data[0] % TL_COUNT(types)];
    request.headers_count -= data[0] & 8 ? 1 : 0;
    body = fuzz_copy((struct tl_sv){(const char *)data + 1, size - 1});
    tl_buf_init(&target, 0);
    if (pixel) {
        request.method = TL_SV("GET");
        tl_buf_put_sv(&target, TL_SV("/tally/pixel.gif?"));
        tl_buf_put_sv(&target, body);
        request.target = tl_buf_sv(&target);
    }
    tl_collect_answer(collect, rules, maker, &request, body, &sink, &answer);
    CHECK(count == answer.taken_count);
    check_answer(pixel);
    tl_buf_done(&target);
    free((void *)(uintptr_t)body.data);
    return 0;
}
