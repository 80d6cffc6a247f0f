/* Direct AGI load: so many calls with so many connections in flight, each as Asterisk would hold it.
 *
 * Usage: agi_load PORT CALLS IN_FLIGHT CAMPAIGN CALLER_ID FIRST
 * FIRST is the number of the first call; the called number and the unique id derive from it.
 * Prints "seconds N", "allow N", "block N", "failure N", then one line a verdict: its microseconds from
 * connect to the arrival of the answer.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096, LINE = 4096 };

struct call {
    double begun;
    int used;
    int answered;
    char bytes[LINE];
};

static struct call calls[MOST];
static struct sockaddr_in server;
static const char *campaign, *caller_id;
static long first, begun, ended, total, allow, block, failure;
static double *latencies;
static int poller;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void begin(void) {
    if (begun == total)
        return;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || fd >= MOST) {
        perror("socket");
        exit(1);
    }
    struct call *call = &calls[fd];
    long serial = first + begun++;
    *call = (struct call){.begun = now()};
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
        perror("connect");
        exit(1);
    }
    char header[2048];
    int size = snprintf(
        header, sizeof header,
        "agi_network: yes\nagi_network_script: screen\nagi_request: agi://127.0.0.1:%d/screen\n"
        "agi_channel: PJSIP/agent-%08lx\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: 1700000000.%ld\n"
        "agi_version: 22.10.1\nagi_callerid: 33187654321\nagi_calleridname: unknown\nagi_callingpres: 0\n"
        "agi_callingani2: 0\nagi_callington: 0\nagi_callingtns: 0\nagi_dnid: unknown\nagi_rdnis: unknown\n"
        "agi_context: vaglio\nagi_extension: s\nagi_priority: 9\nagi_enhanced: 0.0\nagi_accountcode: \n"
        "agi_threadid: 139637976389312\nagi_arg_1: +336%08ld\nagi_arg_2: %s\nagi_arg_3: %s\n\n",
        ntohs(server.sin_port), (unsigned long)serial, serial, serial % 100000000, campaign, caller_id);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (write(fd, header, (size_t)size) != size || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) {
        perror("write");
        exit(1);
    }
}

static void end(int fd) {
    if (!calls[fd].answered)
        failure++;
    ended++;
    close(fd);
    begin();
}

static void take(int fd) {
    struct call *call = &calls[fd];
    ssize_t count = read(fd, call->bytes + call->used, (size_t)(LINE - call->used));
    if (count <= 0) {
        if (count == 0 && call->answered && write(fd, "HANGUP\n", 7) < 0 && errno != EPIPE && errno != ECONNRESET)
            perror("hangup");
        end(fd);
        return;
    }
    call->used += (int)count;
    if (call->answered || memchr(call->bytes, '\n', (size_t)call->used) == NULL) {
        if (call->used == LINE)
            end(fd);
        return;
    }
    double microseconds = (now() - call->begun) * 1e6;
    int allowed = memmem(call->bytes, (size_t)call->used, "VAGLIO=allow:", 13) != NULL;
    int blocked = memmem(call->bytes, (size_t)call->used, "VAGLIO=block:", 13) != NULL;
    if (!allowed && !blocked) {
        end(fd);
        return;
    }
    call->answered = 1;
    latencies[allow + block] = microseconds;
    allow += allowed;
    block += blocked;
    if (write(fd, "200 result=0\n", 13) != 13)
        end(fd);
}

int main(int count, char **words) {
    if (count != 7)
        return 2;
    total = atol(words[2]);
    long in_flight = atol(words[3]);
    campaign = words[4];
    caller_id = words[5];
    first = atol(words[6]);
    server.sin_family = AF_INET;
    server.sin_port = htons((unsigned short)atoi(words[1]));
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    latencies = calloc((size_t)total, sizeof *latencies);
    poller = epoll_create1(0);
    if (total < 1 || in_flight < 1 || in_flight > MOST / 2 || latencies == NULL || poller < 0)
        return 2;
    double start = now();
    for (long i = 0; i < in_flight; i++)
        begin();
    struct epoll_event ready[256];
    while (ended < total) {
        int number = epoll_wait(poller, ready, 256, 10000);
        if (number == 0) {
            fprintf(stderr, "no answer for 10 s\n");
            return 1;
        }
        for (int i = 0; i < number; i++)
            take(ready[i].data.fd);
    }
    printf("seconds %.6f\nallow %ld\nblock %ld\nfailure %ld\n", now() - start, allow, block, failure);
    for (long i = 0; i < allow + block; i++)
        printf("%.1f\n", latencies[i]);
    return 0;
}
