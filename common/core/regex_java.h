/* regex_java.h: java.util.regex.Pattern's syntax in PCRE2's, where both can mean the same; for regex.c.
 *
 * Taken: literals; . [...] [^...] with ranges; \t \n \r \f \a \e \0n \xhh \x{h..h} \uhhhh \cX, \Q...\E, a backslash before what
 * is no letter or digit; \d \w \s \h \v and \D \W \S \H \V (ASCII but for \h and \v), \R; ^ $ \A \Z \z \b \B; \p{..} with a POSIX
 * name (Alpha, Digit, Punct, ...) or a general category (L, Lu, Nd, ...); (...) (?:...) (?<name>...) (?>...) look-ahead,
 * look-behind of a fixed length; |; greedy, lazy and possessive repeats; \1 to \9; the flags i and s, (?i) and (?i:...).
 *
 * Written anew, since PCRE2 means something else: . and $ know \n \r \r\n U+0085 U+2028 U+2029 as line ends; i is for ASCII alone;
 * \b is ASCII, as in Java since 19.
 *
 * Refused: everything else: [a[bc]] and &&, the flags m d u U x, \X \N \G \k, other names in \p, a repeat of a repeat or of what
 * has no width. */
#ifndef TL_REGEX_JAVA_H
#define TL_REGEX_JAVA_H

#include "base/buf.h"

struct tl_regex_java {
    struct tl_buf text;   /* for PCRE2, with PCRE2_DOTALL */
    struct tl_buf places; /* for each byte of it, and the end: where it comes from, four bytes each */
    const char *wrong;    /* NULL: it is translated. Lives as long as the process */
    size_t wrong_at;      /* the byte of the pattern */
};

/* The pattern is well-formed UTF-8. False: out of memory. *out is to be done() in any case. */
TL_MUST_USE bool tl_regex_java_translate(struct tl_sv pattern, struct tl_regex_java *out);
void tl_regex_java_done(struct tl_regex_java *java);
/* Which byte of the pattern byte `at` of the translation comes from. */
size_t tl_regex_java_place(const struct tl_regex_java *java, size_t at);

#endif
