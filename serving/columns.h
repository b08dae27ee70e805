/* columns.h: the columns of a view, as answers and messages list them: [{"name": "host", "type": "STRING", "role": "key"}, ...].
 *
 * A time is an instant wherever it is told, whatever the view calls it: TIMESTAMP_LTZ(3). In a view without windows its role is "time". */
#ifndef TL_COLUMNS_H
#define TL_COLUMNS_H

#include "base/buf.h"
#include "store/store.h"

void tl_columns_put(struct tl_buf *out, const struct tl_shape_column *columns, size_t count, bool windowed);

#endif
