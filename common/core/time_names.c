/* time_names.c: the English names of months, days, quarters, eras and halves of the day. */
#include "core/time_names.h"

static const struct names {
    char letter;
    unsigned first, count;
    const char *full[12];
    const char *brief[12]; /* NULL: the first three letters */
} all_names[] = {
    {'M',
     1,      12,
     {"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
     {NULL}                                                                                                                                              },
    {'e', 1, 7,  {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},                                 {NULL}                  },
    {'Q', 1, 4,  {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"},                                                   {"Q1", "Q2", "Q3", "Q4"}},
    {'G', 0, 2,  {"Before Christ", "Anno Domini"},                                                                               {"BC", "AD"}            },
    {'a', 0, 2,  {"AM", "PM"},                                                                                                   {"AM", "PM"}            },
};

static const struct names *names_of(char letter)
{
    const struct names *names = all_names;

    while (names->letter != letter)
        names++;
    return names;
}

static struct tl_sv name_of(const struct names *names, enum tl_time_form form, unsigned i)
{
    struct tl_sv name = tl_sv_from(form == TL_TIME_SHORT && names->brief[i] != NULL ? names->brief[i] : names->full[i]);

    if (form == TL_TIME_SHORT && names->brief[i] == NULL)
        name.size = 3;
    if (form == TL_TIME_NARROW)
        name.size = 1;
    return name;
}

struct tl_sv tl_time_name(char letter, enum tl_time_form form, int64_t value)
{
    const struct names *names = names_of(letter);

    return name_of(names, form, (unsigned)value - names->first);
}

size_t tl_time_name_read(char letter, enum tl_time_form form, struct tl_sv text, bool nocase, int64_t *value)
{
    const struct names *names = names_of(letter);

    for (unsigned i = 0; i < names->count; i++) {
        struct tl_sv name = name_of(names, form, i), head = {text.data, name.size};

        if (text.size >= name.size && (nocase ? tl_sv_eq_nocase(head, name) : tl_sv_eq(head, name))) {
            *value = i + names->first;
            return name.size;
        }
    }
    return 0;
}
