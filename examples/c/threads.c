/*
 * Threads with an engine each and rules that they share: the packets of a capture are dealt out by the hash of their
 * addresses, as a network card does, so that both directions of a flow meet in one engine.
 *
 *     threads CAPTURE RULES [THREADS]
 */
#include <pthread.h>

#include "example.h"

enum { BURST = 32, MOST = 64 };

/* The packets of one thread; their bytes are copied, as they outlive the reader's buffer. */
struct share {
    tg_packet *packets;
    size_t count, room;
    tg_engine *engine;
    unsigned long long alerts;
};

static int count_alert(const tg_event *event, void *user)
{
    (void)event;
    ((struct share *)user)->alerts++;
    return 0;
}

static void *work(void *user)
{
    struct share *s = user;
    tg_verdict verdicts[BURST];
    for (size_t at = 0; at < s->count; at += BURST) {
        size_t n = s->count - at < BURST ? s->count - at : BURST;
        must(tg_engine_process(s->engine, s->packets + at, n, verdicts), "tg_engine_process");
    }
    must(tg_engine_finish(s->engine), "tg_engine_finish");
    return NULL;
}

/* The same for both directions: addresses only, since fragments have no ports. What a tunnel carries is decided by
 * its outer addresses. */
static uint32_t hash(const tg_packet *p)
{
    tg_decoded layers[TG_MAX_LAYERS];
    size_t n = 0;
    uint32_t h = 0;
    must(tg_packet_decode(p, layers, TG_MAX_LAYERS, &n), "tg_packet_decode");
    for (int i = 0; n > 0 && i < 16; i++)
        h += (uint32_t)(layers[0].src[i] ^ 0x5a) * (layers[0].dst[i] ^ 0x5a) * (uint32_t)(i + 1);
    return h;
}

static void add(struct share *s, const tg_packet *p, uint32_t rss)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 1024;
        s->packets = realloc(s->packets, s->room * sizeof *s->packets);
        if (!s->packets)
            abort();
    }
    uint8_t *copy = malloc(p->len ? p->len : 1);
    if (!copy)
        abort();
    memcpy(copy, p->data, p->len);
    s->packets[s->count] = *p;
    s->packets[s->count].data = copy;
    s->packets[s->count++].rss_hash = rss;
}

int main(int argc, char **argv)
{
    int threads = argc > 3 ? atoi(argv[3]) : 2;
    if (argc < 3 || threads < 1 || threads > MOST) {
        fprintf(stderr, "usage: %s CAPTURE RULES [THREADS]\n", argv[0]);
        return 2;
    }
    tg_ruleset *rules = rules_of(argv[2], NULL);
    static struct share shares[MOST];
    for (int i = 0; i < threads; i++) {
        tg_engine_config config;
        TG_INIT(config);
        config.memory = 64u << 20;
        config.on_event = count_alert;
        config.user = &shares[i];
        config.events = TG_EVENT_ALERT;
        config.flags = TG_ENGINE_CAPTURE;
        must(tg_engine_new(rules, &config, &shares[i].engine), "tg_engine_new");
    }

    tg_capture *capture = NULL;
    must(tg_capture_open(argv[1], &capture), argv[1]);
    tg_packet packets[BURST];
    size_t n;
    while (tg_capture_next(capture, packets, BURST, &n) == TG_OK)
        for (size_t i = 0; i < n; i++) {
            uint32_t h = hash(&packets[i]);
            add(&shares[h % (uint32_t)threads], &packets[i], h);
        }
    tg_capture_close(capture);

    pthread_t ids[MOST];
    for (int i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, work, &shares[i]) != 0)
            abort();
    unsigned long long total = 0;
    for (int i = 0; i < threads; i++) {
        pthread_join(ids[i], NULL);
        tg_stats stats;
        TG_INIT(stats);
        must(tg_engine_stats(shares[i].engine, &stats), "tg_engine_stats");
        printf("thread %d: %llu packets, %llu flows, %llu alerts\n", i, (unsigned long long)stats.frames,
               (unsigned long long)stats.flows, shares[i].alerts);
        total += shares[i].alerts;
        must(tg_engine_free(shares[i].engine), "tg_engine_free");
        for (size_t p = 0; p < shares[i].count; p++)
            free((void *)shares[i].packets[p].data);
        free(shares[i].packets);
    }
    printf("alerts %llu\n", total);
    tg_ruleset_free(rules);
    return 0;
}
