/* library.h: builds a shared library of functions for tally, as a user would: with a C compiler and the one header. */
#ifndef LIBRARY_H
#define LIBRARY_H

enum { LIBRARY_PATH_BYTES = 192 };

/* dir/name.so from the source, with flags for the compiler. The tests run in the project's folder. */
void library_build(const char *dir, const char *name, const char *source, const char *flags, char path[LIBRARY_PATH_BYTES]);

#endif
