/* rte_flow rules from a plain description (see shim.h), shaped as mlx5 takes them: a pattern of ETH, [VLAN,] IP and the
 * transport's ports; COUNT and AGE before the fate of the packet; rules of the embedded switch are `transfer` rules. */
#include "shim.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_flow.h>
#include <rte_version.h>

struct built {
    struct rte_flow_attr attr;
    struct rte_flow_item items[6];
    struct rte_flow_action actions[5];
    struct rte_flow_item_vlan vlan, vlan_mask;
    struct rte_flow_item_ipv4 v4, v4_mask;
    struct rte_flow_item_ipv6 v6, v6_mask;
    struct rte_flow_item_tcp tcp, tcp_mask;
    struct rte_flow_item_udp udp, udp_mask;
    struct rte_flow_action_age age;
    struct rte_flow_action_count count;
    struct rte_flow_action_ethdev to;
};

static void mask_bytes(uint8_t *out, size_t size, unsigned bits) {
    for (size_t i = 0; i < size; i++) {
        unsigned here = bits > 8 ? 8 : bits;
        out[i] = here == 0 ? 0 : (uint8_t)(0xff << (8 - here));
        bits -= here;
    }
}

static void build(struct built *b, const struct tg_flow_spec *s) {
    unsigned n = 0, a = 0;
    memset(b, 0, sizeof *b);
    b->attr.group = s->group;
    b->attr.priority = s->priority;
    if (s->transfer)
        b->attr.transfer = 1;
    else
        b->attr.ingress = 1;
    b->items[n++].type = RTE_FLOW_ITEM_TYPE_ETH;
    if (s->has_vlan) {
        rte_be16_t tci = rte_cpu_to_be_16(s->vlan), mask = RTE_BE16(0x0fff);
        /* The first two bytes of the header in every release. */
        memcpy(&b->vlan, &tci, sizeof tci);
        memcpy(&b->vlan_mask, &mask, sizeof mask);
        b->items[n] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_VLAN, .spec = &b->vlan, .mask = &b->vlan_mask };
        n++;
    }
    if (s->v6) {
        memcpy(&b->v6.hdr.src_addr, s->src, 16);
        memcpy(&b->v6.hdr.dst_addr, s->dst, 16);
        mask_bytes((uint8_t *)&b->v6_mask.hdr.src_addr, 16, s->src_bits);
        mask_bytes((uint8_t *)&b->v6_mask.hdr.dst_addr, 16, s->dst_bits);
        if (s->proto != 0) {
            b->v6.hdr.proto = s->proto;
            b->v6_mask.hdr.proto = 0xff;
        }
        b->items[n] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_IPV6, .spec = &b->v6, .mask = &b->v6_mask };
    } else {
        memcpy(&b->v4.hdr.src_addr, s->src, 4);
        memcpy(&b->v4.hdr.dst_addr, s->dst, 4);
        mask_bytes((uint8_t *)&b->v4_mask.hdr.src_addr, 4, s->src_bits);
        mask_bytes((uint8_t *)&b->v4_mask.hdr.dst_addr, 4, s->dst_bits);
        if (s->proto != 0) {
            b->v4.hdr.next_proto_id = s->proto;
            b->v4_mask.hdr.next_proto_id = 0xff;
        }
        b->items[n] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_IPV4, .spec = &b->v4, .mask = &b->v4_mask };
    }
    n++;
    if (s->ports && s->proto == 6) {
        b->tcp.hdr.src_port = rte_cpu_to_be_16(s->sp);
        b->tcp.hdr.dst_port = rte_cpu_to_be_16(s->dp);
        b->tcp_mask.hdr.src_port = b->tcp_mask.hdr.dst_port = 0xffff;
        b->items[n] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_TCP, .spec = &b->tcp, .mask = &b->tcp_mask };
        n++;
    } else if (s->ports && s->proto == 17) {
        b->udp.hdr.src_port = rte_cpu_to_be_16(s->sp);
        b->udp.hdr.dst_port = rte_cpu_to_be_16(s->dp);
        b->udp_mask.hdr.src_port = b->udp_mask.hdr.dst_port = 0xffff;
        b->items[n] = (struct rte_flow_item){ .type = RTE_FLOW_ITEM_TYPE_UDP, .spec = &b->udp, .mask = &b->udp_mask };
        n++;
    }
    b->items[n].type = RTE_FLOW_ITEM_TYPE_END;
    if (s->count) {
        b->actions[a].type = RTE_FLOW_ACTION_TYPE_COUNT;
        b->actions[a++].conf = &b->count;
    }
    if (s->age_s != 0) {
        b->age.timeout = s->age_s & 0xffffff;
        b->age.context = s->context;
        b->actions[a].type = RTE_FLOW_ACTION_TYPE_AGE;
        b->actions[a++].conf = &b->age;
    }
    if (s->action == TG_FLOW_TO_PORT) {
        b->to.port_id = s->to_port;
        b->actions[a].type = RTE_FLOW_ACTION_TYPE_REPRESENTED_PORT;
        b->actions[a++].conf = &b->to;
    } else {
        b->actions[a++].type = RTE_FLOW_ACTION_TYPE_DROP;
    }
    b->actions[a].type = RTE_FLOW_ACTION_TYPE_END;
}

static void tell(char *why, size_t room, const struct rte_flow_error *e) {
    if (why != NULL && room != 0)
        snprintf(why, room, "%s", e->message != NULL ? e->message : "no reason given");
}

int tg_flow_validate(uint16_t port, const struct tg_flow_spec *spec, char *why, size_t room) {
    struct built b;
    struct rte_flow_error e = { 0 };
    build(&b, spec);
    int r = rte_flow_validate(port, &b.attr, b.items, b.actions, &e);
    if (r != 0)
        tell(why, room, &e);
    return r;
}

struct rte_flow *tg_flow_create(uint16_t port, const struct tg_flow_spec *spec, char *why, size_t room) {
    struct built b;
    struct rte_flow_error e = { 0 };
    build(&b, spec);
    struct rte_flow *f = rte_flow_create(port, &b.attr, b.items, b.actions, &e);
    if (f == NULL)
        tell(why, room, &e);
    return f;
}

int tg_flow_destroy(uint16_t port, struct rte_flow *flow) {
    struct rte_flow_error e = { 0 };
    return rte_flow_destroy(port, flow, &e);
}

int tg_flow_query(uint16_t port, struct rte_flow *flow, struct tg_flow_count *out, int reset) {
    struct rte_flow_error e = { 0 };
    struct rte_flow_query_count q = { .reset = reset != 0 };
    struct rte_flow_action_count count = { 0 };
    const struct rte_flow_action actions[] = {
        { .type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count },
        { .type = RTE_FLOW_ACTION_TYPE_END },
    };
    int r = rte_flow_query(port, flow, actions, &q, &e);
    if (r == 0) {
        out->packets = q.hits_set ? q.hits : 0;
        out->bytes = q.bytes_set ? q.bytes : 0;
    }
    return r;
}

int tg_flow_aged(uint16_t port, void **contexts, uint32_t n) {
    struct rte_flow_error e = { 0 };
    return rte_flow_get_aged_flows(port, contexts, n, &e);
}

int tg_flow_flush(uint16_t port) {
    struct rte_flow_error e = { 0 };
    return rte_flow_flush(port, &e);
}
