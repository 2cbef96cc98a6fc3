/* See shim.h. */
#include "shim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf_dyn.h>
#include <rte_memory.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_version.h>

#define TG_MIN(a, b) ((a) < (b) ? (a) : (b))

int tg_eal_init(int argc, char **argv) { return rte_eal_init(argc, argv); }
int tg_eal_cleanup(void) { return rte_eal_cleanup(); }

static int tg_advise(const struct rte_memseg_list *list, void *unused) {
    if (!list->external)
        madvise(list->base_va, list->len, MADV_HUGEPAGE);
    return 0;
}

void tg_large_pages(void) {
    if (!rte_eal_has_hugepages())
        rte_memseg_list_walk(tg_advise, NULL);
}

int tg_errno(void) { return rte_errno; }
const char *tg_dpdk_strerror(int code) { return rte_strerror(code < 0 ? -code : code); }
const char *tg_dpdk_version(void) { return rte_version(); }
void tg_log_quiet(void) { rte_log_set_global_level(RTE_LOG_ERR); }

unsigned tg_worker_lcores(unsigned *out, unsigned room) {
    unsigned n = 0, lcore;
    RTE_LCORE_FOREACH_WORKER(lcore) {
        if (n < room)
            out[n] = lcore;
        n++;
    }
    return n;
}

unsigned tg_lcore_id(void) { return rte_lcore_id(); }
unsigned tg_lcore_socket(unsigned lcore) { return rte_lcore_to_socket_id(lcore); }
int tg_lcore_cpu(unsigned lcore) { return rte_lcore_to_cpu_id((int)lcore); }
int tg_launch(int (*f)(void *), void *arg, unsigned lcore) { return rte_eal_remote_launch(f, arg, lcore); }
int tg_wait(unsigned lcore) { return rte_eal_wait_lcore(lcore); }
uint64_t tg_tsc(void) { return rte_rdtsc(); }
uint64_t tg_tsc_hz(void) { return rte_get_tsc_hz(); }

struct rte_mempool *tg_pool_create(const char *name, unsigned count, unsigned cache, uint16_t data_room, int socket) {
    return rte_pktmbuf_pool_create(name, count, cache, 0, data_room, socket);
}

unsigned tg_pool_available(const struct rte_mempool *pool) { return rte_mempool_avail_count(pool); }
unsigned tg_pool_size(const struct rte_mempool *pool) { return pool->size; }
struct rte_mbuf *tg_mbuf_alloc(struct rte_mempool *pool) { return rte_pktmbuf_alloc(pool); }

struct rte_mbuf *tg_mbuf_from(struct rte_mempool *pool, const void *data, uint16_t len) {
    struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
    if (m == NULL)
        return NULL;
    char *to = rte_pktmbuf_append(m, len);
    if (to == NULL) {
        rte_pktmbuf_free(m);
        return NULL;
    }
    memcpy(to, data, len);
    return m;
}

void tg_mbuf_free(struct rte_mbuf *m) { rte_pktmbuf_free(m); }
void tg_mbuf_free_bulk(struct rte_mbuf **m, unsigned n) { rte_pktmbuf_free_bulk(m, n); }
int tg_mbuf_restore_vlan(struct rte_mbuf **m) {
    int r = rte_vlan_insert(m);
    if (r == 0)
        (*m)->ol_flags &= ~(RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED | RTE_MBUF_F_TX_VLAN);
    return r;
}

int tg_timestamp_lookup(int *offset, uint64_t *flag) {
    int bit = rte_mbuf_dynflag_lookup(RTE_MBUF_DYNFLAG_RX_TIMESTAMP_NAME, NULL);
    int at = rte_mbuf_dynfield_lookup(RTE_MBUF_DYNFIELD_TIMESTAMP_NAME, NULL);
    if (bit < 0 || at < 0)
        return -1;
    *offset = at;
    *flag = UINT64_C(1) << bit;
    return 0;
}

int tg_field_register(const char *name, unsigned size) {
    struct rte_mbuf_dynfield field = { .size = size, .align = size };
    snprintf(field.name, sizeof field.name, "%s", name);
    return rte_mbuf_dynfield_register(&field);
}

struct rte_ring *tg_ring_create(const char *name, unsigned count, int socket) {
    return rte_ring_create(name, count, socket, RING_F_SC_DEQ);
}
void tg_ring_free(struct rte_ring *r) { rte_ring_free(r); }
unsigned tg_ring_push(struct rte_ring *r, struct rte_mbuf **m, unsigned n) {
    return rte_ring_enqueue_burst(r, (void **)m, n, NULL);
}
unsigned tg_ring_pop(struct rte_ring *r, struct rte_mbuf **m, unsigned n) {
    return rte_ring_dequeue_burst(r, (void **)m, n, NULL);
}

uint16_t tg_port_next(uint16_t from) {
    uint64_t p = rte_eth_find_next_owned_by(from, RTE_ETH_DEV_NO_OWNER);
    return p >= RTE_MAX_ETHPORTS ? UINT16_MAX : (uint16_t)p;
}

int tg_port_info(uint16_t port, struct tg_port_info *out) {
    struct rte_eth_dev_info info;
    struct rte_eth_link link;
    char name[RTE_ETH_NAME_MAX_LEN] = "";
    memset(out, 0, sizeof *out);
    int r = rte_eth_dev_info_get(port, &info);
    if (r != 0)
        return r;
    rte_eth_dev_get_name_by_port(port, name);
    snprintf(out->name, sizeof out->name, "%s", name);
    snprintf(out->driver, sizeof out->driver, "%s", info.driver_name != NULL ? info.driver_name : "");
#if RTE_VERSION >= RTE_VERSION_NUM(22, 11, 0, 0)
    const struct rte_devargs *args = info.device != NULL ? rte_dev_devargs(info.device) : NULL;
#else
    const struct rte_devargs *args = info.device != NULL ? info.device->devargs : NULL;
#endif
    if (args != NULL && args->args != NULL)
        snprintf(out->device_args, sizeof out->device_args, "%s", args->args);
    struct rte_ether_addr mac;
    if (rte_eth_macaddr_get(port, &mac) == 0)
        memcpy(out->mac, mac.addr_bytes, 6);
    out->promiscuous = rte_eth_promiscuous_get(port) == 1;
    out->timestamps = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
    out->scatter = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0;
    out->rss = info.flow_type_rss_offloads != 0;
    out->max_rx_queues = info.max_rx_queues;
    out->max_tx_queues = info.max_tx_queues;
    uint16_t mtu = 0;
    rte_eth_dev_get_mtu(port, &mtu);
    out->mtu = mtu;
    out->max_mtu = info.max_mtu;
    out->socket = rte_eth_dev_socket_id(port);
    out->switch_domain = info.switch_info.domain_id;
    memset(&link, 0, sizeof link);
    if (rte_eth_link_get_nowait(port, &link) == 0) {
        out->link_up = link.link_status;
        out->link_mbps = link.link_speed;
    }
    return 0;
}

/* Virtual ports that are asked to check checksums bring packets of their own machine without any, which must not be passed on. */
static int leaves_sums_out(const char *driver) {
    return driver != NULL && (strstr(driver, "virtio") != NULL || strstr(driver, "vhost") != NULL);
}

/* The key under which both directions of a flow hash alike: every 16 bits are the same. */
static uint8_t symmetric_key[64];

int tg_port_start(uint16_t port, struct tg_port_conf *c) {
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf;
    memset(&conf, 0, sizeof conf);
    c->rss_on = c->timestamps_on = c->scatter_on = c->checksums_on = c->hash_on = 0;
    c->failed = "asking for its abilities";
    int r = rte_eth_dev_info_get(port, &info);
    if (r != 0)
        return r;
    int hashes = c->want_hash && (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH);
    if (c->want_rss && (c->rx_queues > 1 || hashes) && info.flow_type_rss_offloads != 0) {
        for (size_t i = 0; i < sizeof symmetric_key; i += 2) {
            symmetric_key[i] = 0x6d;
            symmetric_key[i + 1] = 0x5a;
        }
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_key = symmetric_key;
        uint8_t len = info.hash_key_size != 0 ? info.hash_key_size : 40;
        conf.rx_adv_conf.rss_conf.rss_key_len = TG_MIN(len, (uint8_t)sizeof symmetric_key);
        /* By addresses alone: fragments and the flows that a flow announces stay together. */
        uint64_t by_address = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER |
                              RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
        uint64_t hf = by_address & info.flow_type_rss_offloads;
        /* Where that leaves TCP and UDP out, the ports have to be in it. */
        if ((hf & RTE_ETH_RSS_IPV4) == 0)
            hf = info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
        conf.rx_adv_conf.rss_conf.rss_hf = hf;
        c->rss_on = hf != 0 && c->rx_queues > 1;
        const uint64_t whole = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6;
        if (hashes && (hf & whole) == whole && (hf & ~by_address) == 0) {
            c->hash_on = 1;
        } else if (c->rx_queues == 1) {
            memset(&conf, 0, sizeof conf);
        }
        if (c->hash_on || c->rx_queues > 1)
            conf.rxmode.offloads |= info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
    }
    if (c->want_checksums && !leaves_sums_out(info.driver_name)) {
        uint64_t sums = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
        conf.rxmode.offloads |= sums;
        c->checksums_on = sums != 0;
    }
    if (c->want_timestamps && (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP)) {
        conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
        c->timestamps_on = 1;
    }
    if (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) {
        conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
        c->scatter_on = 1;
    }
    if (info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS)
        conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    uint16_t mtu = c->mtu;
    if (mtu != 0 && info.max_mtu != 0)
        mtu = TG_MIN(mtu, info.max_mtu);
    if (mtu != 0)
        conf.rxmode.mtu = mtu;
    c->failed = "configuring it";
    r = rte_eth_dev_configure(port, c->rx_queues, c->tx_queues, &conf);
    if (r != 0 && mtu != 0) {
        /* A driver without a say over its MTU. */
        conf.rxmode.mtu = 0;
        r = rte_eth_dev_configure(port, c->rx_queues, c->tx_queues, &conf);
    }
    if (r != 0 && c->hash_on && c->rx_queues == 1) {
        /* The hash was a wish. */
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
        conf.rxmode.offloads &= ~(uint64_t)RTE_ETH_RX_OFFLOAD_RSS_HASH;
        memset(&conf.rx_adv_conf.rss_conf, 0, sizeof conf.rx_adv_conf.rss_conf);
        c->hash_on = 0;
        r = rte_eth_dev_configure(port, c->rx_queues, c->tx_queues, &conf);
    }
    if (r != 0)
        return r;
    uint16_t rxd = c->rx_desc, txd = c->tx_desc;
    c->failed = "sizing its queues";
    r = rte_eth_dev_adjust_nb_rx_tx_desc(port, &rxd, &txd);
    if (r != 0)
        return r;
    int socket = rte_eth_dev_socket_id(port);
    struct rte_eth_rxconf rxconf = info.default_rxconf;
    rxconf.offloads = conf.rxmode.offloads;
    c->failed = "setting up a receive queue";
    for (uint16_t q = 0; q < c->rx_queues; q++) {
        r = rte_eth_rx_queue_setup(port, q, rxd, (unsigned)socket, &rxconf, c->pools[q]);
        if (r != 0)
            return r;
    }
    struct rte_eth_txconf txconf = info.default_txconf;
    txconf.offloads = conf.txmode.offloads;
    c->failed = "setting up a transmit queue";
    for (uint16_t q = 0; q < c->tx_queues; q++) {
        r = rte_eth_tx_queue_setup(port, q, txd, (unsigned)socket, &txconf);
        if (r != 0)
            return r;
    }
    c->failed = "starting it";
    r = rte_eth_dev_start(port);
    if (r != 0)
        return r;
    c->rx_desc = rxd;
    c->tx_desc = txd;
    if (mtu != 0)
        rte_eth_dev_set_mtu(port, mtu);
    rte_eth_dev_get_mtu(port, &c->set_mtu);
    if (c->promiscuous)
        rte_eth_promiscuous_enable(port);
    c->failed = NULL;
    return 0;
}

int tg_port_stop(uint16_t port) {
    int r = rte_eth_dev_stop(port);
    int s = rte_eth_dev_close(port);
    return r != 0 ? r : s;
}

int tg_port_stats(uint16_t port, struct tg_port_stats *out) {
    struct rte_eth_stats s;
    int r = rte_eth_stats_get(port, &s);
    if (r != 0)
        return r;
    *out = (struct tg_port_stats){
        .rx_packets = s.ipackets, .tx_packets = s.opackets, .rx_bytes = s.ibytes, .tx_bytes = s.obytes,
        .rx_missed = s.imissed, .rx_errors = s.ierrors, .tx_errors = s.oerrors, .rx_nombuf = s.rx_nombuf,
    };
    return 0;
}

uint16_t tg_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n) {
    return rte_eth_rx_burst(port, queue, m, n);
}
uint16_t tg_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n) {
    return rte_eth_tx_burst(port, queue, m, n);
}
int tg_rx_waiting(uint16_t port, uint16_t queue) { return rte_eth_rx_queue_count(port, queue); }
int tg_read_clock(uint16_t port, uint64_t *clock) { return rte_eth_read_clock(port, clock); }
