/* request_event_fuzz.c: whatever a client sends, its event is JSON, in its columns too, and no secret is in it.
 *
 * A byte of options, then lines: the target, the host, the address, and headers. */
#include "core/json_path.h"
#include "event/json_text.h"

#include "fuzz/target.h"
/* A layer's objects stand in no archive. */
#include "speed_layer/event_id.c"
#include "speed_layer/nested_json.c"
#include "speed_layer/request_event.c"
#include "speed_layer/url_mask.c"

#define MARK "5e7Kq9zW"

enum { OPTIONS = 4 };
static struct tl_event_rules *rules[OPTIONS];
static struct tl_event_maker *makers[OPTIONS];
static struct tl_buf out, target, column;
static struct tl_arena arena;
static const struct tl_json_path *url_path, *headers_path, *agent_path, *no_path;

static void open_all(void)
{
    for (size_t i = 0; i < OPTIONS; i++) {
        struct tl_event_options options = {
            .anonymize_ip = i & 1, .honor_dnt = i & 2, .file_extensions = i & 2 ? ".js,.css" : NULL};

        CHECK(tl_event_rules_open(&options, &rules[i], NULL) == TL_OK);
        CHECK(tl_event_maker_open(rules[i], &makers[i], NULL) == TL_OK);
    }
    tl_buf_init(&out, 0);
    tl_buf_init(&target, 0);
    tl_buf_init(&column, 0);
    tl_arena_init(&arena, 1024, 0);
    CHECK(tl_json_path_compile(TL_SV("$.url"), &arena, &url_path, NULL) == TL_OK);
    CHECK(tl_json_path_compile(TL_SV("$.headers"), &arena, &headers_path, NULL) == TL_OK);
    CHECK(tl_json_path_compile(TL_SV("$.user_agent"), &arena, &agent_path, NULL) == TL_OK);
    CHECK(tl_json_path_compile(TL_SV("$.none"), &arena, &no_path, NULL) == TL_OK);
}

static void check_text(struct tl_sv text)
{
    for (size_t i = 0, size; i < text.size; i += size) {
        size = tl_utf8_size(text.data + i, text.size - i);
        CHECK(size > 0 && text.data[i] >= 0 ? (unsigned char)text.data[i] >= ' ' : size > 0);
    }
    CHECK(memmem(text.data, text.size, MARK, sizeof MARK - 1) == NULL);
}

/* A column that is JSON in itself; false: it is null. */
static bool check_column(const struct tl_json_path *path)
{
    struct tl_sv text;
    char *to;
    enum tl_json_kind kind = tl_json_path_find(path, tl_buf_sv(&out), &text);

    if (kind == TL_JSON_ABSENT)
        return false;
    CHECK(kind == TL_JSON_STRING);
    tl_buf_clear(&column);
    to = tl_buf_reserve(&column, text.size + 1);
    CHECK(to != NULL && tl_json_unescape(text, to, &column.size));
    CHECK(tl_json_path_find(no_path, tl_buf_sv(&column), &text) == TL_JSON_ABSENT);
    CHECK(column.data[0] == '{' && column.data[column.size - 1] == '}');
    return true;
}

static void check_event(size_t option, const struct tl_request *request)
{
    const struct tl_request_answer answer = {200, 1, -1};
    struct tl_request_event event;
    struct tl_sv text;

    tl_buf_clear(&out);
    (void)tl_request_is_logged(rules[option], request);
    CHECK(tl_request_event_begin(makers[option], request, &out, &event));
    tl_request_event_end(&out, &answer);
    CHECK(!out.failed);
    check_text(tl_buf_sv(&out));
    CHECK(tl_json_path_find(url_path, tl_buf_sv(&out), &text) == TL_JSON_STRING);
    CHECK(check_column(headers_path));
    CHECK(check_column(agent_path) == (event.user_agent.data != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tl_http1_header headers[TL_HTTP1_HEADERS_MAX];
    struct tl_request request = {.time_ms = INT64_C(1772330407123), .method = TL_SV("GET"), .headers = headers};
    struct tl_sv copy, rest;

    if (size == 0 || memmem(data, size, MARK, sizeof MARK - 1) != NULL)
        return 0;
    if (makers[0] == NULL)
        open_all();
    copy = fuzz_copy((struct tl_sv){(const char *)data + 1, size - 1});
    rest = copy;
    tl_buf_clear(&target);
    tl_buf_put_sv(&target, tl_sv_cut(&rest, '\n'));
    tl_buf_put_sv(&target, TL_SV("&token=" MARK "#id_token=" MARK));
    request.target = tl_buf_sv(&target);
    request.host = tl_sv_cut(&rest, '\n');
    request.ip = tl_sv_cut(&rest, '\n');
    headers[request.headers_count++] = (struct tl_http1_header){TL_SV("AUTHORIZATION"), TL_SV("Bearer " MARK)};
    headers[request.headers_count++] = (struct tl_http1_header){TL_SV("X-Original-URL"), request.target};
    while (rest.size > 0 && request.headers_count < TL_HTTP1_HEADERS_MAX) {
        struct tl_sv line = tl_sv_cut(&rest, '\n');
        struct tl_http1_header *header = &headers[request.headers_count++];

        header->name = tl_sv_cut(&line, ':');
        header->value = tl_sv_trim(line);
    }
    check_event(data[0] % OPTIONS, &request);
    free((void *)(uintptr_t)copy.data);
    return 0;
}
