/*
 * Hosts in network namespaces of their own, and the network between them in this one process: a TUN device leads from each
 * host to here, and packets are handed on with delay, loss, a rate, and address translation. To be run as
 *   unshare --user --map-root-user --net router [nat NAME ADDRESS full-cone|port-restricted|symmetric]… [host NAME ADDRESS NAT|- MTU]…
 * It prints {"host":NAME,"pid":PID} of each host (a process in its namespaces, for nsenter) on stdout, takes commands on stdin:
 *   link NAME up|down DELAY_US LOSS BYTES_PER_S QUEUE_BYTES NARROW_BYTES     cut NAME     restore NAME     stats
 * and ends, with its hosts, when stdin does. Each host's link has a seed of its own, so a run can be repeated.
 */
#define _GNU_SOURCE
#include "link.h"
#include "nat.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_HOSTS 8
#define BATCH 128
/* Packets that a host's device holds while this process is not scheduled; the usual 500 would lose some then. */
#define DEVICE_QUEUE 20000

struct host {
  const char *name;
  uint32_t address;
  struct nat *nat;
  int device;
  struct link up, down;
};

static struct host hosts[MAX_HOSTS];
static struct nat nats[MAX_HOSTS];
static int host_count, nat_count;

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000ll + now.tv_nsec / 1000;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

/* A namespace with a TUN device to us, and a process that keeps it. This process stays in it until it makes the next. */
static void add_host(const char *name, const char *address, const char *nat, const char *mtu) {
  struct host *host = &hosts[host_count++];
  *host = (struct host){.name = name, .address = inet_addr(address)};
  for (int i = 0; i < nat_count; i++) if (strcmp(nats[i].name, nat) == 0) host->nat = &nats[i];
  host->up.last = &host->up.first, host->down.last = &host->down.first;
  host->up.random = 88172645463325252ull * host_count, host->down.random = 36243606930284421ull * host_count;
  if (unshare(CLONE_NEWNET) < 0) die("unshare");
  host->device = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
  strcpy(request.ifr_name, "path0");
  if (host->device < 0 || ioctl(host->device, TUNSETIFF, &request) < 0) die("/dev/net/tun");
  if (ioctl(host->device, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4) < 0) die("TUNSETOFFLOAD");
  char command[512];
  snprintf(command, sizeof command,
    "ip link set lo up && ip address add %s/32 dev path0 && ip link set path0 mtu %s txqueuelen %d up && ip route add default dev path0",
    address, mtu, DEVICE_QUEUE);
  if (system(command) != 0) exit(1);
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  printf("{\"host\":\"%s\",\"pid\":%d}\n", name, pid);
}

static void deliver(struct host *host, struct packet *packet) {
  /* A device that takes no more drops, as a host's network card does. */
  if (write(host->device, packet->data, packet->bytes) < 0 && errno != EAGAIN && errno != EINVAL) die("write");
  free(packet);
}

/* Where a packet that has left the link of `from` goes, its addresses translated on the way; NULL if it is dropped. */
static struct host *route(struct host *from, uint8_t *data) {
  struct iphdr *ip = ip_of(data);
  for (int i = 0; i < host_count; i++)
    if (hosts[i].address == ip->daddr && hosts[i].nat != NULL && hosts[i].nat == from->nat) return &hosts[i];
  if (from->nat != NULL && !translate_out(from->nat, data)) return NULL;
  struct nat *into = NULL;
  for (int i = 0; i < nat_count; i++) if (nats[i].address == ip->daddr) into = &nats[i];
  if (into != NULL && !translate_in(into, data)) return NULL;
  /* Private addresses can be reached through their own NAT only. */
  for (int i = 0; i < host_count; i++)
    if (hosts[i].address == ip->daddr && hosts[i].nat == into) return &hosts[i];
  return NULL;
}

static bool unshaped(const struct link *link) {
  return link->delay_us == 0 && link->bytes_per_us == 0 && link->first == NULL;
}

static void receive(struct host *host) {
  static uint8_t data[MAX_BYTES];
  int64_t now = now_us();
  for (int i = 0; i < BATCH; i++) {
    ssize_t bytes = read(host->device, data, sizeof data);
    if (bytes < 0 && errno == EAGAIN) return;
    if (bytes < 0) die("read");
    if (is_ipv4(data, bytes)) take(&host->up, data, bytes, now);
  }
}

/* Moves all that is due; returns when the next will be, in microseconds from the epoch of the clock. */
static int64_t forward(void) {
  int64_t now = now_us(), next = INT64_MAX;
  for (int i = 0; i < host_count; i++)
    for (struct packet *packet; (packet = leaving(&hosts[i].up, now)) != NULL;) {
      struct host *to = route(&hosts[i], packet->data);
      if (to == NULL) {
        free(packet);
      } else if (unshaped(&to->down) && segments_of(packet->data, packet->bytes) == 1) {
        if (passes(&to->down, packet->bytes - HEAD, now)) deliver(to, packet);
        else free(packet);
      } else {
        take(&to->down, packet->data, packet->bytes, now);
        free(packet);
      }
    }
  for (int i = 0; i < host_count; i++) {
    for (struct packet *packet; (packet = leaving(&hosts[i].down, now)) != NULL;) deliver(&hosts[i], packet);
    if (hosts[i].up.first != NULL && hosts[i].up.first->due_us < next) next = hosts[i].up.first->due_us;
    if (hosts[i].down.first != NULL && hosts[i].down.first->due_us < next) next = hosts[i].down.first->due_us;
  }
  return next;
}

static struct host *host_named(const char *name) {
  for (int i = 0; i < host_count; i++) if (strcmp(hosts[i].name, name) == 0) return &hosts[i];
  fprintf(stderr, "no host %s\n", name);
  exit(1);
}

static void print_link(const char *way, const struct link *link) {
  printf("\"%s\":{\"packets\":%lu,\"bytes\":%lu,\"lost\":%lu,\"overflowed\":%lu}", way, link->carried, link->carried_bytes,
    link->lost, link->overflowed);
}

static void obey(const char *line) {
  char name[64], way[8];
  struct link link;
  double rate;
  if (sscanf(line, "link %63s %7s %ld %lf %lf %lu %u", name, way, &link.delay_us, &link.loss, &rate, &link.queue_bytes,
        &link.narrow_bytes) == 7) {
    struct host *host = host_named(name);
    struct link *target = strcmp(way, "up") == 0 ? &host->up : &host->down;
    target->delay_us = link.delay_us, target->loss = link.loss, target->bytes_per_us = rate / 1e6;
    target->queue_bytes = link.queue_bytes, target->narrow_bytes = link.narrow_bytes;
  } else if (sscanf(line, "cut %63s", name) == 1) {
    host_named(name)->up.cut = host_named(name)->down.cut = true;
  } else if (sscanf(line, "restore %63s", name) == 1) {
    host_named(name)->up.cut = host_named(name)->down.cut = false;
  } else if (strcmp(line, "stats") == 0) {
    printf("{\"hosts\":{");
    for (int i = 0; i < host_count; i++) {
      printf("%s\"%s\":{", i > 0 ? "," : "", hosts[i].name);
      print_link("up", &hosts[i].up), printf(","), print_link("down", &hosts[i].down), printf("}");
    }
    printf("}}\n");
    return;
  } else {
    fprintf(stderr, "no command: %s\n", line);
    exit(1);
  }
  printf("{\"done\":true}\n");
}

/* Reads commands; false at the end of stdin. */
static bool read_commands(void) {
  static char text[4096];
  static size_t length;
  ssize_t bytes = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
  if (bytes <= 0) return false;
  text[length += bytes] = 0;
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    *end = 0;
    obey(text);
    memmove(text, end + 1, length -= end + 1 - text);
    text[length] = 0;
  }
  fflush(stdout);
  return true;
}

static enum nat_kind kind_named(const char *name) {
  return strcmp(name, "full-cone") == 0 ? FULL_CONE : strcmp(name, "symmetric") == 0 ? SYMMETRIC : PORT_RESTRICTED;
}

int main(int count, char **args) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 1; i < count;) {
    if (strcmp(args[i], "nat") == 0 && i + 3 < count && nat_count < MAX_HOSTS) {
      struct nat *nat = &nats[nat_count++];
      nat->name = args[i + 1], nat->address = inet_addr(args[i + 2]), nat->kind = kind_named(args[i + 3]);
      nat->next_port = 20000;
      i += 4;
    } else if (strcmp(args[i], "host") == 0 && i + 4 < count && host_count < MAX_HOSTS) {
      add_host(args[i + 1], args[i + 2], args[i + 3], args[i + 4]);
      i += 5;
    } else {
      fprintf(stderr, "unexpected: %s\n", args[i]);
      return 2;
    }
  }
  fflush(stdout);
  struct pollfd polled[MAX_HOSTS + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
  for (int i = 0; i < host_count; i++) polled[i + 1] = (struct pollfd){.fd = hosts[i].device, .events = POLLIN};
  for (;;) {
    int64_t next = forward();
    int64_t wait = next == INT64_MAX ? 1000000 : next - now_us();
    struct timespec timeout = {wait > 0 ? wait / 1000000 : 0, wait > 0 ? wait % 1000000 * 1000 : 0};
    if (ppoll(polled, host_count + 1, &timeout, NULL) < 0 && errno != EINTR) die("poll");
    for (int i = 0; i < host_count; i++) if (polled[i + 1].revents != 0) receive(&hosts[i]);
    if (polled[0].revents != 0 && !read_commands()) return 0;
  }
}
