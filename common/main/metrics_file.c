/* metrics_file.c: figures of a command that ends, for the textfile collector. See metrics_file.h. */
#include "main/metrics_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

double tl_metrics_file_read(const char *path, const char *series)
{
    FILE *file = fopen(path, "re");
    size_t size = strlen(series);
    char line[512];
    double found = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, series, size) == 0 && line[size] == ' ')
            found = strtod(line + size, NULL);
    if (file != NULL)
        fclose(file);
    return found;
}

enum tl_code tl_metrics_file_set(struct tl_metrics *metrics, const struct tl_metric_family *family,
                                 const struct tl_metric_label *labels, size_t labels_count, double value, struct tl_err *err)
{
    struct tl_metric *series;
    enum tl_code rc;

    TL_TRY(tl_metrics_series(metrics, family, labels, labels_count, &series, err));
    tl_metrics_begin(metrics);
    tl_metric_set(series, value);
    tl_metrics_end(metrics);
out:
    return rc;
}

/* 0644 whatever the umask: the collector is another user. */
enum tl_code tl_metrics_file_write(const char *path, struct tl_metrics *metrics, struct tl_err *err)
{
    char beside[4200];
    struct tl_buf text;
    int fd = -1;
    enum tl_code rc;

    snprintf(beside, sizeof beside, "%s.%d.tmp", path, (int)getpid());
    tl_buf_init(&text, 0);
    tl_metrics_text(metrics, tl_clock_wall_ms(), &text);
    TL_TRY(tl_buf_check(&text, "the figures", err));
    fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "--metrics-file %s: cannot make %s", path, beside));
    if (fchmod(fd, 0644) != 0 || write(fd, text.data, text.size) != (ssize_t)text.size || fsync(fd) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "--metrics-file %s: cannot write %s", path, beside));
    if (rename(beside, path) != 0)
        TL_TRY(tl_fail_errno(err, TL_ERR_IO, "--metrics-file %s: cannot rename %s", path, beside));
out:
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && rc != TL_OK)
        unlink(beside);
    tl_buf_done(&text);
    return rc;
}
