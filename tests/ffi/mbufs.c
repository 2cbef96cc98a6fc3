/*
 * tg_engine_process_mbufs says what tg_engine_process says: a capture's packets go through both, as they are and as
 * mbufs in one to several pieces, and events and verdicts are compared byte by byte. Then it is misused.
 *
 *     mbufs EAL-ARGUMENTS -- RULES CAPTURE...
 */
#include <rte_eal.h>
#include <rte_mbuf.h>

#include <stdio.h>
#include <stdlib.h>
#include <tidegate.h>

#ifndef TIDEGATE_DPDK
#error "the library was built without DPDK"
#endif

enum { BURST = 32, ROOM = 2048 };

static const char *doing = "";

#define IS(call, wanted)                                                                                               \
    do {                                                                                                               \
        tg_status got = (call);                                                                                        \
        if (got != (wanted)) {                                                                                         \
            fprintf(stderr, "%s: %s:%d: %s is %d (%s), not %s\n", doing, __FILE__, __LINE__, #call, got,               \
                    tg_last_error(), #wanted);                                                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* The events of an engine, one a line. */
struct lines {
    char *text;
    size_t len, room;
    unsigned long count;
};

static int keep(const tg_event *event, void *user)
{
    struct lines *l = user;
    tg_event_info info;
    tg_bytes line;
    char more[64];
    tg_status status = tg_event_json(event, &line);
    if (status == TG_ERR_NOT_FOUND)
        return 0;
    IS(status, TG_OK);
    TG_INIT(info);
    IS(tg_event_describe(event, &info), TG_OK);
    int n = snprintf(more, sizeof more, " port %u hash %x packet %zu\n", info.port, info.rss_hash, info.packet.len);
    while (l->room < l->len + line.len + (size_t)n) {
        l->room = l->room ? 2 * l->room : 1 << 16;
        l->text = realloc(l->text, l->room);
        if (!l->text)
            exit(3);
    }
    memcpy(l->text + l->len, line.data, line.len);
    memcpy(l->text + l->len + line.len, more, (size_t)n);
    l->len += line.len + (size_t)n;
    l->count++;
    return 0;
}

static tg_engine *engine(const tg_ruleset *rules, struct lines *l)
{
    tg_engine_config config;
    tg_engine *e = NULL;
    TG_INIT(config);
    config.memory = 32u << 20;
    config.flags = TG_ENGINE_INLINE | TG_ENGINE_KNOWN_CHECKSUMS;
    config.on_event = keep;
    config.user = l;
    config.secret[0] = 1; /* both engines number their flows alike */
    IS(tg_engine_new(rules, &config, &e), TG_OK);
    return e;
}

/* A packet as an mbuf in pieces of at most `piece` bytes. */
static struct rte_mbuf *mbuf(struct rte_mempool *pool, const tg_packet *p, uint32_t piece)
{
    struct rte_mbuf *first = NULL;
    uint32_t at = 0;
    do {
        uint32_t n = RTE_MIN(piece, p->len - at);
        struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
        char *to = m ? rte_pktmbuf_append(m, (uint16_t)n) : NULL;
        if (!to) {
            fprintf(stderr, "no mbuf for a packet of %u bytes\n", p->len);
            exit(3);
        }
        memcpy(to, p->data + at, n);
        at += n;
        if (!first)
            first = m;
        else if (rte_pktmbuf_chain(first, m) != 0)
            exit(3);
    } while (at < p->len);
    first->port = p->port;
    if (p->rss_hash) {
        first->hash.rss = p->rss_hash;
        first->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
    }
    return first;
}

/* Runs a capture through both; how many packets there were. */
static unsigned long compare(struct rte_mempool *pool, const tg_ruleset *rules, const char *path, unsigned long *events)
{
    struct lines a = {0}, b = {0};
    tg_engine *plain = engine(rules, &a), *dpdk = engine(rules, &b);
    tg_capture *capture = NULL;
    tg_packet packets[BURST];
    unsigned long seen = 0;
    size_t n;
    IS(tg_capture_open(path, &capture), TG_OK);
    while (tg_capture_next(capture, packets, BURST, &n) == TG_OK) {
        struct rte_mbuf *mbufs[BURST];
        tg_verdict va[BURST], vb[BURST];
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) {
            static const uint32_t pieces[] = {ROOM, ROOM, 64, 1, 200};
            tg_packet p = packets[i];
            if (p.link_type != TG_LINK_ETHERNET || p.len > 20000)
                continue;
            /* What mbufs do not know; and all of a call are seen at one time. */
            p.index = 0;
            p.ts_ns = kept ? packets[0].ts_ns : p.ts_ns;
            p.port = (uint16_t)(seen % 3);
            p.rss_hash = seen % 2 ? 0x1000u + (uint32_t)seen : 0;
            uint32_t piece = pieces[seen % 5];
            mbufs[kept] = mbuf(pool, &p, piece == 1 && p.len > 200 ? 100 : piece);
            packets[kept++] = p;
            seen++;
        }
        if (!kept)
            continue;
        IS(tg_engine_process(plain, packets, kept, va), TG_OK);
        IS(tg_engine_process_mbufs(dpdk, mbufs, kept, packets[0].ts_ns, vb), TG_OK);
        if (memcmp(va, vb, kept) != 0) {
            fprintf(stderr, "%s: verdicts differ before packet %lu\n", path, seen);
            exit(1);
        }
        for (size_t i = 0; i < kept; i++)
            rte_pktmbuf_free(mbufs[i]);
    }
    IS(tg_engine_finish(plain), TG_OK);
    IS(tg_engine_finish(dpdk), TG_OK);
    if (a.len != b.len || (a.len && memcmp(a.text, b.text, a.len) != 0)) {
        size_t at = 0;
        while (at < a.len && at < b.len && a.text[at] == b.text[at])
            at++;
        while (at > 0 && a.text[at - 1] != '\n')
            at--;
        fprintf(stderr, "%s: events differ:\n%.*s\n%.*s\n", path, (int)RTE_MIN(a.len - at, (size_t)600), a.text + at,
                (int)RTE_MIN(b.len - at, (size_t)600), b.text + at);
        exit(1);
    }
    *events += a.count;
    IS(tg_capture_close(capture), TG_OK);
    IS(tg_engine_free(plain), TG_OK);
    IS(tg_engine_free(dpdk), TG_OK);
    free(a.text);
    free(b.text);
    return seen;
}

static int wrong_sums(tg_bytes name, uint64_t value, void *user)
{
    static const char wanted[] = "tcp.invalid_checksum";
    if (name.len == sizeof wanted - 1 && memcmp(name.data, wanted, name.len) == 0)
        *(uint64_t *)user = value;
    return 0;
}

/* A TCP packet counts as wrong when its card says so, and only then: the sum itself is nobody's. */
static void sums(struct rte_mempool *pool, const tg_ruleset *rules)
{
    static const struct {
        uint64_t flags;
        uint64_t wrong;
    } cases[] = {{0, 0},
                 {RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0},
                 {RTE_MBUF_F_RX_L4_CKSUM_BAD, 1},
                 {RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD, 0}};
    uint8_t bytes[54] = {[12] = 8, [14] = 0x45, [17] = 40, [22] = 64, 6, [26] = 10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 2, 2,
                         [46] = 0x50, 2};
    tg_packet p = {.data = bytes, .len = sizeof bytes, .link_type = TG_LINK_ETHERNET};
    doing = "checksums";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct lines l = {0};
        uint64_t wrong = 77;
        tg_engine *e = engine(rules, &l);
        struct rte_mbuf *m = mbuf(pool, &p, ROOM);
        m->ol_flags |= cases[i].flags;
        IS(tg_engine_process_mbufs(e, &m, 1, 1, NULL), TG_OK);
        IS(tg_engine_counters(e, wrong_sums, &wrong), TG_OK);
        if (wrong != cases[i].wrong) {
            fprintf(stderr, "flags %zu: %lu packets counted as wrong\n", i, (unsigned long)wrong);
            exit(1);
        }
        rte_pktmbuf_free(m);
        IS(tg_engine_free(e), TG_OK);
        free(l.text);
    }
}

static void misuse(struct rte_mempool *pool, const tg_ruleset *rules)
{
    struct lines l = {0};
    tg_engine *e = engine(rules, &l);
    uint8_t bytes[60] = {0};
    tg_packet p = {.data = bytes, .len = sizeof bytes, .link_type = TG_LINK_ETHERNET};
    struct rte_mbuf *m[3] = {mbuf(pool, &p, ROOM), NULL, mbuf(pool, &p, 10)};
    tg_verdict v[3] = {77, 77, 77};
    doing = "misuse";
    IS(tg_engine_process_mbufs(NULL, m, 1, 1, v), TG_ERR_NULL);
    IS(tg_engine_process_mbufs(e, NULL, 1, 1, v), TG_ERR_NULL);
    IS(tg_engine_process_mbufs(e, NULL, 0, 1, NULL), TG_OK);
    IS(tg_engine_process_mbufs(e, m, 3, 1, v), TG_ERR_NULL);
    if (v[0] != 77 || v[2] != 77)
        exit(1);
    IS(tg_engine_process_mbufs((tg_engine *)rules, m, 1, 1, v), TG_ERR_HANDLE);
    IS(tg_engine_process_mbufs(e, m, 1, 1, NULL), TG_OK);
    m[1] = mbuf(pool, &p, 1);
    IS(tg_engine_process_mbufs(e, m, 3, 1, v), TG_OK);
    for (int i = 0; i < 3; i++)
        rte_pktmbuf_free(m[i]);
    IS(tg_engine_free(e), TG_OK);
    m[0] = NULL;
    IS(tg_engine_process_mbufs(e, m, 1, 1, v), TG_ERR_HANDLE);
    free(l.text);
}

int main(int argc, char **argv)
{
    int used = rte_eal_init(argc, argv);
    if (used < 0 || argc - used < 3)
        rte_exit(2, "usage: mbufs EAL-ARGUMENTS -- RULES CAPTURE...\n");
    argv += used;
    tg_source source = {argv[1], NULL, 0, NULL};
    tg_ruleset *rules = NULL;
    IS(tg_ruleset_compile(&source, 1, NULL, NULL, NULL, &rules), TG_OK);
    struct rte_mempool *pool =
        rte_pktmbuf_pool_create("packets", 16383, 0, 0, ROOM + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    if (!pool)
        rte_exit(1, "no memory for packets\n");
    unsigned long packets = 0, events = 0;
    int captures = 0;
    for (char **path = argv + 2; *path; path++, captures++) {
        doing = *path;
        packets += compare(pool, rules, *path, &events);
    }
    sums(pool, rules);
    misuse(pool, rules);
    IS(tg_ruleset_free(rules), TG_OK);
    /* The engines freed none of them, and kept none. */
    if (rte_mempool_avail_count(pool) != 16383)
        rte_exit(1, "mbufs are missing\n");
    printf("%d captures, %lu packets, %lu events, the same by mbufs\n", captures, packets, events);
    rte_eal_cleanup();
    return 0;
}
