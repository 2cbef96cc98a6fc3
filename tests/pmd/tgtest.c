/* net_tgtest: a driver of DPDK for tests. It replays a capture as if frames came in, and has a table of rte_flow rules
 * that it applies to them before they are received, as hardware would.
 *
 *     -d libtgtest.so --vdev=net_tgtest0,pcap=FILE,loops=N,pps=R,rules=N,sums=S,hash=0|1
 *
 * pcap: a classic little-endian capture of Ethernet frames; loops: how often it is replayed (0: for ever); pps: frames a
 * second; rules: how many rules there is room for; sums: what is said of checksums when asked to check them (1: the truth,
 * 2: nothing of every other frame, 3: that TCP and UDP are wrong); hash: frames can come with RSS hashes. Rules: ETH, [VLAN,] IPV4 or IPV6, [TCP or UDP,] with DROP or
 * REPRESENTED_PORT, COUNT, AGE. When the port closes it says how many rules were left and what met rules. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>
#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_flow.h>
#include <rte_flow_driver.h>
#include <rte_ip.h>
#include <rte_kvargs.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_net.h>
#include <rte_thash.h>

#define BUCKETS (1u << 20)

struct key {
    uint8_t src[16], dst[16];
    uint16_t sp, dp; /* network order */
    uint8_t proto, v6, pad[2];
};

struct rte_flow {
    struct rte_flow *next, **back; /* in its bucket, or in the list of wide rules */
    struct rte_flow *all_next, *all_prev;
    struct key key, mask;
    uint8_t wide, counts, told;
    uint32_t age;
    void *context;
    uint64_t hits, bytes, last;
};

struct port {
    uint16_t id;
    struct rte_mempool *pool;
    struct rte_ether_addr mac;
    uint8_t *file;
    size_t size, at;
    uint64_t loops, done, pps, capacity, sums, hash;
    uint64_t offloads; /* those asked for */
    uint8_t key[40];
    uint64_t start, given; /* frames of the replay so far, met by rules or not */
    pthread_mutex_t lock;
    struct rte_flow **buckets, *wide, all;
    uint64_t rules, most;
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, met_packets, met_bytes;
};

static uint32_t hash(const struct key *k) {
    const uint8_t *p = (const uint8_t *)k;
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < sizeof *k; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return (uint32_t)(h >> 20) & (BUCKETS - 1);
}

static uint64_t seconds(void) { return rte_get_timer_cycles() / rte_get_timer_hz(); }

/* The key of a frame; 0 when it has none. */
static int parse(const uint8_t *f, size_t n, struct key *k) {
    size_t at = 14;
    uint16_t type;
    memset(k, 0, sizeof *k);
    if (n < 34)
        return 0;
    memcpy(&type, f + 12, 2);
    while (type == RTE_BE16(RTE_ETHER_TYPE_VLAN) && n >= at + 4) {
        memcpy(&type, f + at + 2, 2);
        at += 4;
    }
    if (type == RTE_BE16(RTE_ETHER_TYPE_IPV4) && n >= at + 20) {
        memcpy(k->src, f + at + 12, 4);
        memcpy(k->dst, f + at + 16, 4);
        k->proto = f[at + 9];
        at += (size_t)(f[at] & 15) * 4;
    } else if (type == RTE_BE16(RTE_ETHER_TYPE_IPV6) && n >= at + 40) {
        memcpy(k->src, f + at + 8, 16);
        memcpy(k->dst, f + at + 24, 16);
        k->proto = f[at + 6];
        k->v6 = 1;
        at += 40;
    } else {
        return 0;
    }
    if ((k->proto == 6 || k->proto == 17) && n >= at + 4) {
        memcpy(&k->sp, f + at, 2);
        memcpy(&k->dp, f + at + 2, 2);
    }
    return 1;
}

static int under(const struct key *k, const struct key *spec, const struct key *mask) {
    const uint8_t *a = (const uint8_t *)k, *b = (const uint8_t *)spec, *m = (const uint8_t *)mask;
    for (size_t i = 0; i < sizeof *k; i++)
        if ((a[i] ^ b[i]) & m[i])
            return 0;
    return 1;
}

static struct rte_flow *meet(struct port *p, const struct key *k) {
    for (struct rte_flow *f = p->buckets[hash(k)]; f != NULL; f = f->next)
        if (memcmp(&f->key, k, sizeof *k) == 0)
            return f;
    for (struct rte_flow *f = p->wide; f != NULL; f = f->next)
        if (under(k, &f->key, &f->mask))
            return f;
    return NULL;
}

/* What a card says of the checksums of a frame without a tunnel: flags of an mbuf. */
static uint64_t say_sums(struct port *p, struct rte_mbuf *m) {
    struct rte_net_hdr_lens lens;
    uint32_t type = rte_net_get_ptype(m, &lens, RTE_PTYPE_ALL_MASK);
    uint32_t l4 = type & RTE_PTYPE_L4_MASK;
    uint64_t flags = 0;
    char *l3 = rte_pktmbuf_mtod_offset(m, char *, lens.l2_len), *h = l3 + lens.l3_len;
    size_t rest = m->data_len - lens.l2_len;
    if ((type & RTE_PTYPE_TUNNEL_MASK) || (p->sums == 2 && p->given % 2))
        return 0;
    int v4 = RTE_ETH_IS_IPV4_HDR(type), v6 = RTE_ETH_IS_IPV6_HDR(type);
    if (v4 && (p->offloads & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM))
        flags |= rte_raw_cksum(l3, lens.l3_len) == 0xffff ? RTE_MBUF_F_RX_IP_CKSUM_GOOD : RTE_MBUF_F_RX_IP_CKSUM_BAD;
    if ((!v4 && !v6) || (l4 != RTE_PTYPE_L4_TCP && l4 != RTE_PTYPE_L4_UDP) || !(p->offloads & RTE_ETH_RX_OFFLOAD_TCP_CKSUM))
        return flags;
    size_t carried = v4 ? rte_be_to_cpu_16(((struct rte_ipv4_hdr *)l3)->total_length)
                        : rte_be_to_cpu_16(((struct rte_ipv6_hdr *)l3)->payload_len) + sizeof(struct rte_ipv6_hdr);
    if (carried > rest || carried < lens.l3_len + 8u)
        return flags;
    int bad = p->sums == 3 || (v4 ? rte_ipv4_udptcp_cksum_verify((void *)l3, h) : rte_ipv6_udptcp_cksum_verify((void *)l3, h)) != 0;
    return flags | (bad ? RTE_MBUF_F_RX_L4_CKSUM_BAD : RTE_MBUF_F_RX_L4_CKSUM_GOOD);
}

/* The hash of a frame's addresses; 0 when it has none. */
static int say_hash(const struct port *p, const struct key *k, uint32_t *out) {
    uint32_t tuple[8] = { 0 };
    size_t n = k->v6 ? 16 : 4;
    memcpy(tuple, k->src, n);
    memcpy((uint8_t *)tuple + n, k->dst, n);
    for (size_t i = 0; i < 8; i++)
        tuple[i] = rte_be_to_cpu_32(tuple[i]);
    *out = rte_softrss(tuple, (uint32_t)n / 2, p->key);
    return 1;
}

static uint16_t receive(void *q, struct rte_mbuf **out, uint16_t n) {
    struct port *p = q;
    uint16_t got = 0;
    if (p->file == NULL)
        return 0;
    if (p->start == 0)
        p->start = rte_get_timer_cycles();
    uint64_t due = p->pps == 0 ? UINT64_MAX
                               : (uint64_t)((double)(rte_get_timer_cycles() - p->start) / rte_get_timer_hz() * p->pps);
    while (got < n && p->given < due) {
        if (p->at + 16 > p->size) {
            if (p->loops != 0 && p->done + 1 >= p->loops)
                return got;
            p->done++;
            p->at = 24;
        }
        uint32_t len;
        memcpy(&len, p->file + p->at + 8, 4);
        if (p->at + 16 + len > p->size) {
            p->at = p->size;
            continue;
        }
        const uint8_t *frame = p->file + p->at + 16;
        p->at += 16 + len;
        p->given++;
        struct key k;
        pthread_mutex_lock(&p->lock);
        struct rte_flow *f = p->rules != 0 && parse(frame, len, &k) ? meet(p, &k) : NULL;
        if (f != NULL) {
            f->hits++;
            f->bytes += len;
            f->last = seconds();
            f->told = 0;
            p->met_packets++;
            p->met_bytes += len;
        }
        pthread_mutex_unlock(&p->lock);
        if (f != NULL)
            continue;
        struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
        char *to = m != NULL ? rte_pktmbuf_append(m, (uint16_t)len) : NULL;
        if (to == NULL) {
            rte_pktmbuf_free(m);
            continue;
        }
        memcpy(to, frame, len);
        m->port = p->id;
        if (p->offloads & RTE_ETH_RX_OFFLOAD_CHECKSUM)
            m->ol_flags |= say_sums(p, m);
        if ((p->offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) && parse(frame, len, &k) && say_hash(p, &k, &m->hash.rss))
            m->ol_flags |= RTE_MBUF_F_RX_RSS_HASH;
        p->rx_packets++;
        p->rx_bytes += len;
        out[got++] = m;
    }
    return got;
}

static uint16_t transmit(void *q, struct rte_mbuf **m, uint16_t n) {
    struct port *p = q;
    for (uint16_t i = 0; i < n; i++)
        p->tx_bytes += rte_pktmbuf_pkt_len(m[i]);
    p->tx_packets += n;
    rte_pktmbuf_free_bulk(m, n);
    return n;
}

static void take_addresses(struct key *k, const void *src, const void *dst, size_t n) {
    memcpy(k->src, src, n);
    memcpy(k->dst, dst, n);
}

/* Both headers begin with their ports. */
static void take_ports(struct rte_flow *f, uint8_t proto, const struct rte_flow_item *item) {
    f->key.proto = proto;
    f->mask.proto = 0xff;
    if (item->spec == NULL || item->mask == NULL)
        return;
    memcpy(&f->key.sp, item->spec, 2);
    memcpy(&f->key.dp, (const uint8_t *)item->spec + 2, 2);
    memcpy(&f->mask.sp, item->mask, 2);
    memcpy(&f->mask.dp, (const uint8_t *)item->mask + 2, 2);
}

/* A rule's meaning into `f`: 0, or a negative errno. */
static int understand(const struct rte_flow_attr *attr, const struct rte_flow_item *item, const struct rte_flow_action *action,
                      struct rte_flow *f, struct rte_flow_error *e) {
    int fate = 0;
    memset(f, 0, sizeof *f);
    if (attr->egress || !(attr->ingress || attr->transfer))
        return rte_flow_error_set(e, ENOTSUP, RTE_FLOW_ERROR_TYPE_ATTR, attr, "ingress or transfer only");
    for (; item->type != RTE_FLOW_ITEM_TYPE_END; item++) {
        if (item->last != NULL)
            return rte_flow_error_set(e, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM_LAST, item, "no ranges");
        switch (item->type) {
        case RTE_FLOW_ITEM_TYPE_VOID:
        case RTE_FLOW_ITEM_TYPE_ETH:
        case RTE_FLOW_ITEM_TYPE_VLAN:
            break;
        case RTE_FLOW_ITEM_TYPE_IPV4: {
            const struct rte_flow_item_ipv4 *s = item->spec, *m = item->mask;
            if (s == NULL || m == NULL)
                break;
            take_addresses(&f->key, &s->hdr.src_addr, &s->hdr.dst_addr, 4);
            take_addresses(&f->mask, &m->hdr.src_addr, &m->hdr.dst_addr, 4);
            f->key.proto = s->hdr.next_proto_id;
            f->mask.proto = m->hdr.next_proto_id;
            f->mask.v6 = 0xff;
            break;
        }
        case RTE_FLOW_ITEM_TYPE_IPV6: {
            const struct rte_flow_item_ipv6 *s = item->spec, *m = item->mask;
            f->key.v6 = 1;
            f->mask.v6 = 0xff;
            if (s == NULL || m == NULL)
                break;
            take_addresses(&f->key, &s->hdr.src_addr, &s->hdr.dst_addr, 16);
            take_addresses(&f->mask, &m->hdr.src_addr, &m->hdr.dst_addr, 16);
            f->key.proto = s->hdr.proto;
            f->mask.proto = m->hdr.proto;
            break;
        }
        case RTE_FLOW_ITEM_TYPE_TCP:
            take_ports(f, 6, item);
            break;
        case RTE_FLOW_ITEM_TYPE_UDP:
            take_ports(f, 17, item);
            break;
        default:
            return rte_flow_error_set(e, ENOTSUP, RTE_FLOW_ERROR_TYPE_ITEM, item, "no such item");
        }
    }
    for (; action->type != RTE_FLOW_ACTION_TYPE_END; action++) {
        switch (action->type) {
        case RTE_FLOW_ACTION_TYPE_VOID:
            break;
        case RTE_FLOW_ACTION_TYPE_COUNT:
            f->counts = 1;
            break;
        case RTE_FLOW_ACTION_TYPE_AGE: {
            const struct rte_flow_action_age *age = action->conf;
            f->age = age->timeout;
            f->context = age->context;
            break;
        }
        case RTE_FLOW_ACTION_TYPE_DROP:
            fate++;
            break;
        case RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT:
            if (!attr->transfer)
                return rte_flow_error_set(e, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action, "to ports in transfer rules only");
            fate++;
            break;
        default:
            return rte_flow_error_set(e, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, action, "no such action");
        }
    }
    if (fate != 1)
        return rte_flow_error_set(e, EINVAL, RTE_FLOW_ERROR_TYPE_ACTION, NULL, "one fate is needed");
    struct key whole;
    memset(&whole, 0, sizeof whole);
    memset(whole.src, 0xff, f->key.v6 ? 16 : 4);
    memset(whole.dst, 0xff, f->key.v6 ? 16 : 4);
    whole.proto = whole.v6 = 0xff;
    if (f->key.proto == 6 || f->key.proto == 17)
        whole.sp = whole.dp = 0xffff;
    f->wide = memcmp(&whole, &f->mask, sizeof whole) != 0;
    return 0;
}

static int flow_validate(struct rte_eth_dev *dev, const struct rte_flow_attr *attr, const struct rte_flow_item *items,
                         const struct rte_flow_action *actions, struct rte_flow_error *e) {
    struct rte_flow f;
    (void)dev;
    return understand(attr, items, actions, &f, e);
}

static struct rte_flow *flow_create(struct rte_eth_dev *dev, const struct rte_flow_attr *attr,
                                    const struct rte_flow_item *items, const struct rte_flow_action *actions,
                                    struct rte_flow_error *e) {
    struct port *p = dev->data->dev_private;
    struct rte_flow meaning;
    if (understand(attr, items, actions, &meaning, e) != 0)
        return NULL;
    struct rte_flow *f = malloc(sizeof *f);
    pthread_mutex_lock(&p->lock);
    if (f == NULL || p->rules >= p->capacity) {
        pthread_mutex_unlock(&p->lock);
        free(f);
        rte_flow_error_set(e, ENOSPC, RTE_FLOW_ERROR_TYPE_HANDLE, NULL, "the table is full");
        return NULL;
    }
    *f = meaning;
    f->last = seconds();
    struct rte_flow **head = f->wide ? &p->wide : &p->buckets[hash(&f->key)];
    f->next = *head;
    f->back = head;
    if (f->next != NULL)
        f->next->back = &f->next;
    *head = f;
    f->all_next = p->all.all_next;
    f->all_prev = &p->all;
    f->all_next->all_prev = f;
    p->all.all_next = f;
    p->rules++;
    if (p->rules > p->most)
        p->most = p->rules;
    pthread_mutex_unlock(&p->lock);
    return f;
}

static void take_out(struct port *p, struct rte_flow *f) {
    *f->back = f->next;
    if (f->next != NULL)
        f->next->back = f->back;
    f->all_next->all_prev = f->all_prev;
    f->all_prev->all_next = f->all_next;
    p->rules--;
    free(f);
}

static int flow_destroy(struct rte_eth_dev *dev, struct rte_flow *f, struct rte_flow_error *e) {
    struct port *p = dev->data->dev_private;
    (void)e;
    pthread_mutex_lock(&p->lock);
    take_out(p, f);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static int flow_flush(struct rte_eth_dev *dev, struct rte_flow_error *e) {
    struct port *p = dev->data->dev_private;
    (void)e;
    pthread_mutex_lock(&p->lock);
    while (p->all.all_next != &p->all)
        take_out(p, p->all.all_next);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static int flow_query(struct rte_eth_dev *dev, struct rte_flow *f, const struct rte_flow_action *a, void *data,
                      struct rte_flow_error *e) {
    struct port *p = dev->data->dev_private;
    struct rte_flow_query_count *q = data;
    if (a->type != RTE_FLOW_ACTION_TYPE_COUNT || !f->counts)
        return rte_flow_error_set(e, ENOTSUP, RTE_FLOW_ERROR_TYPE_ACTION, a, "nothing is counted");
    pthread_mutex_lock(&p->lock);
    q->hits_set = q->bytes_set = 1;
    q->hits = f->hits;
    q->bytes = f->bytes;
    if (q->reset)
        f->hits = f->bytes = 0;
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static int flow_aged(struct rte_eth_dev *dev, void **contexts, uint32_t n, struct rte_flow_error *e) {
    struct port *p = dev->data->dev_private;
    uint32_t found = 0;
    uint64_t now = seconds();
    (void)e;
    pthread_mutex_lock(&p->lock);
    for (struct rte_flow *f = p->all.all_prev; f != &p->all && (n == 0 || found < n); f = f->all_prev)
        if (f->age != 0 && !f->told && now - f->last >= f->age) {
            if (n != 0) {
                contexts[found] = f->context;
                f->told = 1;
            }
            found++;
        }
    pthread_mutex_unlock(&p->lock);
    return (int)found;
}

static const struct rte_flow_ops flow_ops = {
    .validate = flow_validate, .create = flow_create, .destroy = flow_destroy, .flush = flow_flush,
    .query = flow_query, .get_aged_flows = flow_aged,
};

static int get_flow_ops(struct rte_eth_dev *dev, const struct rte_flow_ops **ops) {
    (void)dev;
    *ops = &flow_ops;
    return 0;
}

static int configure(struct rte_eth_dev *dev) {
    struct port *p = dev->data->dev_private;
    const struct rte_eth_conf *c = &dev->data->dev_conf;
    p->offloads = c->rxmode.offloads;
    if (c->rxmode.mq_mode & RTE_ETH_MQ_RX_RSS_FLAG)
        memcpy(p->key, c->rx_adv_conf.rss_conf.rss_key, sizeof p->key);
    return 0;
}
static int start(struct rte_eth_dev *dev) {
    dev->data->dev_link.link_status = RTE_ETH_LINK_UP;
    return 0;
}
static int stop(struct rte_eth_dev *dev) {
    dev->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
    return 0;
}
static int close_port(struct rte_eth_dev *dev) {
    struct port *p = dev->data->dev_private;
    if (rte_eal_process_type() != RTE_PROC_PRIMARY)
        return 0;
    fprintf(stderr, "net_tgtest: %lu rules left, %lu at most; %lu packets met rules, %lu were received\n", p->rules, p->most,
            p->met_packets, p->rx_packets);
    flow_flush(dev, NULL);
    free(p->buckets);
    free(p->file);
    p->buckets = NULL;
    p->file = NULL;
    dev->data->mac_addrs = NULL; /* part of dev_private */
    return 0;
}
static int info(struct rte_eth_dev *dev, struct rte_eth_dev_info *i) {
    const struct port *p = dev->data->dev_private;
    i->max_mac_addrs = 1;
    if (p->sums != 0)
        i->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_CHECKSUM;
    if (p->hash != 0) {
        i->rx_offload_capa |= RTE_ETH_RX_OFFLOAD_RSS_HASH;
        i->hash_key_size = sizeof p->key;
        i->flow_type_rss_offloads = RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_IPV6 |
                                    RTE_ETH_RSS_FRAG_IPV6 | RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
    }
    i->rx_queue_offload_capa = i->rx_offload_capa;
    i->max_rx_pktlen = 65535;
    i->max_rx_queues = i->max_tx_queues = 1;
    i->min_rx_bufsize = 0;
    return 0;
}
static int rx_queue(struct rte_eth_dev *dev, uint16_t q, uint16_t n, unsigned socket, const struct rte_eth_rxconf *c,
                    struct rte_mempool *pool) {
    struct port *p = dev->data->dev_private;
    (void)n, (void)socket, (void)c;
    p->pool = pool;
    p->id = dev->data->port_id;
    dev->data->rx_queues[q] = p;
    return 0;
}
static int tx_queue(struct rte_eth_dev *dev, uint16_t q, uint16_t n, unsigned socket, const struct rte_eth_txconf *c) {
    (void)n, (void)socket, (void)c;
    dev->data->tx_queues[q] = dev->data->dev_private;
    return 0;
}
static int link_update(struct rte_eth_dev *dev, int wait) {
    (void)dev, (void)wait;
    return 0;
}
static int stats(struct rte_eth_dev *dev, struct rte_eth_stats *s) {
    struct port *p = dev->data->dev_private;
    s->ipackets = p->rx_packets;
    s->ibytes = p->rx_bytes;
    s->opackets = p->tx_packets;
    s->obytes = p->tx_bytes;
    return 0;
}
static int promiscuous(struct rte_eth_dev *dev) {
    (void)dev;
    return 0;
}

static const struct eth_dev_ops ops = {
    .dev_configure = configure, .dev_start = start, .dev_stop = stop, .dev_close = close_port, .dev_infos_get = info,
    .rx_queue_setup = rx_queue, .tx_queue_setup = tx_queue, .link_update = link_update, .stats_get = stats,
    .flow_ops_get = get_flow_ops, .promiscuous_enable = promiscuous, .promiscuous_disable = promiscuous,
};

static int number(const char *key, const char *value, void *to) {
    (void)key;
    *(uint64_t *)to = strtoull(value, NULL, 0);
    return 0;
}

static int read_file(const char *key, const char *value, void *to) {
    struct port *p = to;
    FILE *f = fopen(value, "rb");
    (void)key;
    if (f == NULL)
        return -errno;
    fseek(f, 0, SEEK_END);
    p->size = (size_t)ftell(f);
    rewind(f);
    p->file = malloc(p->size);
    size_t n = p->file != NULL ? fread(p->file, 1, p->size, f) : 0;
    fclose(f);
    p->at = 24;
    uint32_t magic = 0;
    if (n >= 24)
        memcpy(&magic, p->file, 4);
    return n == p->size && (magic == 0xa1b2c3d4 || magic == 0xa1b23c4d) ? 0 : -EINVAL;
}

static int probe(struct rte_vdev_device *vdev) {
    static const char *const known[] = { "pcap", "loops", "pps", "rules", "sums", "hash", NULL };
    struct rte_eth_dev *dev = rte_eth_vdev_allocate(vdev, sizeof(struct port));
    if (dev == NULL)
        return -ENOMEM;
    struct port *p = dev->data->dev_private;
    memset(p, 0, sizeof *p);
    p->loops = 1;
    p->capacity = 1u << 20;
    struct rte_kvargs *kv = rte_kvargs_parse(rte_vdev_device_args(vdev), known);
    int r = kv == NULL ? -EINVAL : 0;
    if (r == 0)
        r = rte_kvargs_process(kv, "pcap", read_file, p);
    if (r == 0) {
        rte_kvargs_process(kv, "loops", number, &p->loops);
        rte_kvargs_process(kv, "pps", number, &p->pps);
        rte_kvargs_process(kv, "rules", number, &p->capacity);
        rte_kvargs_process(kv, "sums", number, &p->sums);
        rte_kvargs_process(kv, "hash", number, &p->hash);
    }
    rte_kvargs_free(kv);
    p->buckets = calloc(BUCKETS, sizeof *p->buckets);
    if (r != 0 || p->buckets == NULL) {
        free(p->file);
        free(p->buckets);
        rte_eth_dev_release_port(dev);
        return r != 0 ? r : -ENOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    p->all.all_next = p->all.all_prev = &p->all;
    p->mac.addr_bytes[0] = 2;
    dev->data->mac_addrs = &p->mac;
    dev->data->promiscuous = 1;
    dev->data->dev_link.link_speed = RTE_ETH_SPEED_NUM_10G;
    dev->data->dev_flags |= RTE_ETH_DEV_FLOW_OPS_THREAD_SAFE | RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
    dev->dev_ops = &ops;
    dev->rx_pkt_burst = receive;
    dev->tx_pkt_burst = transmit;
    rte_eth_dev_probing_finish(dev);
    return 0;
}

static int unplug(struct rte_vdev_device *vdev) {
    struct rte_eth_dev *dev = rte_eth_dev_allocated(rte_vdev_device_name(vdev));
    if (dev == NULL)
        return 0;
    if (dev->data->mac_addrs != NULL)
        close_port(dev);
    return rte_eth_dev_release_port(dev);
}

static struct rte_vdev_driver driver = { .probe = probe, .remove = unplug };

RTE_PMD_REGISTER_VDEV(net_tgtest, driver);
RTE_PMD_REGISTER_PARAM_STRING(net_tgtest, "pcap=<path> loops=<n> pps=<n> rules=<n> sums=<n> hash=<n>");
