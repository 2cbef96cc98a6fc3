/*
 * Changes rules while packets go through: a second thread compiles, the worker swaps between two bursts. Flows go on.
 *
 *     hot_reload CAPTURE FIRST.rules SECOND.rules
 *
 * The first half of the capture runs with the first rules, the rest with the second. In a product the second thread
 * would wait for a signal or a message instead.
 *
 * Freeing a large rule set takes long, so the worker frees none: tg_engine_swap_rules puts the old rules away, and the
 * next tg_ruleset_compile or tg_ruleset_free frees them. Both are the second thread's.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "example.h"

/* Rules that wait for the worker to take them, and those that it has taken. */
static _Atomic(tg_ruleset *) next_rules, taken_rules;

static void *reload(void *path)
{
    tg_ruleset *fresh = rules_of(path, NULL);
    atomic_store(&next_rules, fresh);
    while (atomic_load(&taken_rules) != fresh)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    /* The worker's engine has what it needs of them: this frees the handle, and the old rules. */
    must(tg_ruleset_free(fresh), "tg_ruleset_free");
    return NULL;
}

static int print_alert(const tg_event *event, void *user)
{
    (void)user;
    tg_alert alert;
    tg_event_info info;
    TG_INIT(alert);
    TG_INIT(info);
    must(tg_event_alert(event, &alert), "tg_event_alert");
    must(tg_event_describe(event, &info), "tg_event_describe");
    printf("packet %llu: [%u] %.*s\n", (unsigned long long)info.index, alert.sid, (int)alert.message.len,
           (const char *)alert.message.data);
    return 0;
}

static size_t packets_of(const char *path)
{
    tg_capture *capture = NULL;
    tg_packet packets[256];
    size_t n, total = 0;
    must(tg_capture_open(path, &capture), path);
    while (tg_capture_next(capture, packets, 256, &n) == TG_OK)
        total += n;
    tg_capture_close(capture);
    return total;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s CAPTURE FIRST.rules SECOND.rules\n", argv[0]);
        return 2;
    }
    tg_ruleset *rules = rules_of(argv[2], NULL);
    tg_engine_config config;
    TG_INIT(config);
    config.on_event = print_alert;
    config.events = TG_EVENT_ALERT;
    config.flags = TG_ENGINE_CAPTURE;
    tg_engine *engine = NULL;
    must(tg_engine_new(rules, &config, &engine), "tg_engine_new");
    tg_ruleset_free(rules);

    size_t half = packets_of(argv[1]) / 2, seen = 0, n;
    pthread_t compiler;
    int started = 0, swapped = 0;
    tg_capture *capture = NULL;
    tg_packet packets[32];
    must(tg_capture_open(argv[1], &capture), argv[1]);
    while (tg_capture_next(capture, packets, 32, &n) == TG_OK) {
        if (seen >= half && !started) {
            if (pthread_create(&compiler, NULL, reload, argv[3]) != 0)
                abort();
            /* A live worker would go on with the old rules meanwhile; a capture does not wait. */
            while (!atomic_load(&next_rules))
                nanosleep(&(struct timespec){0, 1000000}, NULL);
            started = 1;
        }
        tg_ruleset *fresh = atomic_exchange(&next_rules, NULL);
        if (fresh) {
            must(tg_engine_swap_rules(engine, fresh), "tg_engine_swap_rules");
            atomic_store(&taken_rules, fresh);
            printf("swapped before packet %zu\n", seen + 1);
            swapped = 1;
        }
        must(tg_engine_process(engine, packets, n, NULL), "tg_engine_process");
        seen += n;
    }
    must(tg_engine_finish(engine), "tg_engine_finish");
    if (started)
        pthread_join(compiler, NULL);
    tg_capture_close(capture);
    tg_engine_free(engine);
    return !swapped;
}
