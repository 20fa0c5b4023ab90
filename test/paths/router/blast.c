/*
 * How many UDP packets a path carries:  blast sink PORT  |  blast ADDRESS PORT SECONDS BYTES MB_PER_S
 * The sink prints {"packets":…,"seconds":…} at the sender's last packet, the sender {"packets":…}.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 16
#define LAST 3 /* bytes of the packets that say that it is over */

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **args) {
  static char buffers[BATCH][65536];
  struct iovec parts[BATCH];
  struct mmsghdr messages[BATCH] = {0};
  int sink = count > 1 && strcmp(args[1], "sink") == 0, socket_fd = socket(AF_INET, SOCK_DGRAM, 0), room = 64 << 20;
  if (count < (sink ? 3 : 6)) return 2;
  setsockopt(socket_fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(args[2]))};
  int bytes = sink ? (int)sizeof buffers[0] : atoi(args[4]);
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){buffers[i], bytes};
    messages[i].msg_hdr.msg_iov = &parts[i], messages[i].msg_hdr.msg_iovlen = 1;
  }
  if (sink) {
    double first = 0;
    long packets = 0;
    if (bind(socket_fd, (struct sockaddr *)&address, sizeof address) < 0) return perror("bind"), 1;
    puts("{}"), fflush(stdout);
    for (double last = 0;; last = now()) {
      int got = recvmmsg(socket_fd, messages, BATCH, MSG_WAITFORONE, NULL);
      if (first == 0) first = now();
      for (int i = 0; i < got; i++, packets++)
        if (messages[i].msg_len == LAST) return printf("{\"packets\":%ld,\"seconds\":%f}\n", packets, last - first), 0;
    }
  }
  address.sin_addr.s_addr = inet_addr(args[1]);
  if (connect(socket_fd, (struct sockaddr *)&address, sizeof address) < 0) return perror("connect"), 1;
  double start = now(), seconds = atof(args[3]), rate = atof(args[5]) * 1e6;
  long packets = 0;
  while (now() - start < seconds) {
    if (packets * (double)bytes > (now() - start) * rate) usleep(100);
    else for (int sent = sendmmsg(socket_fd, messages, BATCH, 0); sent > 0; sent = 0) packets += sent;
  }
  usleep(300000);
  for (int i = 0; i < 20; i++) usleep(10000), send(socket_fd, buffers[0], LAST, 0);
  return printf("{\"packets\":%ld}\n", packets), 0;
}
