/* agent_text.c: the text of a user agent. See agent_text.h. */
#include "core/agent_text.h"

#include "core/json_path.h"
#include "event/json_text.h"

void tl_agent_text_done(struct tl_agent_text *reader)
{
    tl_arena_done(&reader->arena);
    tl_buf_done(&reader->text);
    *reader = (struct tl_agent_text){.path = NULL};
}

bool tl_agent_text_find(struct tl_agent_text *reader, struct tl_sv column, struct tl_sv *out)
{
    struct tl_sv found;
    char *text;
    size_t size;

    *out = column;
    if (!tl_agent_text_is_json(column))
        return true;
    if (reader->path == NULL) {
        tl_arena_init(&reader->arena, 1024, 0);
        if (tl_json_path_compile(TL_SV("$.string"), &reader->arena, &reader->path, NULL) != TL_OK)
            return false;
    }
    if (tl_json_path_find(reader->path, column, &found) != TL_JSON_STRING)
        return true;
    tl_buf_clear(&reader->text);
    text = tl_buf_reserve(&reader->text, found.size + 1);
    if (text == NULL)
        return false;
    if (tl_json_unescape(found, text, &size))
        *out = (struct tl_sv){text, size};
    return true;
}
