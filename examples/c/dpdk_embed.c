/*
 * An application that owns its EAL, ports and lcores, and calls an engine on each: packets of every queue go through
 * the lcore's engine and out again where they came in, dropped ones are freed.
 *
 *     dpdk_embed EAL-ARGUMENTS -- RULES [PACKETS]
 *     dpdk_embed -l 0-1 --no-huge -m 512 --no-pci --vdev=net_pcap0,rx_pcap=in.pcap,tx_pcap=out.pcap -- my.rules 100
 *
 * Ends when PACKETS packets were seen, or after a second without any.
 */
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <time.h>

#include "example.h"

enum { BURST = 32, DESCRIPTORS = 512 };

struct worker {
    tg_engine *engine;
    uint16_t queue;
    unsigned long long seen, sent, dropped, alerts;
};

static struct worker workers[RTE_MAX_LCORE];
static unsigned long long most = ~0ull;

static int count_alert(const tg_event *event, void *user)
{
    (void)event;
    ((struct worker *)user)->alerts++;
    return 0;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void burst(struct worker *w, uint16_t port, struct rte_mbuf **mbufs, uint16_t n)
{
    tg_verdict verdicts[BURST];
    struct rte_mbuf *out[BURST];
    uint16_t keep = 0;
    uint64_t ts = now();
#ifdef TIDEGATE_DPDK
    /* The library was built with DPDK and knows mbufs. */
    must(tg_engine_process_mbufs(w->engine, mbufs, n, ts, verdicts), "tg_engine_process_mbufs");
#else
    tg_packet packets[BURST];
    for (uint16_t i = 0; i < n; i++) {
        /* The engine sees one piece; what came in several is joined first. */
        if (mbufs[i]->nb_segs > 1)
            rte_pktmbuf_linearize(mbufs[i]);
        packets[i] = (tg_packet){
            .data = rte_pktmbuf_mtod(mbufs[i], const uint8_t *),
            .len = rte_pktmbuf_data_len(mbufs[i]),
            .rss_hash = mbufs[i]->hash.rss,
            .ts_ns = ts,
            .port = port,
            .link_type = TG_LINK_ETHERNET,
        };
    }
    must(tg_engine_process(w->engine, packets, n, verdicts), "tg_engine_process");
#endif
    for (uint16_t i = 0; i < n; i++) {
        if (verdicts[i] == TG_VERDICT_FORWARD || verdicts[i] == TG_VERDICT_BYPASS) {
            out[keep++] = mbufs[i];
        } else {
            rte_pktmbuf_free(mbufs[i]);
            w->dropped++;
        }
    }
    uint16_t sent = rte_eth_tx_burst(port, w->queue, out, keep);
    for (uint16_t i = sent; i < keep; i++)
        rte_pktmbuf_free(out[i]);
    w->seen += n;
    w->sent += sent;
}

static int work(void *unused)
{
    (void)unused;
    struct worker *w = &workers[rte_lcore_id()];
    if (!w->engine)
        return 0;
    struct rte_mbuf *mbufs[BURST];
    uint64_t last = rte_rdtsc();
    while (w->seen < most && rte_rdtsc() - last < rte_get_tsc_hz()) {
        uint16_t port;
        RTE_ETH_FOREACH_DEV(port)
        {
            uint16_t n = rte_eth_rx_burst(port, w->queue, mbufs, BURST);
            if (n > 0) {
                burst(w, port, mbufs, n);
                last = rte_rdtsc();
            }
        }
    }
    must(tg_engine_tick(w->engine, now()), "tg_engine_tick");
    must(tg_engine_finish(w->engine), "tg_engine_finish");
    return 0;
}

static void start_port(uint16_t port, uint16_t queues, struct rte_mempool *pool)
{
    struct rte_eth_conf conf;
    memset(&conf, 0, sizeof conf);
    int failed = rte_eth_dev_configure(port, queues, queues, &conf);
    for (uint16_t q = 0; q < queues && !failed; q++)
        failed = rte_eth_rx_queue_setup(port, q, DESCRIPTORS, SOCKET_ID_ANY, NULL, pool) ||
                 rte_eth_tx_queue_setup(port, q, DESCRIPTORS, SOCKET_ID_ANY, NULL);
    if (failed || rte_eth_dev_start(port) != 0)
        rte_exit(1, "port %u does not start with %u queues\n", port, queues);
}

int main(int argc, char **argv)
{
    int used = rte_eal_init(argc, argv);
    if (used < 0 || argc - used < 2)
        rte_exit(2, "usage: dpdk_embed EAL-ARGUMENTS -- RULES [PACKETS]\n");
    argv += used;
    if (argc - used > 2)
        most = strtoull(argv[2], NULL, 10);

    tg_ruleset *rules = rules_of(argv[1], NULL);
    struct rte_eth_dev_info info;
    uint16_t port, queues = UINT16_MAX, queue = 0;
    unsigned lcore;
    RTE_ETH_FOREACH_DEV(port)
    {
        if (rte_eth_dev_info_get(port, &info) == 0)
            queues = RTE_MIN(queues, RTE_MIN(info.max_rx_queues, info.max_tx_queues));
    }
    if (rte_eth_dev_count_avail() == 0)
        rte_exit(1, "there is no port\n");
    /* One engine for each lcore that has a queue; none is shared. */
    RTE_LCORE_FOREACH(lcore)
    {
        if (queue == queues)
            break;
        struct worker *w = &workers[lcore];
        tg_engine_config config;
        TG_INIT(config);
        config.memory = 64u << 20;
        config.flags = TG_ENGINE_INLINE | TG_ENGINE_IGNORE_CHECKSUMS;
        config.on_event = count_alert;
        config.user = w;
        config.events = TG_EVENT_ALERT;
        w->queue = queue++;
        must(tg_engine_new(rules, &config, &w->engine), "tg_engine_new");
    }
    tg_ruleset_free(rules);

    struct rte_mempool *pool = rte_pktmbuf_pool_create("packets", 8191, 250, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!pool)
        rte_exit(1, "no memory for packets\n");
    RTE_ETH_FOREACH_DEV(port)
    start_port(port, queue, pool);

    rte_eal_mp_remote_launch(work, NULL, CALL_MAIN);
    rte_eal_mp_wait_lcore();
    RTE_LCORE_FOREACH(lcore)
    {
        struct worker *w = &workers[lcore];
        if (!w->engine)
            continue;
        printf("lcore %u: %llu packets, %llu sent, %llu dropped, %llu alerts\n", lcore, w->seen, w->sent, w->dropped,
               w->alerts);
        tg_engine_free(w->engine);
    }
    RTE_ETH_FOREACH_DEV(port)
    rte_eth_dev_stop(port);
    rte_eal_cleanup();
    return 0;
}
