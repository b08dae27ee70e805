/* capture_scene.h: a capture in a folder of its own, events that are numbers, and what has come to the log: shared by the capture's tests. */
#ifndef TL_TESTS_CAPTURE_SCENE_H
#define TL_TESTS_CAPTURE_SCENE_H

#include <stdatomic.h>

#include "speed_layer/capture.h"
#include "speed_layer/capture_meter.h"
#include "support/run.h"

struct capture_scene {
    char dir[RUN_DIR_BYTES], data[RUN_DIR_BYTES + 8], spool[RUN_DIR_BYTES + 16];
    struct tl_common_options common;
    struct tl_capture_options options;
    struct tl_capture *capture; /* NULL: closed */
    atomic_int taken, refused;  /* answers */
};

/* The embedded log; nothing is opened yet. */
void capture_scene_make(struct capture_scene *scene);
void capture_scene_remove(struct capture_scene *scene);
void capture_scene_open(struct capture_scene *scene); /* fails the test where it does not work */
void capture_scene_close(struct capture_scene *scene, int64_t patience_ms);
/* How long the log may take before events go to the disk: for tests that say that they do not, or must. */
void capture_scene_late_after(struct capture_scene *scene, int64_t ms);

/* {"n":<number>,...}, of at least `bytes` bytes. */
void capture_scene_put(struct capture_scene *scene, int64_t number, size_t bytes);
void capture_scene_put_all(struct capture_scene *scene, int64_t from, int64_t to, size_t bytes);
/* Fails the test unless they add up. */
struct tl_capture_figures capture_scene_figures(struct capture_scene *scene);
/* Until so many are delivered; fails the test after 20 s. */
void capture_scene_await_delivered(struct capture_scene *scene, uint64_t count);
void capture_scene_await_taken(struct capture_scene *scene, int count);
/* Until some are on disk for good and all that came before this call are. */
void capture_scene_await_spooled(struct capture_scene *scene);
int capture_scene_segments(const struct capture_scene *scene); /* how many files of the spool there are */

/* The embedded log is not to be had until it is put back. */
void capture_scene_take_log(struct capture_scene *scene);
void capture_scene_give_log(struct capture_scene *scene);
/* The numbers in a partition of the log, in order; the caller frees. */
int64_t *capture_scene_numbers(const struct capture_scene *scene, uint32_t partition, size_t *count);
/* They are from ... to - 1, each once, in order. */
void capture_scene_check_numbers(const struct capture_scene *scene, int64_t from, int64_t to);

#endif
