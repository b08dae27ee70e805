/* watermark.c: how far event time has come. See watermark.h. */
#include "core/watermark.h"

#include <stdlib.h>
#include <string.h>

enum tl_code tl_watermark_init(struct tl_watermark *watermark, const struct tl_watermark_partition *partitions,
                               uint32_t partitions_count, int64_t others_ms, int64_t judged_ms, int64_t patient_ms,
                               struct tl_err *err)
{
    struct tl_watermark_partition *own = malloc((partitions_count ? partitions_count : 1) * sizeof *own);

    if (own == NULL)
        return tl_fail_memory(err, partitions_count * sizeof *own);
    if (partitions_count > 0)
        memcpy(own, partitions, partitions_count * sizeof *own);
    *watermark = (struct tl_watermark){.partitions = own,
                                       .partitions_count = partitions_count,
                                       .others_ms = others_ms,
                                       .judge_ms = judged_ms,
                                       .patient_others_ms = others_ms,
                                       .patient_ms = patient_ms};
    return TL_OK;
}

void tl_watermark_done(struct tl_watermark *watermark)
{
    free(watermark->partitions);
    *watermark = (struct tl_watermark){0};
}

/* The minimum over the worker's partitions but one (UINT32_MAX: but none), and over what it heard of the others: of all that have not ended, or of
 * the active ones. */
static int64_t minimum_but(const struct tl_watermark *watermark, uint32_t but, bool patient)
{
    int64_t min = patient ? watermark->patient_others_ms : watermark->others_ms;

    for (uint32_t i = 0; i < watermark->partitions_count; i++) {
        const struct tl_watermark_partition *p = &watermark->partitions[i];

        if (i != but && (patient || !p->idle) && p->watermark_ms != TL_WATERMARK_END)
            min = tl_min_i64(min, p->watermark_ms);
    }
    return min;
}

/* The judge follows the minimum upwards. A minimum over nothing (INT64_MAX) says nothing: all is idle, and only the floor moves on. */
static void follow(struct tl_watermark *watermark)
{
    int64_t min = minimum_but(watermark, UINT32_MAX, false), patient = minimum_but(watermark, UINT32_MAX, true);

    if (min != INT64_MAX)
        watermark->judge_ms = tl_max_i64(watermark->judge_ms, min);
    if (patient != INT64_MAX)
        watermark->patient_ms = tl_max_i64(watermark->patient_ms, patient);
}

void tl_watermark_pass(struct tl_watermark *watermark, uint32_t index, const int64_t *event_ms, uint32_t count,
                       int64_t *judged_ms)
{
    struct tl_watermark_partition *own = &watermark->partitions[index];
    int64_t rest = minimum_but(watermark, index, false), patient_rest = minimum_but(watermark, index, true);
    int64_t at = own->watermark_ms;
    int64_t judge = watermark->judge_ms;

    if (count == 0)
        return;
    own->idle = false;
    watermark->passed_own_ms = at;
    watermark->passed_rest_ms = patient_rest;
    watermark->passed_patient_ms = watermark->patient_ms;
    watermark->left_out = patient_rest != rest || watermark->patient_ms != judge;
    for (uint32_t i = 0; i < count; i++) {
        int64_t min = tl_min_i64(at, rest);

        judge = tl_max_i64(judge, min);
        judged_ms[i] = judge;
        at = tl_max_i64(at, event_ms[i]);
    }
    own->watermark_ms = at;
    watermark->judge_ms = tl_max_i64(judge, tl_min_i64(at, rest));
    watermark->patient_ms = tl_max_i64(watermark->patient_ms, tl_min_i64(at, patient_rest));
}

void tl_watermark_patient(const struct tl_watermark *watermark, const int64_t *event_ms, uint32_t count, int64_t *patient_ms)
{
    int64_t at = watermark->passed_own_ms, patient = watermark->passed_patient_ms;

    for (uint32_t i = 0; i < count; i++) {
        patient = tl_max_i64(patient, tl_min_i64(at, watermark->passed_rest_ms));
        patient_ms[i] = patient;
        at = tl_max_i64(at, event_ms[i]);
    }
}

void tl_watermark_idle(struct tl_watermark *watermark, uint32_t index, bool idle)
{
    watermark->partitions[index].idle = idle;
    follow(watermark);
}

void tl_watermark_end(struct tl_watermark *watermark, uint32_t index)
{
    watermark->partitions[index].watermark_ms = TL_WATERMARK_END;
    watermark->partitions[index].idle = false;
    follow(watermark);
}

void tl_watermark_hear(struct tl_watermark *watermark, const struct tl_watermark_heard *heard)
{
    watermark->others_ms = heard->others_ms;
    watermark->patient_others_ms = heard->patient_others_ms;
    watermark->judge_ms = tl_max_i64(watermark->judge_ms, heard->floor_ms);
    watermark->patient_ms = tl_max_i64(watermark->patient_ms, heard->patient_floor_ms);
    follow(watermark);
}

void tl_watermark_add(struct tl_watermark_sum *sum, int64_t watermark_ms, bool idle)
{
    if (watermark_ms == TL_WATERMARK_END) {
        sum->ended_count++;
        return;
    }
    sum->others_count++;
    sum->max_ms = tl_max_i64(sum->max_ms, watermark_ms);
    if (!idle)
        sum->min_ms = tl_min_i64(sum->min_ms, watermark_ms);
}

int64_t tl_watermark_combined(const struct tl_watermark_sum *sum)
{
    if (sum->others_count == 0 && sum->ended_count > 0)
        return TL_WATERMARK_END;
    return sum->min_ms == INT64_MAX ? sum->max_ms : sum->min_ms;
}
