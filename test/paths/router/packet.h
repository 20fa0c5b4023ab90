/* IPv4 packets as the kernel gives and takes them on a TUN device with offloads: a virtio-net header, then the packet. */
#pragma once
#include <arpa/inet.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define HEAD sizeof(struct virtio_net_hdr)
#define MAX_BYTES (HEAD + 65536)

struct packet {
  struct packet *next;
  int64_t due_us; /* when it leaves the link that it is on */
  uint32_t bytes; /* with the virtio-net header */
  uint8_t data[];
};

static inline struct virtio_net_hdr *offload_of(uint8_t *data) { return (struct virtio_net_hdr *)data; }
static inline struct iphdr *ip_of(uint8_t *data) { return (struct iphdr *)(data + HEAD); }
static inline uint8_t *transport_of(uint8_t *data) { return data + HEAD + ip_of(data)->ihl * 4; }
static inline bool is_fragment(const struct iphdr *ip) { return (ntohs(ip->frag_off) & 0x3fff) != 0; }

static inline bool is_ipv4(uint8_t *data, uint32_t bytes) {
  if (bytes < HEAD + sizeof(struct iphdr)) return false;
  struct iphdr *ip = ip_of(data);
  return ip->version == 4 && ip->ihl >= 5 && bytes >= HEAD + ip->ihl * 4u;
}

/* Changes a checksum for a 16-bit word that changed (RFC 1624). What is still to be filled in by a network card, and holds
   the pseudo header's sum only, is not complemented. */
static inline uint16_t adjusted(uint16_t sum, uint16_t before, uint16_t after, bool complemented) {
  uint32_t value = (complemented ? (uint16_t)~sum : sum) + (uint16_t)~before + after;
  value = (value & 0xffff) + (value >> 16);
  value = (value & 0xffff) + (value >> 16);
  return complemented ? (uint16_t)~value : (uint16_t)value;
}

static inline uint16_t *checksum_of(uint8_t *data) {
  uint8_t protocol = ip_of(data)->protocol;
  if (protocol == IPPROTO_TCP) return &((struct tcphdr *)transport_of(data))->check;
  if (protocol == IPPROTO_UDP) return &((struct udphdr *)transport_of(data))->check;
  return NULL;
}

/* Sets one address and port: the source's, or else the destination's. UDP or TCP only. */
static inline void readdress(uint8_t *data, bool source, uint32_t address, uint16_t port) {
  struct iphdr *ip = ip_of(data);
  uint16_t *ports = (uint16_t *)transport_of(data), *sum = checksum_of(data);
  uint16_t *port_field = source ? &ports[0] : &ports[1];
  uint32_t *address_field = source ? &ip->saddr : &ip->daddr;
  bool partial = offload_of(data)->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
  bool has_sum = ip->protocol == IPPROTO_TCP || *sum != 0 || partial;
  uint16_t before[2], after[2];
  memcpy(before, address_field, 4);
  memcpy(after, &address, 4);
  for (int half = 0; half < 2; half++) {
    ip->check = adjusted(ip->check, before[half], after[half], true);
    if (has_sum) *sum = adjusted(*sum, before[half], after[half], !partial);
  }
  if (has_sum && !partial) *sum = adjusted(*sum, *port_field, port, true);
  memcpy(address_field, &address, 4);
  *port_field = port;
}

/* Bytes of headers that every segment of a large TCP packet repeats. */
static inline uint32_t header_bytes(uint8_t *data) {
  struct iphdr *ip = ip_of(data);
  if (ip->protocol != IPPROTO_TCP) return ip->ihl * 4 + sizeof(struct udphdr);
  return ip->ihl * 4 + ((struct tcphdr *)transport_of(data))->doff * 4;
}

/* The number of packets on the wire that a packet with segmentation offload stands for. */
static inline uint32_t segments_of(uint8_t *data, uint32_t bytes) {
  uint32_t size = offload_of(data)->gso_size;
  if (offload_of(data)->gso_type == VIRTIO_NET_HDR_GSO_NONE || size == 0) return 1;
  uint32_t payload = bytes - HEAD - header_bytes(data);
  return payload == 0 ? 1 : (payload + size - 1) / size;
}

/* A copy of the segments from `first` up to `end` of a packet, as a packet of its own. */
static inline struct packet *copy_segments(uint8_t *data, uint32_t bytes, uint32_t first, uint32_t end) {
  uint32_t total = segments_of(data, bytes), size = offload_of(data)->gso_size;
  uint32_t headers = HEAD + (total > 1 ? header_bytes(data) : 0);
  uint32_t from = total > 1 ? headers + first * size : headers;
  uint32_t to = total > 1 && end < total ? headers + end * size : bytes;
  /* Never so short that a header could be read past its end. */
  struct packet *copy = malloc(sizeof(struct packet) + 64 + headers + to - from);
  if (copy == NULL) abort();
  copy->next = NULL;
  copy->bytes = headers + to - from;
  memcpy(copy->data, data, headers);
  memcpy(copy->data + headers, data + from, to - from);
  if (first == 0 && end == total) return copy;
  struct iphdr *ip = ip_of(copy->data);
  struct tcphdr *tcp = (struct tcphdr *)transport_of(copy->data);
  uint16_t length = htons(copy->bytes - HEAD), id = htons(ntohs(ip->id) + first);
  /* The pseudo header, whose sum is all that is in the TCP checksum yet, counts the length of TCP's part. */
  uint16_t tcp_before = htons(ntohs(ip->tot_len) - ip->ihl * 4), tcp_after = htons(ntohs(length) - ip->ihl * 4);
  tcp->check = adjusted(tcp->check, tcp_before, tcp_after, false);
  ip->check = adjusted(adjusted(ip->check, ip->tot_len, length, true), ip->id, id, true);
  ip->tot_len = length;
  ip->id = id;
  tcp->seq = htonl(ntohl(tcp->seq) + first * size);
  if (end < total) tcp->fin = tcp->psh = 0;
  if (end - first == 1) offload_of(copy->data)->gso_type = VIRTIO_NET_HDR_GSO_NONE, offload_of(copy->data)->gso_size = 0;
  return copy;
}
