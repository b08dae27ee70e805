/* process_metrics.c: processor, memory, open files. See process_metrics.h. */
#include "base/process_metrics.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum what { CPU, OPEN_FILES, FILES_MAX, VIRTUAL, RESIDENT, STARTED, WHATS };

/* The names are those of the official clients, so that common dashboards find them. */
static const struct tl_metric_family families[WHATS] = {
    {.name = "process_cpu_seconds_total",     .type = TL_COUNTER, .help = "Processor time spent, user and system."          },
    {.name = "process_open_fds",              .type = TL_GAUGE,   .help = "Open file descriptors."                          },
    {.name = "process_max_fds",               .type = TL_GAUGE,   .help = "How many file descriptors may be open."          },
    {.name = "process_virtual_memory_bytes",  .type = TL_GAUGE,   .help = "Size of the address space."                      },
    {.name = "process_resident_memory_bytes", .type = TL_GAUGE,   .help = "Memory that is resident."                        },
    {.name = "process_start_time_seconds",    .type = TL_GAUGE,   .help = "When the process started, in seconds since 1970."},
};

_Static_assert((int)WHATS == (int)TL_PROCESS_METRICS, "the header has room for each");

static double cpu_seconds(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return -1;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* Less "." and ".." and the folder itself, which is open while it is read. */
static double open_files(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int count = -3;

    if (folder == NULL)
        return -1;
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static double files_max(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : -1;
}

static void memory(double *virtual_bytes, double *resident_bytes)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long all, resident;

    *virtual_bytes = *resident_bytes = -1;
    if (file == NULL)
        return;
    if (fscanf(file, "%lu %lu", &all, &resident) == 2) { /* NOLINT(cert-err34-c): the kernel writes numbers */
        *virtual_bytes = (double)all * (double)sysconf(_SC_PAGESIZE);
        *resident_bytes = (double)resident * (double)sysconf(_SC_PAGESIZE);
    }
    fclose(file);
}

/* Field 22 of stat is in ticks since the machine started; what stands before it is behind the last ')' (the name may hold anything). */
static double started_seconds(void)
{
    FILE *file = fopen("/proc/self/stat", "re");
    char text[1024], *at;
    struct timespec up;
    size_t size;
    unsigned long long ticks = 0;

    if (file == NULL)
        return -1;
    size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = '\0';
    at = strrchr(text, ')');
    for (int field = 2; at != NULL && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL || sscanf(at, "%llu", &ticks) != 1 || clock_gettime(CLOCK_BOOTTIME, &up) != 0) /* NOLINT(cert-err34-c) */
        return -1;
    return (double)tl_clock_wall_ms() / 1000.0 -
           ((double)up.tv_sec + (double)up.tv_nsec / 1e9 - (double)ticks / (double)sysconf(_SC_CLK_TCK));
}

static void publish(void *ctx)
{
    struct tl_process_metrics *process = ctx;
    double values[WHATS];

    values[CPU] = cpu_seconds();
    values[OPEN_FILES] = open_files();
    values[FILES_MAX] = files_max();
    memory(&values[VIRTUAL], &values[RESIDENT]);
    tl_metrics_begin(process->metrics);
    for (int w = 0; w < STARTED; w++)
        if (values[w] >= 0)
            tl_metric_set(process->series[w], values[w]);
    tl_metrics_end(process->metrics);
}

enum tl_code tl_process_metrics_add(struct tl_process_metrics *process, struct tl_metrics *metrics, struct tl_err *err)
{
    double started = started_seconds();
    enum tl_code rc = TL_OK;

    process->metrics = metrics;
    for (int w = 0; w < WHATS; w++)
        TL_TRY(tl_metrics_series(metrics, &families[w], NULL, 0, &process->series[w], err));
    if (started > 0) {
        tl_metrics_begin(metrics);
        tl_metric_set(process->series[STARTED], started);
        tl_metrics_end(metrics);
    }
    tl_metrics_on_read(metrics, publish, process);
out:
    return rc;
}
