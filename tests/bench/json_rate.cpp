/* json_rate.cpp: how fast events become columns, beside simdjson's own loops over the same bytes.
 *
 * bench_json_rate [FILE.jsonl]     without a file: 20,000 events of about 660 bytes, made up here
 *
 * Wanted are event_time, host, referrer and event_id, as the views of the benchmark want them. Four loops in turn, round by round, so
 * that what the machine does meanwhile hits all of them; the median of each counts:
 *   batch         tl_json_event_parse into a batch of 4,096 rows: values converted, flags, every event checked
 *   iterate       simdjson on demand, a call for each event, the four fields found in their order and nothing done with them
 *   iterate_many  the same over the whole text at once
 *   stage 1       simdjson's first stage alone, a call for each event */
#include <algorithm>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <simdjson.h>
#pragma GCC diagnostic pop

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
extern "C" {
#include "event/json_event.h"
#include "event/json_simd.h"
#include "event/timestamp.h"
}
#pragma GCC diagnostic pop

namespace
{

constexpr size_t events_made = 20000, rounds = 31;

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "json_rate: %s\n", what);
    std::exit(3);
}

simdjson::padded_string make_events()
{
    static const char *const hosts[] = {"www.example.com", "shop.example.com", "blog.example.org", "static.example.net"};
    static const char *const referrers[] = {"\"https://www.example.com/articles/2024/03/how-to-count-visits.html\"", "null",
                                            "\"https://search.example/?q=web+analytics+lambda+architecture&hl=en\"", "\"\""};
    std::vector<char> line(2048);
    char when[TL_TIME_TEXT_BYTES];
    std::string text;

    for (uint32_t i = 0; i < events_made; i++) {
        uint32_t x = i * UINT32_C(2654435761);

        (void)tl_time_to_iso_z(INT64_C(1709287200000) + static_cast<int64_t>(i) * 173, when);
        std::snprintf(
            line.data(), line.size(),
            "{\"event_id\":\"%08x-5d3c-4f0a-9b1e-%08x%04x\",\"url\":\"/articles/2024/%02u/item-%05u.html?utm_source=news"
            "&utm_medium=mail&utm_campaign=spring\",\"referrer\":%s,\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64) "
            "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36\",\"headers\":\"{\\\"accept\\\":\\\"text"
            "/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\\\",\\\"accept-encoding\\\":\\\"gzip, deflate, br"
            "\\\",\\\"accept-language\\\":\\\"en-GB,en;q=0.7\\\",\\\"dnt\\\":\\\"1\\\",\\\"connection\\\":\\\"keep-alive"
            "\\\",\\\"upgrade-insecure-requests\\\":\\\"1\\\"}\",\"host\":\"%s\",\"ip\":\"203.0.%u.%u\",\"event_time\":"
            "\"%s\"}\n",
            x, x ^ i, i & 0xffff, 1 + i % 12, i, referrers[x >> 30], hosts[x >> 28 & 3], x >> 8 & 255, x & 255, when);
        text += line.data();
    }
    return simdjson::padded_string(text);
}

struct events {
    simdjson::padded_string text;
    std::vector<tl_message> messages;

    explicit events(simdjson::padded_string &&from) : text(std::move(from))
    {
        const char *at = text.data(), *end = at + text.size();

        while (at < end) {
            const char *line_end = static_cast<const char *>(std::memchr(at, '\n', static_cast<size_t>(end - at)));

            if (line_end == nullptr)
                line_end = end;
            if (line_end > at)
                messages.push_back({
                    static_cast<int64_t>(messages.size()), 0, {at, static_cast<size_t>(line_end - at)}
                });
            at = line_end + 1;
        }
    }
};

struct loops {
    const events &from;
    tl_json_event *parser = nullptr;
    tl_batch *batch = nullptr;
    tl_json_simd *simd = nullptr;
    simdjson::ondemand::parser ondemand;
    uint64_t rows = 0, sum = 0;

    explicit loops(const events &all, const tl_schema *schema) : from(all), simd(tl_json_simd_open())
    {
        tl_err err;

        if (simd == nullptr || tl_json_event_open(schema, &parser, &err) != TL_OK || tl_batch_open(schema, &batch, &err) != TL_OK)
            fail("out of memory");
    }

    ~loops()
    {
        tl_json_event_close(parser);
        tl_batch_close(batch);
        tl_json_simd_close(simd);
    }

    loops(const loops &) = delete;
    loops &operator=(const loops &) = delete;

    void into_batch()
    {
        tl_err err;

        rows = 0;
        tl_batch_clear(batch);
        for (const tl_message &message : from.messages) {
            if (batch->rows >= TL_BATCH_ROWS) {
                rows += batch->rows;
                tl_batch_clear(batch);
            }
            if (tl_json_event_parse(parser, &message, batch, &err) != TL_OK)
                fail(err.message);
        }
        rows += batch->rows;
    }

    void look(simdjson::ondemand::object event)
    {
        std::string_view id = event["event_id"].get_string(), referrer;
        simdjson::ondemand::value value = event["referrer"];

        if (value.type() == simdjson::ondemand::json_type::string)
            referrer = value.get_string();
        sum += id.size() + referrer.size() + std::string_view(event["host"].get_string()).size() +
               std::string_view(event["event_time"].get_string()).size();
    }

    void iterate()
    {
        for (const tl_message &message : from.messages) {
            simdjson::ondemand::document document =
                ondemand.iterate(message.value.data, message.value.size, message.value.size + simdjson::SIMDJSON_PADDING);

            look(document.get_object());
        }
    }

    void iterate_many()
    {
        simdjson::ondemand::document_stream stream = ondemand.iterate_many(from.text, 1 << 18);

        for (auto document : stream)
            look(document.get_object());
    }

    void stage_1()
    {
        const uint32_t *tokens;
        uint32_t count;
        bool grown;

        for (const tl_message &message : from.messages)
            if (tl_json_simd_find(simd, message.value.data, message.value.size, &tokens, &count, &grown) == TL_JSON_SIMD_TOKENS)
                sum += count;
    }
};

} // namespace

int main(int argc, char **argv)
{
    static const tl_field fields[] = {
        {{"event_time", 10}, TL_TIMESTAMP_LTZ},
        {{"host", 4},        TL_STRING       },
        {{"referrer", 8},    TL_STRING       },
        {{"event_id", 8},    TL_STRING       }
    };
    static const tl_schema schema = {fields, 4, TL_TIME_ISO_8601, size_t{8} << 20, 1024};
    static const struct {
        const char *name;
        void (loops::*run)();
    } all[] = {
        {"batch",        &loops::into_batch  },
        {"iterate",      &loops::iterate     },
        {"iterate_many", &loops::iterate_many},
        {"stage 1",      &loops::stage_1     }
    };
    std::vector<double> seconds[4];
    uint64_t growths = 0;

    try {
        events from(argc > 1 ? simdjson::padded_string(simdjson::padded_string::load(argv[1])) : make_events());
        loops run(from, &schema);
        double count = static_cast<double>(from.messages.size());

        for (size_t round = 0; round < rounds; round++) {
            for (size_t i = 0; i < 4; i++) {
                auto begin = std::chrono::steady_clock::now();

                (run.*all[i].run)();
                seconds[i].push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
            }
            if (round == 0)
                growths = run.batch->allocations_count;
        }
        std::printf("json: %zu events of %zu bytes, %" PRIu64 " rows, %" PRIu64 " growths once warm (check %" PRIu64 ")\n",
                    from.messages.size(), from.text.size() / std::max<size_t>(1, from.messages.size()), run.rows,
                    run.batch->allocations_count - growths, run.sum & 0xffff);
        for (auto &each : seconds)
            std::sort(each.begin(), each.end());
        for (size_t i = 0; i < 4; i++)
            std::printf("json: %-12s %6.2f million events/s %6.2f GB/s; batch reaches %.0f%%\n", all[i].name,
                        count / seconds[i][rounds / 2] / 1e6,
                        static_cast<double>(from.text.size()) / seconds[i][rounds / 2] / 1e9,
                        100 * seconds[i][rounds / 2] / seconds[0][rounds / 2]);
    } catch (const simdjson::simdjson_error &error) {
        fail(error.what());
    }
    return 0;
}
