/* What Tidegate calls of DPDK. Calls are per burst; fields of an mbuf are read by the offsets below. */
#ifndef TIDEGATE_DPDK_SHIM_H
#define TIDEGATE_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* Where the fields of a struct rte_mbuf lie, and constants of this DPDK. */
enum tg_layout {
    TG_MBUF_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr),
    TG_MBUF_DATA_OFF = offsetof(struct rte_mbuf, data_off),
    TG_MBUF_NB_SEGS = offsetof(struct rte_mbuf, nb_segs),
    TG_MBUF_PACKET_TYPE = offsetof(struct rte_mbuf, packet_type),
    TG_MBUF_PORT = offsetof(struct rte_mbuf, port),
    TG_MBUF_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags),
    TG_MBUF_PKT_LEN = offsetof(struct rte_mbuf, pkt_len),
    TG_MBUF_DATA_LEN = offsetof(struct rte_mbuf, data_len),
    TG_MBUF_VLAN_TCI = offsetof(struct rte_mbuf, vlan_tci),
    TG_MBUF_RSS = offsetof(struct rte_mbuf, hash),
    TG_MBUF_NEXT = offsetof(struct rte_mbuf, next),
    TG_MBUF_SIZE = sizeof(struct rte_mbuf),
    TG_HEADROOM = RTE_PKTMBUF_HEADROOM,
    TG_MAX_LCORE = RTE_MAX_LCORE,
    TG_MAX_PORTS = RTE_MAX_ETHPORTS,
};

/* Bits of ol_flags. */
enum tg_rx_flags {
    TG_RX_VLAN = RTE_MBUF_F_RX_VLAN,
    TG_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH,
    /* Two bits each: neither is unknown, both are "not in the data, but known to be right". */
    TG_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD,
    TG_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD,
    TG_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD,
    TG_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD,
    /* The sums are those of a packet in a tunnel. */
    TG_RX_OUTER_CKSUM = RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD | RTE_MBUF_F_RX_OUTER_L4_CKSUM_MASK,
    TG_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED,
};

/* Bits of packet_type. */
enum tg_packet_type { TG_PTYPE_TUNNEL = RTE_PTYPE_TUNNEL_MASK };

/* EAL. */
int tg_eal_init(int argc, char **argv);
int tg_eal_cleanup(void);
/* Without huge pages of its own: asks the kernel for large pages behind the EAL's memory. */
void tg_large_pages(void);
int tg_errno(void);
const char *tg_dpdk_strerror(int code);
const char *tg_dpdk_version(void);
void tg_log_quiet(void);
/* Worker lcores (without the main one) into `out`; how many there are. */
unsigned tg_worker_lcores(unsigned *out, unsigned room);
unsigned tg_lcore_id(void);
unsigned tg_lcore_socket(unsigned lcore);
int tg_lcore_cpu(unsigned lcore);
int tg_launch(int (*f)(void *), void *arg, unsigned lcore);
int tg_wait(unsigned lcore);
uint64_t tg_tsc(void);
uint64_t tg_tsc_hz(void);

/* Memory. */
struct rte_mempool *tg_pool_create(const char *name, unsigned count, unsigned cache, uint16_t data_room, int socket);
unsigned tg_pool_available(const struct rte_mempool *pool);
unsigned tg_pool_size(const struct rte_mempool *pool);
struct rte_mbuf *tg_mbuf_alloc(struct rte_mempool *pool);
/* A copy of `len` bytes as one packet; NULL when there is no mbuf or it is too small. */
struct rte_mbuf *tg_mbuf_from(struct rte_mempool *pool, const void *data, uint16_t len);
void tg_mbuf_free(struct rte_mbuf *m);
void tg_mbuf_free_bulk(struct rte_mbuf **m, unsigned n);
/* Puts a VLAN tag that the port took out back in: 0, or a negative errno. May replace *m. */
int tg_mbuf_restore_vlan(struct rte_mbuf **m);
/* Offset of a dynamic field and bit of a dynamic flag by name, registered where they are not; -1 when it fails. */
int tg_timestamp_lookup(int *offset, uint64_t *flag);
int tg_field_register(const char *name, unsigned size);

/* Rings between lcores: any number of producers, one consumer. */
struct rte_ring *tg_ring_create(const char *name, unsigned count, int socket);
void tg_ring_free(struct rte_ring *r);
unsigned tg_ring_push(struct rte_ring *r, struct rte_mbuf **m, unsigned n);
unsigned tg_ring_pop(struct rte_ring *r, struct rte_mbuf **m, unsigned n);

/* Ports. */
struct tg_port_info {
    char name[64];
    char driver[64];
    char device_args[512];
    uint8_t mac[6];
    uint8_t promiscuous;
    uint8_t timestamps;
    uint8_t rss;
    uint8_t scatter;
    uint8_t link_up;
    uint8_t pad;
    uint16_t max_rx_queues;
    uint16_t max_tx_queues;
    uint16_t mtu;
    uint16_t max_mtu;
    int32_t socket;
    uint32_t link_mbps;
    uint32_t switch_domain;
};

struct tg_port_conf {
    uint16_t rx_queues;
    uint16_t tx_queues;
    uint16_t rx_desc;
    uint16_t tx_desc;
    uint16_t mtu;
    uint8_t promiscuous;
    uint8_t want_rss;
    uint8_t want_timestamps;
    uint8_t want_checksums;
    uint8_t want_hash; /* of addresses, alike in both directions, even with one queue */
    /* out */
    uint8_t rss_on;
    uint8_t timestamps_on;
    uint8_t scatter_on;
    uint8_t checksums_on;
    uint8_t hash_on;
    uint16_t set_mtu;
    /* The step that failed, for messages. */
    const char *failed;
    struct rte_mempool **pools; /* one per RX queue */
};

struct tg_port_stats {
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes, rx_missed, rx_errors, tx_errors, rx_nombuf;
};

/* The first port at or after `from`; UINT16_MAX when there is none. */
uint16_t tg_port_next(uint16_t from);
int tg_port_info(uint16_t port, struct tg_port_info *out);
int tg_port_start(uint16_t port, struct tg_port_conf *conf);
int tg_port_stop(uint16_t port);
int tg_port_stats(uint16_t port, struct tg_port_stats *out);
uint16_t tg_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n);
uint16_t tg_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n);
/* Descriptors waiting in an RX queue; negative when the driver cannot tell. */
int tg_rx_waiting(uint16_t port, uint16_t queue);
int tg_read_clock(uint16_t port, uint64_t *clock);

/* rte_flow. */
enum tg_flow_action { TG_FLOW_DROP = 0, TG_FLOW_TO_PORT = 1 };

struct tg_flow_spec {
    /* Rules of the embedded switch (transfer) rather than of this port's ingress. */
    uint8_t transfer;
    uint8_t v6;
    uint8_t proto;
    uint8_t action;
    /* Bits of the addresses that count, from the left. */
    uint8_t src_bits;
    uint8_t dst_bits;
    /* Ports count. */
    uint8_t ports;
    uint8_t has_vlan;
    uint8_t src[16];
    uint8_t dst[16];
    /* Host order. */
    uint16_t sp;
    uint16_t dp;
    uint16_t vlan;
    uint16_t to_port;
    uint32_t group;
    uint32_t priority;
    /* 0: no age action. */
    uint32_t age_s;
    uint8_t count;
    uint8_t pad[3];
    void *context;
};

struct tg_flow_count {
    uint64_t packets;
    uint64_t bytes;
};

int tg_flow_validate(uint16_t port, const struct tg_flow_spec *spec, char *why, size_t room);
struct rte_flow *tg_flow_create(uint16_t port, const struct tg_flow_spec *spec, char *why, size_t room);
int tg_flow_destroy(uint16_t port, struct rte_flow *flow);
int tg_flow_query(uint16_t port, struct rte_flow *flow, struct tg_flow_count *out, int reset);
/* Contexts of aged rules; how many, or a negative errno. */
int tg_flow_aged(uint16_t port, void **contexts, uint32_t n);
int tg_flow_flush(uint16_t port);

/* DPDK's own parts, as peers of a benchmark (peers.c). */
struct rte_hash;
struct rte_hash *tg_hash_create(const char *name, uint32_t entries, uint32_t key_len);
int tg_hash_add(struct rte_hash *h, const void *key);
int tg_hash_lookup_bulk(const struct rte_hash *h, const void **keys, uint32_t n, int32_t *positions);
void tg_hash_free(struct rte_hash *h);
/* rte_net_get_ptype of every mbuf; the sum of what it said. */
uint64_t tg_ptypes(struct rte_mbuf **m, unsigned n);

#endif
