/* window_seeds.c: writes the inputs that window_fuzz.c begins with: what each of its views stores of its rows.
 *
 *     make fuzz-seeds     (when a form has changed: then see what is new in tests/fuzz/corpus/window) */
#include <stdio.h>

#include "window_fuzz.c"

static void write_seed(const char *folder, uint32_t plan, uint32_t view, const char *what, uint8_t how, struct tl_sv bytes)
{
    char path[4096];
    FILE *file;

    CHECK(snprintf(path, sizeof path, "%s/%c%s_%s", folder, (char)('a' + view), plan == 0 ? "" : "_zone", what) <
          (int)sizeof path);
    CHECK((file = fopen(path, "wb")) != NULL);
    CHECK(fputc((int)(plan * VIEWS + view), file) != EOF && fputc(how, file) != EOF);
    CHECK(fwrite(bytes.data, 1, bytes.size, file) == bytes.size && fclose(file) == 0);
}

static void put_record(struct tl_buf *out, int64_t start_ms, int64_t end_ms, struct tl_sv key, struct tl_sv bytes)
{
    tl_buf_put_zigzag(out, start_ms);
    tl_buf_put_zigzag(out, end_ms);
    tl_buf_put_block(out, key);
    tl_buf_put_block(out, bytes);
}

static enum tl_code save_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    (void)err;
    for (uint32_t i = 0; i < rows->count; i++)
        put_record(ctx, rows->start_ms[i], rows->end_ms[i], rows->key[i], rows->accumulators[i]);
    return TL_OK;
}

static enum tl_code save_states(void *ctx, const struct tl_states *states, struct tl_err *err)
{
    (void)err;
    for (uint32_t i = 0; i < states->count; i++)
        put_record(ctx, states->start_ms[i], states->end_ms[i], states->key[i], states->bytes[i]);
    return TL_OK;
}

static enum tl_code skip_rows(void *ctx, const struct tl_rows *rows, struct tl_err *err)
{
    (void)ctx;
    (void)rows;
    (void)err;
    return TL_OK;
}

static void write_states(const char *folder, uint32_t plan, uint32_t number)
{
    const struct tl_view *view = &plans[plan]->views[number];
    bool in_rows = view->window.window == TL_WINDOW_TUMBLE && view->having == NULL;
    struct tl_window_judged judged = {0};
    struct tl_window *window;
    struct tl_buf out;
    const struct tl_window_sink sink = {&out, in_rows ? save_rows : skip_rows, skip_rows, save_states};

    tl_buf_init(&out, 0);
    tl_buf_put_zigzag(&out, BASE_MS - 10000);
    CHECK(tl_window_open(view, NULL, &window, NULL) == TL_OK && push_rows(window, view, NULL, NULL) == TL_OK);
    CHECK(tl_window_advance(window, BASE_MS, &judged, NULL) == TL_OK);
    CHECK(tl_window_changed(window, &sink, NULL) == TL_OK);
    write_seed(folder, plan, number, "states", STATES, tl_buf_sv(&out));
    write_seed(folder, plan, number, "states_rows", STATES | ROWS, tl_buf_sv(&out));
    tl_window_close(window);
    tl_buf_done(&out);
}

static void write_carry(const char *folder, uint32_t plan, uint32_t number)
{
    const struct tl_view *view = &plans[plan]->views[number];
    const struct tl_window_options options = {.bounds = bounds, .ranges_count = 2};
    struct tl_window *window;
    struct tl_buf out;

    tl_buf_init(&out, 0);
    CHECK(tl_window_open(view, &options, &window, NULL) == TL_OK && push_rows(window, view, &options, ranges) == TL_OK);
    CHECK(tl_window_retire(window, bounds[1], skip_rows, NULL, NULL) == TL_OK && tl_window_cut(window, &out, NULL) == TL_OK);
    write_seed(folder, plan, number, "carry", CARRY, tl_buf_sv(&out));
    write_seed(folder, plan, number, "carry_rows", CARRY | ROWS, tl_buf_sv(&out));
    tl_window_close(window);
    tl_buf_done(&out);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    open_plans();
    for (uint32_t plan = 0; plan < PLANS; plan++)
        for (uint32_t view = 0; view < VIEWS && plans[plan]->views[view].inner < 0; view++) {
            write_states(argv[1], plan, view);
            write_carry(argv[1], plan, view);
        }
    return 0;
}
