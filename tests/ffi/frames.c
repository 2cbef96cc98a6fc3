/*
 * The two ends of an inline filter's test: sends datagrams into one interface, half of them evil, and counts what
 * comes out of another.
 *
 *     frames INTO OUT-OF COUNT
 */
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_interface(const char *name)
{
    int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll at;
    memset(&at, 0, sizeof at);
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = (int)if_nametoindex(name);
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        perror(name);
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    uint8_t frame[46] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1,
                         10, 0, 0, 2, 0x13, 0x88, 0x13, 0x89, 0, 12, 0, 0};
    if (argc != 4)
        return 2;
    int into = open_interface(argv[1]), out = open_interface(argv[2]), count = atoi(argv[3]), good = 0, evil = 0;
    for (int i = 0; i < count; i++) {
        memcpy(frame + 42, i % 2 ? "evil" : "good", 4);
        frame[35] = (uint8_t)i;
        if (send(into, frame, sizeof frame, 0) != (ssize_t)sizeof frame) {
            perror("send");
            return 1;
        }
        usleep(2000);
    }
    struct pollfd wait = {out, POLLIN, 0};
    uint8_t got[2048];
    while (poll(&wait, 1, 500) > 0) {
        ssize_t n = recv(out, got, sizeof got, 0);
        if (n < (ssize_t)sizeof frame)
            continue;
        good += memcmp(got + 42, "good", 4) == 0;
        evil += memcmp(got + 42, "evil", 4) == 0;
    }
    printf("good %d, evil %d\n", good, evil);
    return 0;
}
