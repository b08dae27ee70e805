/* example.c: functions of one's own for tally's views, to begin with: three scalar functions and two aggregates.
 *
 * `make` builds example.so, `make test` runs it in both layers (test.sh), views.sql calls it:
 *
 *     tally speed --functions ./example.so --views views.sql */
#include <float.h>
#include <math.h>
#include <string.h>
#include <tally_function.h>

/* --- PATH_DEPTH(STRING) -> INT: how many parts the path of a URL has: '/shop/cart?id=7' has 2 --------------------------- */

static bool path_depth(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    const struct tally_text url = args[0].text;
    int64_t depth = 0;

    (void)call;
    for (size_t i = 0; i < url.size && url.data[i] != '?' && url.data[i] != '#'; i++)
        if (url.data[i] != '/' && (i == 0 || url.data[i - 1] == '/'))
            depth++;
    result->i64 = depth;
    return true;
}

/* --- UTM_SOURCE(STRING) -> STRING: where the visitor was sent from, or NULL: a view into the argument, nothing is copied ---- */

static bool utm_source(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    static const char name[] = "utm_source=";
    const size_t name_size = sizeof name - 1;
    const struct tally_text url = args[0].text;
    size_t from = 0, to;

    (void)call;
    result->is_null = true;
    while (from < url.size && url.data[from] != '?')
        from++;
    /* `from` is at a '?' or '&', and a parameter stands behind it. */
    for (; from < url.size && url.data[from] != '#'; from = to) {
        for (to = ++from; to < url.size && url.data[to] != '&' && url.data[to] != '#'; to++)
            ;
        if (to - from >= name_size && memcmp(url.data + from, name, name_size) == 0) {
            result->is_null = false;
            result->text.data = url.data + from + name_size;
            result->text.size = to - from - name_size;
            break;
        }
    }
    return true;
}

/* --- HEX_TO_BIGINT(STRING) -> BIGINT: fails the event when the text is no number -------------------------------------------- */

static bool hex_to_bigint(struct tally_call *call, const struct tally_value *args, struct tally_value *result)
{
    const struct tally_text text = args[0].text;
    int64_t number = 0;

    (void)call;
    if (text.size == 0 || text.size > 15)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        const char *digits = "0123456789abcdef", *digit = strchr(digits, text.data[i] | (text.data[i] >= 'A' ? 0x20 : 0));

        if (digit == NULL)
            return false;
        number = number * 16 + (digit - digits);
    }
    result->i64 = number;
    return true;
}

/* --- GEOMETRIC_MEAN(DOUBLE) -> DOUBLE: of the values above zero ---------------------------------------------------------------
 *
 * The mean of the logarithms. A sum of doubles would go by the order of the rows, and the layers would differ in the last digits: so each
 * logarithm is rounded to a multiple of 2^-32 first, and the sum of integers is the same in any order. */

struct logarithms {
    int64_t sum; /* of log2, in 2^-32; wraps, so that any order agrees in that too */
    uint64_t count;
};

static void mean_step(struct tally_call *call, void *state, const struct tally_value *args)
{
    struct logarithms *logarithms = state;

    (void)call;
    if (!(args[0].f64 > 0) || args[0].f64 > DBL_MAX)
        return;
    logarithms->sum = (int64_t)((uint64_t)logarithms->sum + (uint64_t)llround(log2(args[0].f64) * 0x1p32));
    logarithms->count++;
}

static void mean_merge(struct tally_call *call, void *into, const void *from)
{
    struct logarithms *logarithms = into;
    const struct logarithms *more = from;

    (void)call;
    logarithms->sum = (int64_t)((uint64_t)logarithms->sum + (uint64_t)more->sum);
    logarithms->count += more->count;
}

/* u64 sum, u64 count: little endian on any machine. */
static void put_u64(struct tally_call *call, uint64_t value)
{
    unsigned char bytes[8];

    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
    tally_put(call, bytes, sizeof bytes);
}

static uint64_t get_u64(const unsigned char *bytes)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void mean_save(struct tally_call *call, const void *state)
{
    const struct logarithms *logarithms = state;

    put_u64(call, (uint64_t)logarithms->sum);
    put_u64(call, logarithms->count);
}

static bool mean_load(struct tally_call *call, void *state, const void *bytes, size_t size)
{
    struct logarithms *logarithms = state;

    (void)call;
    if (size != 16)
        return false;
    logarithms->sum = (int64_t)get_u64(bytes);
    logarithms->count = get_u64((const unsigned char *)bytes + 8);
    return logarithms->count > 0 || logarithms->sum == 0;
}

static bool mean_finish(struct tally_call *call, const void *state, struct tally_value *result)
{
    const struct logarithms *logarithms = state;

    (void)call;
    result->is_null = logarithms->count == 0;
    if (!result->is_null)
        result->f64 = exp2((double)logarithms->sum / 0x1p32 / (double)logarithms->count);
    return true;
}

/* --- LONGEST(STRING) -> STRING: the text with the most bytes; of equally long ones the first in order ------------------------
 *
 * A state that points to memory: what is kept has room to spare, so that a longer text mostly needs none. */

struct longest {
    char *data; /* NULL: no text yet */
    uint64_t size, room;
};

static void longest_take(struct tally_call *call, struct longest *longest, const char *data, size_t size)
{
    if (longest->data != NULL && (size < longest->size || (size == longest->size && memcmp(data, longest->data, size) >= 0)))
        return;
    if (longest->data == NULL || size > longest->room) {
        size_t room = 2 * size + 16;
        char *memory = (char *)tally_alloc(call, room);

        if (memory == NULL)
            return;
        longest->data = memory;
        longest->room = room;
    }
    if (size > 0)
        memcpy(longest->data, data, size);
    longest->size = size;
}

static void longest_step(struct tally_call *call, void *state, const struct tally_value *args)
{
    longest_take(call, (struct longest *)state, args[0].text.data, args[0].text.size);
}

static void longest_merge(struct tally_call *call, void *into, const void *from)
{
    const struct longest *more = from;

    if (more->data != NULL)
        longest_take(call, (struct longest *)into, more->data, more->size);
}

/* Nothing, or a byte 1 and the text. */
static void longest_save(struct tally_call *call, const void *state)
{
    const struct longest *longest = state;

    if (longest->data == NULL)
        return;
    tally_put(call, "\1", 1);
    tally_put(call, longest->data, longest->size);
}

static bool longest_load(struct tally_call *call, void *state, const void *bytes, size_t size)
{
    const char *from = bytes;

    if (size > 0 && from[0] != 1)
        return false;
    if (size > 0)
        longest_take(call, (struct longest *)state, from + 1, size - 1);
    return true;
}

static bool longest_finish(struct tally_call *call, const void *state, struct tally_value *result)
{
    const struct longest *longest = state;

    (void)call;
    result->is_null = longest->data == NULL;
    result->text.data = longest->data;
    result->text.size = longest->size;
    return true;
}

/* --- what the library has ------------------------------------------------------------------------------------------------- */

static const struct tally_scalar scalars[] = {
    {"PATH_DEPTH",    {TALLY_STRING}, TALLY_INT,    0, path_depth   },
    {"UTM_SOURCE",    {TALLY_STRING}, TALLY_STRING, 0, utm_source   },
    {"HEX_TO_BIGINT", {TALLY_STRING}, TALLY_BIGINT, 0, hex_to_bigint},
};

static const struct tally_aggregate aggregates[] = {
    {.name = "GEOMETRIC_MEAN",
     .args = {TALLY_DOUBLE},
     .result = TALLY_DOUBLE,
     .state_bytes = sizeof(struct logarithms),
     .step = mean_step,
     .merge = mean_merge,
     .save = mean_save,
     .load = mean_load,
     .finish = mean_finish   },
    {.name = "LONGEST",
     .args = {TALLY_STRING},
     .result = TALLY_STRING,
     .state_bytes = sizeof(struct longest),
     .step = longest_step,
     .merge = longest_merge,
     .save = longest_save,
     .load = longest_load,
     .finish = longest_finish},
};

/* clang-format off */
const struct tally_library tally_library = {
    TALLY_LIBRARY_HEAD, .version = "1.0",
    .scalars = scalars, .scalars_count = sizeof scalars / sizeof *scalars,
    .aggregates = aggregates, .aggregates_count = sizeof aggregates / sizeof *aggregates,
};
