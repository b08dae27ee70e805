/* columns.c: the columns of a view, as answers and messages list them. See columns.h. */
#include "columns.h"

#include "store/merge_view.h"

void tl_columns_put(struct tl_buf *out, const struct tl_shape_column *columns, size_t count, bool windowed)
{
    static const char *const roles[] = {
        [TL_ROLE_VALUE] = "value",           [TL_ROLE_KEY] = "key",          [TL_ROLE_WINDOW_START] = "window_start",
        [TL_ROLE_WINDOW_END] = "window_end", [TL_ROLE_WINDOW_TIME] = "time",
    };

    tl_buf_put_u8(out, '[');
    for (size_t c = 0; c < count; c++) {
        bool time = tl_merge_view_is_time(columns[c].kind);

        tl_buf_put_str(out, c > 0 ? ", {\"name\": " : "{\"name\": ");
        tl_buf_put_json(out, columns[c].name);
        tl_buf_printf(out, ", \"type\": \"%s\", \"role\": \"%s\"}", tl_kind_name(time ? TL_TIMESTAMP_LTZ : columns[c].kind),
                      time && !windowed ? "time" : roles[columns[c].role]);
    }
    tl_buf_put_u8(out, ']');
}
