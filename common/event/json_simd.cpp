/* json_simd.cpp: simdjson behind a C interface; the product's one C++ file.
 *
 * Why not simdjson's on-demand mode as it is: it looks at what one asks for, so that {"a":1,"b" 2} is well-formed for who wants a
 * and malformed for who wants b, and what is malformed must not depend on that. Its stage 1, which finds the tokens with SIMD and
 * is nearly all of its cost, looks at every byte; json_event.c then walks every token of the top level by itself. */
#include "event/json_simd.h"

#include <charconv>
#include <cstring>
#include <memory>
#include <new>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wcast-qual"
#include <simdjson.h>
#pragma GCC diagnostic pop

struct tl_json_simd {
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
    bool plain; /* no SIMD that simdjson knows */
};

namespace
{

#ifdef TL_TINY
constexpr size_t capacity_first = 64;
#else
constexpr size_t capacity_first = 16384;
#endif
constexpr size_t nesting_unused = 1; /* stage 2's, which is not used */

bool grow(tl_json_simd *simd, size_t size)
{
    size_t capacity = simd->parser ? simd->parser->capacity() : capacity_first;
    std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;

    while (capacity < size)
        capacity *= 2;
    if (capacity > simdjson::SIMDJSON_MAXSIZE_BYTES)
        capacity = size;
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(capacity, nesting_unused, parser) !=
        simdjson::SUCCESS)
        return false;
    simd->parser = std::move(parser);
    return true;
}

/* What simdjson's SIMD code finds, byte by byte. Its own code for other processors finds the same in well-formed JSON only: in 1"x" it
 * sees no string; and one log must have the same dead letters on every machine. */
tl_json_simd_found find_plain(const uint8_t *text, size_t size, uint32_t *tokens, uint32_t *tokens_count)
{
    bool escaped = false, in_string = false, in_scalar = false, control = false;
    uint32_t count = 0;

    for (size_t i = 0; i < size; i++) {
        bool quote = text[i] == '"' && !escaped;

        escaped = text[i] == '\\' && !escaped;
        if (in_string) {
            control |= text[i] < 0x20;
            in_string = !quote;
            continue;
        }
        switch (text[i]) {
        case ' ':
        case '\t':
        case '\n':
        case '\r': in_scalar = false; break;
        case '{':
        case '}':
        case '[':
        case ']':
        case ':':
        case ',':
            tokens[count++] = static_cast<uint32_t>(i);
            in_scalar = false;
            break;
        default:
            if (!in_scalar)
                tokens[count++] = static_cast<uint32_t>(i);
            in_string = quote;
            in_scalar = !quote;
        }
    }
    if (in_string)
        return TL_JSON_SIMD_UNCLOSED;
    if (control || !simdjson::validate_utf8(reinterpret_cast<const char *>(text), size))
        return TL_JSON_SIMD_REPAIR;
    tokens[count] = static_cast<uint32_t>(size);
    *tokens_count = count;
    return count == 0 ? TL_JSON_SIMD_EMPTY : TL_JSON_SIMD_TOKENS;
}

} // namespace

tl_json_simd *tl_json_simd_open(void)
{
    tl_json_simd *simd = new (std::nothrow) tl_json_simd;

    if (simd != nullptr)
        simd->plain = simdjson::get_active_implementation()->name() == "fallback";
    if (simd != nullptr && !grow(simd, capacity_first)) {
        delete simd;
        simd = nullptr;
    }
    return simd;
}

void tl_json_simd_close(tl_json_simd *simd)
{
    delete simd;
}

tl_json_simd_found tl_json_simd_find(tl_json_simd *simd, const char *text, size_t size, const uint32_t **tokens,
                                     uint32_t *tokens_count, bool *grown)
{
    if (size > simd->parser->capacity()) {
        if (size > simdjson::SIMDJSON_MAXSIZE_BYTES)
            return TL_JSON_SIMD_TOO_LARGE;
        if (!grow(simd, size))
            return TL_JSON_SIMD_NO_MEMORY;
        *grown = true;
    }
    *tokens = simd->parser->structural_indexes.get();
    if (simd->plain)
        return find_plain(reinterpret_cast<const uint8_t *>(text), size, simd->parser->structural_indexes.get(), tokens_count);
    /* Reads no byte behind the text: the last block is copied. */
    switch (simd->parser->stage1(reinterpret_cast<const uint8_t *>(text), size, simdjson::stage1_mode::regular)) {
    case simdjson::SUCCESS: break;
    case simdjson::EMPTY: return TL_JSON_SIMD_EMPTY;
    case simdjson::UTF8_ERROR:
    case simdjson::UNESCAPED_CHARS: return TL_JSON_SIMD_REPAIR;
    default: return TL_JSON_SIMD_UNCLOSED;
    }
    *tokens_count = simd->parser->n_structural_indexes;
    return TL_JSON_SIMD_TOKENS;
}

unsigned tl_json_simd_shortest(double value, char digits[32], int *exponent)
{
    char text[32];
    std::to_chars_result end = std::to_chars(text, text + sizeof text, value, std::chars_format::scientific);
    const char *at = text;
    unsigned count = 0;
    int power = 0;

    for (; at < end.ptr && *at != 'e'; at++)
        if (*at >= '0' && *at <= '9')
            digits[count++] = *at;
    if (at < end.ptr && *++at == '+')
        at++;
    std::from_chars(at, end.ptr, power);
    *exponent = power + 1;
    return count;
}

bool tl_json_simd_to_float(const char *text, size_t size, float *out)
{
    float value = 0;
    std::from_chars_result end = std::from_chars(text, text + size, value);

    if (end.ec != std::errc() || end.ptr != text + size)
        return false;
    *out = value;
    return true;
}
