/* yardstick.cpp: the hand-written program that the core is measured against: simdjson and the two views of views.sql, nothing else.
 *
 * bench_yardstick FILE.jsonl [ROUNDS]
 *
 * What a good programmer writes for exactly this question: the three fields are read where they stand, windows are few and small and go
 * as soon as the watermark (highest event time less 15 s) has passed them, rows are formatted as CSV into a buffer that is thrown away.
 * No plan, no types, no ledger, no errors beside "not JSON". One thread, the file's bytes already in memory.
 *
 * Prints one line: events/s (median of the rounds), events, rows, late, and a checksum over the rows that does not depend on their
 * order, made in a pass of its own; core_rate.c prints the same. */
#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <string_view>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <simdjson.h>
#pragma GCC diagnostic pop
#include <xxhash.h>

namespace
{

constexpr int64_t window_ms = 300000, delay_ms = 15000, day_ms = 86400000;

uint64_t mix(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = static_cast<wide>(a) * b;

    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

uint64_t load(const char *at, size_t bytes)
{
    uint64_t word = 0;

    std::memcpy(&word, at, bytes);
    return word;
}

/* After wyhash: 16 bytes a step, the last ones read again from the end. */
uint64_t hash(std::string_view text, uint64_t seed)
{
    const char *at = text.data();
    size_t left = text.size();

    seed ^= 0xa0761d6478bd642f ^ left;
    for (; left > 16; left -= 16, at += 16)
        seed = mix(load(at, 8) ^ 0xe7037ed1a0b428db, load(at + 8, 8) ^ seed);
    if (left >= 8)
        return mix(load(at, 8) ^ 0x8ebc6af09c88c6e3, load(at + left - 8, 8) ^ seed);
    return mix(load(at, left) ^ 0x589965cc75374cc3, seed);
}

/* Group -> count, for one window and one view: a dense array of groups and an index over it. */
struct groups {
    struct group {
        uint64_t hash;
        const char *text;
        uint32_t length, owner;
        uint64_t count;
    };
    static constexpr uint32_t none = UINT32_MAX;
    std::vector<group> all;
    std::vector<uint32_t> index = std::vector<uint32_t>(64, none);

    /* owner: the host's place for the view by referrer. Returns the group's place. */
    template <class Keep> uint32_t add(std::string_view text, uint32_t owner, uint64_t seed, Keep keep)
    {
        uint64_t h = hash(text, seed);
        size_t mask = index.size() - 1, at = h & mask;

        for (; index[at] != none; at = (at + 1) & mask) {
            group &g = all[index[at]];

            if (g.hash == h && g.owner == owner && g.length == text.size() &&
                std::memcmp(g.text, text.data(), text.size()) == 0) {
                g.count++;
                return index[at];
            }
        }
        index[at] = static_cast<uint32_t>(all.size());
        all.push_back({h, keep(text), static_cast<uint32_t>(text.size()), owner, 1});
        if (all.size() * 2 > index.size())
            grow();
        return static_cast<uint32_t>(all.size() - 1);
    }

    void place(uint32_t number)
    {
        size_t mask = index.size() - 1, at = all[number].hash & mask;

        while (index[at] != none)
            at = (at + 1) & mask;
        index[at] = number;
    }

    void grow()
    {
        index.assign(index.size() * 2, none);
        for (uint32_t i = 0; i < all.size(); i++)
            place(i);
    }

    /* A small table in a large index would be dear to clear whole. */
    void clear()
    {
        if (all.size() * 8 > index.size()) {
            std::fill(index.begin(), index.end(), none);
        } else {
            size_t mask = index.size() - 1;

            for (const group &g : all) {
                for (size_t at = g.hash & mask; index[at] != none; at = (at + 1) & mask)
                    index[at] = none;
            }
        }
        all.clear();
    }
};

struct window {
    int64_t start_ms = 0;
    groups hits, by_referrer;
    std::vector<std::unique_ptr<char[]>> blocks; /* the keys' texts */
    size_t block = 0, used = 0;
    static constexpr size_t block_bytes = 1 << 16;

    const char *keep(std::string_view text)
    {
        char *at;

        if (blocks.empty() || used + text.size() > block_bytes) {
            block += !blocks.empty();
            if (block == blocks.size())
                blocks.push_back(std::make_unique<char[]>(std::max(block_bytes, text.size())));
            used = 0;
        }
        at = blocks[block].get() + used;
        std::memcpy(at, text.data(), text.size());
        used += text.size();
        return at;
    }

    void clear()
    {
        hits.clear();
        by_referrer.clear();
        block = used = 0;
    }
};

constexpr std::string_view no_referrer("\0null", 5); /* no JSON text of ours begins with a NUL */

int64_t days_from_civil(int64_t y, int64_t m, int64_t d)
{
    y -= m <= 2;
    int64_t era = y / 400, yoe = y - era * 400, doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

struct time_reader {
    char date[10] = {0};
    int64_t date_ms = 0;

    static int64_t two(const char *at)
    {
        return (at[0] - '0') * 10 + (at[1] - '0');
    }

    /* "2025-03-03T08:15:30.123Z", this form alone. */
    int64_t read(std::string_view text)
    {
        const char *at = text.data();

        if (text.size() != 24)
            throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
        if (std::memcmp(at, date, 10) != 0) {
            std::memcpy(date, at, 10);
            date_ms = days_from_civil(two(at) * 100 + two(at + 2), two(at + 5), two(at + 8)) * day_ms;
        }
        return date_ms + two(at + 11) * 3600000 + two(at + 14) * 60000 + two(at + 17) * 1000 + (at[20] - '0') * 100 +
               two(at + 21);
    }
};

char *put_uint(char *at, uint64_t value)
{
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = static_cast<char>('0' + value % 10);
    while ((value /= 10) > 0);
    while (n > 0)
        *at++ = digits[--n];
    return at;
}

struct result {
    uint64_t events = 0, rows = 0, late = 0, checksum = 0, bytes = 0;
};

template <bool check> class views
{
    std::vector<std::unique_ptr<window>> open_, spare_; /* open: ascending by start */
    int64_t watermark_ms_ = INT64_MIN / 2;
    std::vector<char> out_ = std::vector<char>(1 << 20);
    size_t out_used_ = 0;
    time_reader times_;

  public:
    result r;

    void push(std::string_view host, std::string_view referrer, std::string_view event_time)
    {
        int64_t ms = times_.read(event_time), start_ms = ms - ms % window_ms;

        r.events++;
        if (watermark_ms_ >= start_ms + window_ms - 1) {
            r.late++;
            return;
        }
        window &w = at(start_ms);
        auto keep = [&w](std::string_view text) { return w.keep(text); };
        uint32_t owner = w.hits.add(host, 0, 0, keep);

        w.by_referrer.add(referrer, owner, w.hits.all[owner].hash, keep);
        if (ms - delay_ms > watermark_ms_) {
            watermark_ms_ = ms - delay_ms;
            while (!open_.empty() && watermark_ms_ >= open_.front()->start_ms + window_ms - 1)
                retire();
        }
    }

    void end()
    {
        while (!open_.empty())
            retire();
        r.bytes += out_used_;
    }

  private:
    window &at(int64_t start_ms)
    {
        size_t i = open_.size();

        while (i > 0 && open_[i - 1]->start_ms > start_ms)
            i--;
        if (i > 0 && open_[i - 1]->start_ms == start_ms)
            return *open_[i - 1];
        if (spare_.empty())
            spare_.push_back(std::make_unique<window>());
        open_.insert(open_.begin() + static_cast<std::ptrdiff_t>(i), std::move(spare_.back()));
        spare_.pop_back();
        open_[i]->start_ms = start_ms;
        return *open_[i];
    }

    void row(uint8_t view, const window &w, const char *times, std::string_view host, std::string_view referrer, uint64_t count)
    {
        char *begin, *at;

        r.rows++;
        if (out_used_ + 128 + host.size() + referrer.size() > out_.size()) {
            r.bytes += out_used_;
            out_used_ = 0;
        }
        begin = at = out_.data() + out_used_;
        std::memcpy(at, times, 50);
        at += 50;
        std::memcpy(at, host.data(), host.size());
        at += host.size();
        *at++ = ',';
        if (view == 1) {
            if (referrer.data() != nullptr)
                std::memcpy(at, referrer.data(), referrer.size());
            at += referrer.size();
            *at++ = ',';
        }
        at = put_uint(at, count);
        *at++ = '\n';
        out_used_ += static_cast<size_t>(at - begin);
        if (check) {
            /* view, start, count, host, whether there is a referrer, referrer */
            std::vector<char> text(18 + host.size() + referrer.size() + 1);

            text[0] = static_cast<char>(view);
            std::memcpy(&text[1], &w.start_ms, 8);
            std::memcpy(&text[9], &count, 8);
            text[17] = referrer.data() != nullptr;
            std::memcpy(&text[18], host.data(), host.size());
            if (referrer.data() != nullptr)
                std::memcpy(&text[19 + host.size()], referrer.data(), referrer.size());
            r.checksum += XXH3_64bits(text.data(), text.size());
        }
    }

    void retire()
    {
        window &w = *open_.front();
        char times[64];

        put_time(times, w.start_ms);
        times[24] = ',';
        put_time(times + 25, w.start_ms + window_ms);
        times[49] = ',';
        for (const groups::group &g : w.hits.all)
            row(0, w, times, {g.text, g.length}, {}, g.count);
        for (const groups::group &g : w.by_referrer.all) {
            const groups::group &host = w.hits.all[g.owner];
            std::string_view referrer(g.text, g.length);

            row(1, w, times, {host.text, host.length}, referrer == no_referrer ? std::string_view() : referrer, g.count);
        }
        w.clear();
        spare_.push_back(std::move(open_.front()));
        open_.erase(open_.begin());
    }

    static void put_padded(char *at, int64_t value, int width)
    {
        for (int i = width; i > 0; i--, value /= 10)
            at[i - 1] = static_cast<char>('0' + value % 10);
    }

    static void put_time(char *at, int64_t ms)
    {
        int64_t z = ms / day_ms + 719468, rest = ms % day_ms, era = z / 146097, doe = z - era * 146097;
        int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        int64_t mp = (5 * doy + 2) / 153, month = mp < 10 ? mp + 3 : mp - 9;

        std::memcpy(at, "0000-00-00T00:00:00.000Z", 24);
        put_padded(at, yoe + era * 400 + (month <= 2), 4);
        put_padded(at + 5, month, 2);
        put_padded(at + 8, doy - (153 * mp + 2) / 5 + 1, 2);
        put_padded(at + 11, rest / 3600000, 2);
        put_padded(at + 14, rest / 60000 % 60, 2);
        put_padded(at + 17, rest / 1000 % 60, 2);
        put_padded(at + 20, rest % 1000, 3);
    }
};

template <bool check> result run(const simdjson::padded_string &json, simdjson::ondemand::parser &parser)
{
    views<check> v;
    simdjson::ondemand::document_stream stream = parser.iterate_many(json, 1 << 18);

    for (auto document : stream) {
        simdjson::ondemand::object event = document.get_object();
        /* In the order in which the events have them: each search goes on where the one before ended, and round once if it must. */
        simdjson::ondemand::value value = event["referrer"];
        std::string_view referrer = no_referrer, host;

        if (value.type() == simdjson::ondemand::json_type::string)
            referrer = value.get_string();
        host = event["host"].get_string();
        v.push(host, referrer, event["event_time"].get_string());
    }
    v.end();
    return v.r;
}

/* The thread's own time: what else the machine does in between does not count. */
double now_s()
{
    timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        std::fputs("usage: bench_yardstick FILE.jsonl [ROUNDS]\n", stderr);
        return 2;
    }
    try {
        simdjson::padded_string json = simdjson::padded_string::load(argv[1]);
        simdjson::ondemand::parser parser;
        std::vector<double> seconds;
        result r;

#ifdef SIMDJSON_THREADS_ENABLED
        parser.threaded = false;
#endif
        for (long i = 0, rounds = argc > 2 ? std::max(1L, std::strtol(argv[2], nullptr, 10)) : 1; i < rounds; i++) {
            double begin = now_s();

            r = run<false>(json, parser);
            seconds.push_back(now_s() - begin);
        }
        r = run<true>(json, parser);
        std::sort(seconds.begin(), seconds.end());
        std::printf("events_per_s=%.0f seconds=%.4f events=%" PRIu64 " rows=%" PRIu64 " late=%" PRIu64 " checksum=%016" PRIx64
                    "\n",
                    static_cast<double>(r.events) / seconds[seconds.size() / 2], seconds[seconds.size() / 2], r.events, r.rows,
                    r.late, r.checksum);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "bench_yardstick: %s: %s\n", argv[1], e.what());
        return 3;
    }
    return 0;
}
