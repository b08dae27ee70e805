/* deadline_test.c: deadlines of one length pass in their order, and only those whose time has come. */
#include <criterion/criterion.h>
#include <string.h>

#include "net/deadline.h"

static struct item {
    struct tl_deadline deadline; /* the first: its address is the item's */
    char name;
    struct tl_deadline_queue *again; /* set anew when it passes */
} items[4];
static char passed[16];
static size_t passed_count;
static int64_t now_ms;

static void pass(struct tl_deadline *deadline)
{
    struct item *item = (struct item *)deadline;

    cr_assert_not(tl_deadline_is_set(deadline));
    passed[passed_count++] = item->name;
    if (item->again != NULL)
        tl_deadline_set(item->again, deadline, now_ms);
}

static void expect_at(struct tl_deadline_queue *queue, int64_t at_ms, const char *names)
{
    memset(passed, 0, sizeof passed);
    passed_count = 0;
    now_ms = at_ms;
    tl_deadline_pass(queue, at_ms);
    cr_assert_str_eq(passed, names, "at %lld: %s", (long long)at_ms, passed);
}

static void begin(struct tl_deadline_queue *queue)
{
    tl_deadline_queue_init(queue, 100);
    for (size_t i = 0; i < TL_COUNT(items); i++)
        items[i] = (struct item){.name = (char)('a' + i), .deadline = {.passed = pass}};
}

Test(deadline, pass_in_their_order)
{
    struct tl_deadline_queue queue;

    begin(&queue);
    cr_assert_null(tl_deadline_first(&queue));
    expect_at(&queue, 1000, "");
    for (size_t i = 0; i < TL_COUNT(items); i++)
        tl_deadline_set(&queue, &items[i].deadline, (int64_t)i * 10);
    cr_assert_eq(tl_deadline_first(&queue), &items[0].deadline);
    expect_at(&queue, 99, "");
    expect_at(&queue, 110, "ab");
    expect_at(&queue, 110, "");
    expect_at(&queue, 1000, "cd");
    cr_assert_null(tl_deadline_first(&queue));
}

Test(deadline, set_anew_and_cleared)
{
    struct tl_deadline_queue queue, other;

    begin(&queue);
    tl_deadline_queue_init(&other, 5);
    for (size_t i = 0; i < TL_COUNT(items); i++)
        tl_deadline_set(&queue, &items[i].deadline, 0);
    tl_deadline_set(&queue, &items[0].deadline, 50); /* behind the others now */
    tl_deadline_set(&other, &items[1].deadline, 50); /* and into another queue */
    tl_deadline_clear(&items[2].deadline);
    tl_deadline_clear(&items[2].deadline);
    cr_assert_not(tl_deadline_is_set(&items[2].deadline));
    expect_at(&queue, 100, "d");
    expect_at(&other, 100, "b");
    expect_at(&queue, 150, "a");
}

Test(deadline, one_that_sets_itself_again)
{
    struct tl_deadline_queue queue;

    begin(&queue);
    items[0].again = &queue;
    tl_deadline_set(&queue, &items[0].deadline, 0);
    tl_deadline_set(&queue, &items[1].deadline, 0);
    expect_at(&queue, 100, "ab");
    expect_at(&queue, 199, "");
    expect_at(&queue, 200, "a");
}
