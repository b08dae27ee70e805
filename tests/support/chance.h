/* chance.h: random numbers for tests that can be had again: the seed is printed, and TALLY_SEED sets it. */
#ifndef CHANCE_H
#define CHANCE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct chance {
    uint64_t seed, state;
};

/* splitmix64: any seed will do. */
static inline uint64_t chance_u64(struct chance *chance)
{
    uint64_t z = chance->state += UINT64_C(0x9E3779B97F4A7C15);

    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* 0 .. below - 1 */
static inline uint32_t chance_below(struct chance *chance, uint32_t below)
{
    return (uint32_t)((chance_u64(chance) >> 32) * below >> 32);
}

static inline struct chance chance_open(const char *test)
{
    const char *wanted = getenv("TALLY_SEED");
    struct timespec now;
    struct chance chance;

    clock_gettime(CLOCK_REALTIME, &now);
    chance.seed = wanted != NULL ? strtoull(wanted, NULL, 0) : (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    chance.state = chance.seed;
    fprintf(stderr, "%s: TALLY_SEED=%llu\n", test, (unsigned long long)chance.seed);
    return chance;
}

#endif
