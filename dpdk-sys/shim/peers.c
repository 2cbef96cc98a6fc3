/* DPDK's own hash table and packet-type parser, for the benchmark that compares with them. */
#include "shim.h"

#include <rte_hash.h>
#include <rte_hash_crc.h>
#include <rte_net.h>

struct rte_hash *tg_hash_create(const char *name, uint32_t entries, uint32_t key_len) {
    struct rte_hash_parameters p = {
        .name = name, .entries = entries, .key_len = key_len, .hash_func = rte_hash_crc, .socket_id = 0,
    };
    return rte_hash_create(&p);
}
int tg_hash_add(struct rte_hash *h, const void *key) { return rte_hash_add_key(h, key); }
int tg_hash_lookup_bulk(const struct rte_hash *h, const void **keys, uint32_t n, int32_t *positions) {
    return rte_hash_lookup_bulk(h, keys, n, positions);
}
void tg_hash_free(struct rte_hash *h) { rte_hash_free(h); }

uint64_t tg_ptypes(struct rte_mbuf **m, unsigned n) {
    uint64_t sum = 0;
    struct rte_net_hdr_lens lens;
    for (unsigned i = 0; i < n; i++)
        sum += rte_net_get_ptype(m[i], &lens, RTE_PTYPE_ALL_MASK) + lens.l4_len;
    return sum;
}
