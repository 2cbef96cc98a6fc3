/*
 * An inline filter between two network interfaces: what comes in at one goes out at the other, unless a rule drops
 * it. Needs CAP_NET_RAW; the interfaces should have no addresses of their own.
 *
 *     inline_filter INTERFACE INTERFACE RULES [PACKETS]
 *
 * Ends after PACKETS packets, or at an interrupt.
 */
#define _GNU_SOURCE /* recvmmsg */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "example.h"

enum { BURST = 32, FRAME = 65536 };

static volatile sig_atomic_t stop;

static void interrupted(int signal)
{
    (void)signal;
    stop = 1;
}

static int open_interface(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll at;
    memset(&at, 0, sizeof at);
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = (int)if_nametoindex(name);
    struct packet_mreq all = {.mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC};
    int on = 1;
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) != 0 ||
        /* What this program sends itself shall not come back. */
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int print_drop(const tg_event *event, void *user)
{
    (void)user;
    tg_bytes line;
    if (tg_event_json(event, &line) == TG_OK) {
        printf("%.*s\n", (int)line.len, (const char *)line.data);
        fflush(stdout);
    }
    return 0;
}

/* Takes what has come in at interface `from` through the engine and sends on what may go. */
static size_t pass(tg_engine *engine, const int fds[2], int from, unsigned long long counts[2])
{
    static uint8_t frames[BURST][FRAME];
    struct mmsghdr in[BURST];
    struct iovec parts[BURST];
    memset(in, 0, sizeof in);
    for (int i = 0; i < BURST; i++) {
        parts[i].iov_base = frames[i];
        parts[i].iov_len = FRAME;
        in[i].msg_hdr.msg_iov = &parts[i];
        in[i].msg_hdr.msg_iovlen = 1;
    }
    int n = recvmmsg(fds[from], in, BURST, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    tg_packet packets[BURST];
    tg_verdict verdicts[BURST];
    memset(packets, 0, sizeof packets);
    for (int i = 0; i < n; i++) {
        packets[i].data = frames[i];
        packets[i].len = in[i].msg_len;
        packets[i].ts_ns = now();
        packets[i].port = (uint16_t)from;
        packets[i].link_type = TG_LINK_ETHERNET;
    }
    must(tg_engine_process(engine, packets, (size_t)n, verdicts), "tg_engine_process");
    for (int i = 0; i < n; i++) {
        /* Answering a rejected packet is left out here. */
        int goes = verdicts[i] == TG_VERDICT_FORWARD || verdicts[i] == TG_VERDICT_BYPASS;
        counts[!goes]++;
        if (goes && send(fds[!from], packets[i].data, packets[i].len, 0) < 0 && errno != ENOBUFS)
            perror("send");
    }
    return (size_t)n;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s INTERFACE INTERFACE RULES [PACKETS]\n", argv[0]);
        return 2;
    }
    unsigned long long most = argc > 4 ? strtoull(argv[4], NULL, 10) : ~0ull, seen = 0, counts[2] = {0, 0};
    tg_ruleset *rules = rules_of(argv[3], NULL);
    tg_engine_config config;
    TG_INIT(config);
    /* Checksums are the card's to make on the way out, and not there yet between virtual interfaces. */
    config.flags = TG_ENGINE_INLINE | TG_ENGINE_IGNORE_CHECKSUMS;
    config.on_event = print_drop;
    config.events = TG_EVENT_ALERT | TG_EVENT_DROP;
    tg_engine *engine = NULL;
    must(tg_engine_new(rules, &config, &engine), "tg_engine_new");
    tg_ruleset_free(rules);

    int fds[2] = {open_interface(argv[1]), open_interface(argv[2])};
    signal(SIGINT, interrupted);
    signal(SIGTERM, interrupted);
    fprintf(stderr, "filtering between %s and %s\n", argv[1], argv[2]);
    while (!stop && seen < most) {
        struct pollfd wait[2] = {{fds[0], POLLIN, 0}, {fds[1], POLLIN, 0}};
        if (poll(wait, 2, 1000) == 0)
            must(tg_engine_tick(engine, now()), "tg_engine_tick");
        for (int from = 0; from < 2; from++)
            seen += pass(engine, fds, from, counts);
    }
    must(tg_engine_finish(engine), "tg_engine_finish");
    tg_engine_free(engine);
    close(fds[0]);
    close(fds[1]);
    fprintf(stderr, "forwarded %llu, dropped %llu\n", counts[0], counts[1]);
    return 0;
}
