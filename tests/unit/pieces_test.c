/* pieces_test.c: pieces of keys: their order, what is used again, and what a tidy leaves as it was. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/pieces.h"
#include "simulate.h"
#include "support/chance.h"

/* Accumulators that point into the arena: a text. */
#define SQL                                                                                                                      \
    "CREATE TABLE events (host STRING, event_time TIMESTAMP_LTZ(3), WATERMARK FOR event_time AS event_time)"                     \
    " WITH ('connector' = 'kafka', 'topic' = 'events', 'format' = 'json', 'json.timestamp-format.standard' = 'ISO-8601');"       \
    "CREATE VIEW v AS SELECT window_start, window_end, COUNT(*) AS c, MAX(host) AS h"                                            \
    " FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(event_time), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;"

struct fixture {
    struct tl_plan *plan;
    struct tl_arena arena;
    struct tl_agg_layout layout;
    struct tl_pieces pieces;
};

static void fixture_open(struct fixture *f)
{
    struct tl_err err;

    f->plan = sim_plan(SQL);
    tl_arena_init(&f->arena, 1u << 12, 0);
    cr_assert_eq(tl_agg_layout_init(&f->layout, f->plan->views[0].aggs, f->plan->views[0].aggs_count, &f->arena, &err), TL_OK);
    tl_pieces_init(&f->pieces, &f->layout, sizeof(struct tl_key), 8);
}

static void fixture_close(struct fixture *f)
{
    tl_pieces_done(&f->pieces);
    tl_arena_done(&f->arena);
    tl_plan_close(f->plan);
}

static struct tl_piece *add(struct fixture *f, const char *key, int64_t from_ms, int64_t to_ms)
{
    struct tl_piece *piece = tl_pieces_add(&f->pieces, tl_pieces_key(&f->pieces, tl_sv_from(key)), from_ms, to_ms, 0);

    cr_assert_not_null(piece);
    return piece;
}

/* One row of this text into the piece's accumulators, and what they give then. */
static void step(struct fixture *f, struct tl_piece *piece, const char *text)
{
    uint8_t null = 0;
    struct tl_sv host = tl_sv_from(text);
    struct tl_vec input = {.kind = TL_STRING, .null = &null, .sv = &host};
    int64_t zero_ms = 0;
    uint32_t row = 0, number = 0;
    struct tl_agg_rows rows = {.inputs = &input, .time_ms = &zero_ms, .offset = &zero_ms, .number = &number};
    void *block = tl_piece_block(&f->pieces, piece);
    struct tl_arena *arena = tl_table_arena(&f->pieces.table);

    cr_assert(tl_agg_step(&f->layout, &rows, &row, 1, &block, &arena));
}

static void save(const struct fixture *f, const struct tl_piece *piece, struct tl_buf *out)
{
    tl_buf_init(out, 0);
    tl_agg_save(&f->layout, tl_piece_block(&f->pieces, piece), out);
    cr_assert_not(out->failed);
}

Test(pieces, newest_first)
{
    struct fixture f;
    struct tl_key *key;
    struct tl_piece *b, *c, *at;
    char order[5] = "";

    fixture_open(&f);
    memset(tl_piece_extra(add(&f, "k", 10, 20)), 'a', 1);
    b = add(&f, "k", 30, 40);
    memset(tl_piece_extra(b), 'b', 1);
    c = add(&f, "k", 10, 15);
    memset(tl_piece_extra(c), 'c', 1);
    memset(tl_piece_extra(add(&f, "k", -10, 50)), 'd', 1);
    add(&f, "other", 0, 0);
    key = tl_pieces_key(&f.pieces, TL_SV("k"));
    at = key->newest;
    for (int i = 0; i < 4; i++, at = at->older)
        order[i] = *(const char *)tl_piece_extra(at);
    cr_expect_str_eq(order, "bacd");
    cr_expect_null(at);
    cr_expect(f.pieces.count == 5 && f.pieces.keys_count == 2);
    cr_expect(tl_sv_eq(tl_pieces_key_text(&f.pieces, key), TL_SV("k")));
    fixture_close(&f);
}

Test(pieces, what_is_let_go_is_used_again_and_empty)
{
    struct fixture f;
    struct tl_key *key;
    struct tl_piece *piece, *again;
    struct tl_buf fresh, used;

    fixture_open(&f);
    piece = add(&f, "k", 1, 2);
    save(&f, piece, &fresh);
    step(&f, piece, "text");
    memset(tl_piece_extra(piece), 7, 8);
    piece->marks = 3;
    key = tl_pieces_key(&f.pieces, TL_SV("k"));
    cr_assert_eq(tl_pieces_unlink(&f.pieces, key, &key->newest), piece);
    cr_expect(f.pieces.count == 0 && f.pieces.keys_count == 0 && key->newest == NULL);
    cr_expect_eq(piece->marks, 3, "the caller's until it is let go");
    tl_pieces_let_go(&f.pieces, piece);
    again = add(&f, "l", 3, 4);
    cr_assert_eq(again, piece);
    cr_expect(again->from_ms == 3 && again->to_ms == 4 && again->marks == 0 && again->older == NULL);
    cr_expect_eq(*(const uint64_t *)tl_piece_extra(again), 0);
    save(&f, again, &used);
    cr_expect(tl_sv_eq(tl_buf_sv(&used), tl_buf_sv(&fresh)));
    cr_expect_eq(f.pieces.keys_count, 1);
    tl_buf_done(&fresh);
    tl_buf_done(&used);
    fixture_close(&f);
}

Test(pieces, a_key_is_marked_once)
{
    struct fixture f;
    struct tl_key *k;

    fixture_open(&f);
    add(&f, "k", 1, 2);
    k = tl_pieces_key(&f.pieces, TL_SV("k"));
    cr_assert(tl_pieces_mark(&f.pieces, k) && tl_pieces_mark(&f.pieces, k));
    cr_expect(f.pieces.changed_count == 1 && f.pieces.changed[0] == k);
    tl_pieces_settle(&f.pieces);
    cr_expect(f.pieces.changed_count == 0 && k->changed == 0);
    cr_assert(tl_pieces_mark(&f.pieces, k));
    cr_expect_eq(f.pieces.changed_count, 1);
    tl_pieces_reset(&f.pieces);
    cr_expect(f.pieces.changed_count == 0 && f.pieces.count == 0 && f.pieces.table.count == 0);
    fixture_close(&f);
}

/* Keys that come and go for long: memory follows what is open, and what is open stays as it was. */
Test(pieces, tidy_keeps_what_is_open_and_gives_back_the_rest)
{
    enum { ROUNDS = 40, KEYS = 2000, KEPT = 50 };
    struct chance chance = chance_open("pieces");
    struct fixture f;
    struct tl_buf kept[KEPT];
    size_t bytes_max = 0;
    uint32_t moves = 0;
    char text[80];

    fixture_open(&f);
    for (int i = 0; i < KEPT; i++) {
        struct tl_piece *old, *young;

        snprintf(text, sizeof text, "kept %d", i);
        old = add(&f, text, i, i + 1);
        young = add(&f, text, i + 10, i + 11);
        step(&f, old, "old");
        step(&f, young, text);
        memset(tl_piece_extra(young), i, 8);
        young->marks = (uint32_t)i;
        young->segment = 9;
        tl_pieces_key(&f.pieces, tl_sv_from(text))->marks = (uint32_t)i;
        save(&f, young, &kept[i]);
    }
    for (int round = 0; round < ROUNDS; round++) {
        struct tl_err err;
        bool moved;

        for (int i = 0; i < KEYS; i++) {
            struct tl_key *key;

            snprintf(text, sizeof text, "key %d of round %d, and %" PRIu64, i, round, chance_u64(&chance));
            step(&f, add(&f, text, round, round + 1), text);
            key = tl_pieces_key(&f.pieces, tl_sv_from(text));
            tl_pieces_drop(&f.pieces, key, &key->newest);
        }
        cr_assert_eq(tl_pieces_tidy(&f.pieces, &moved, &err), TL_OK);
        moves += moved;
        if (moved)
            cr_assert_eq(f.pieces.table.count, KEPT);
        if (tl_pieces_bytes(&f.pieces) > bytes_max)
            bytes_max = tl_pieces_bytes(&f.pieces);
    }
    cr_expect_gt(moves, 5);
    cr_expect_lt(moves, ROUNDS + 1);
    cr_expect_lt(bytes_max, 4u << 20, "%zu bytes for 50 keys and 80,000 that have gone", bytes_max);
    cr_assert(f.pieces.count == 2 * KEPT && f.pieces.keys_count == KEPT);
    for (int i = 0; i < KEPT; i++) {
        struct tl_key *key;
        struct tl_buf now;

        snprintf(text, sizeof text, "kept %d", i);
        key = tl_pieces_key(&f.pieces, tl_sv_from(text));
        cr_assert(key->newest != NULL && key->newest->older != NULL && key->newest->older->older == NULL, "%s", text);
        cr_expect(key->marks == (uint32_t)i && key->newest->marks == (uint32_t)i && key->newest->segment == 9);
        cr_expect(key->newest->from_ms == i + 10 && key->newest->older->from_ms == i);
        cr_expect_eq(*(const uint8_t *)tl_piece_extra(key->newest), i);
        save(&f, key->newest, &now);
        cr_expect(tl_sv_eq(tl_buf_sv(&now), tl_buf_sv(&kept[i])), "%s", text);
        tl_buf_done(&now);
        tl_buf_done(&kept[i]);
    }
    fixture_close(&f);
}
