/* time_names.h: the English names of months, days, quarters, eras and halves of the day, for patterns (time_pattern.h). */
#ifndef TL_TIME_NAMES_H
#define TL_TIME_NAMES_H

#include "base/sv.h"
#include "core/time_pattern.h"

/* By the letter that prints it (M, e, Q, G, a) and its value: months and quarters from 1, days from Sunday 1, BC and AM 0. */
struct tl_sv tl_time_name(char letter, enum tl_time_form form, int64_t value);
/* The name of that form that the text begins with, `nocase`: in small or capital letters; returns its size, 0 for none. */
size_t tl_time_name_read(char letter, enum tl_time_form form, struct tl_sv text, bool nocase, int64_t *value);

#endif
