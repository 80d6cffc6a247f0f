/* The least a FastAGI server can do: read the header block, send one EXEC MSet, read its reply, close.
 *
 * One thread, epoll, level triggered. Usage: null_server PORT. The answer has the length of a real verdict.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 4096, HEADER = 16384 };

static const char ANSWER[] =
    "EXEC MSet \"VAGLIO=allow:1700000000.1:01ARZ3NDEKTSV4RRFFQ69G5FAV,VAGLIO_REASON=NO_RESTRICTION,"
    "VAGLIO_DECISION=01ARZ3NDEKTSV4RRFFQ69G5FAV\"\n";

struct session {
    int used;
    int answered;
    char bytes[HEADER];
};

static struct session *sessions[MOST];

static void end(int fd) {
    free(sessions[fd]);
    sessions[fd] = NULL;
    close(fd);
}

static void begin(int poll, int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (fd >= MOST || (sessions[fd] = calloc(1, sizeof(struct session))) == NULL) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) < 0)
            end(fd);
    }
}

static void go_on(int fd) {
    struct session *session = sessions[fd];
    ssize_t count = read(fd, session->bytes + session->used, HEADER - session->used);
    if (count <= 0) {
        end(fd);
        return;
    }
    session->used += (int)count;
    if (session->answered) {
        if (memchr(session->bytes, '\n', session->used) != NULL)
            end(fd);
    } else if (memmem(session->bytes, session->used, "\n\n", 2) != NULL) {
        session->answered = 1;
        session->used = 0;
        if (write(fd, ANSWER, sizeof ANSWER - 1) < 0)
            end(fd);
    } else if (session->used == HEADER) {
        end(fd);
    }
}

int main(int count, char **words) {
    if (count != 2)
        return 2;
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(words[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1024) < 0) {
        perror("null_server");
        return 1;
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener}, ready[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int number = epoll_wait(poll, ready, 64, -1);
        for (int i = 0; i < number; i++)
            if (ready[i].data.fd == listener)
                begin(poll, listener);
            else
                go_on(ready[i].data.fd);
    }
}
