/* One direction of a host's access link: a rate with a bounded queue, then loss, then delay. Order is kept. */
#pragma once
#include "packet.h"

struct link {
  int64_t delay_us;
  double loss;           /* of packets on the wire, 0 to 1 */
  double bytes_per_us;   /* 0: as fast as it comes */
  uint64_t queue_bytes;  /* what may wait for its turn; more is dropped */
  uint32_t narrow_bytes; /* larger packets vanish, as behind a router that tells nobody; 0: none do */
  bool cut;
  uint64_t random;
  double free_at_us; /* when all that came before has been sent */
  struct packet *first, **last;
  uint64_t carried, carried_bytes, lost, overflowed;
};

static inline double chance(struct link *link) { /* xorshift64* */
  link->random ^= link->random >> 12;
  link->random ^= link->random << 25;
  link->random ^= link->random >> 27;
  return (double)((link->random * 2685821657736338717ull) >> 11) / 9007199254740992.0;
}

/* Whether a packet of this size on the wire gets through; if so it takes its turn. */
static inline bool passes(struct link *link, uint32_t bytes, int64_t now_us) {
  if (link->cut || (link->narrow_bytes != 0 && bytes > link->narrow_bytes)) return link->lost++, false;
  if (link->loss > 0 && chance(link) < link->loss) return link->lost++, false;
  if (link->bytes_per_us > 0) {
    double start = link->free_at_us > now_us ? link->free_at_us : now_us;
    if ((start - now_us) * link->bytes_per_us > link->queue_bytes) return link->overflowed++, false;
    link->free_at_us = start + bytes / link->bytes_per_us;
  }
  link->carried++;
  link->carried_bytes += bytes;
  return true;
}

static inline void append(struct link *link, uint8_t *data, uint32_t bytes, uint32_t first, uint32_t end, int64_t now_us) {
  struct packet *packet = copy_segments(data, bytes, first, end);
  int64_t sent_us = link->bytes_per_us > 0 ? (int64_t)link->free_at_us : now_us;
  packet->due_us = sent_us + link->delay_us;
  *link->last = packet;
  link->last = &packet->next;
}

/* Takes a packet onto the link. Each segment of a large one is lost or not by itself, the others stay together. */
static inline void take(struct link *link, uint8_t *data, uint32_t bytes, int64_t now_us) {
  uint32_t total = segments_of(data, bytes), run = 0;
  uint32_t headers = total > 1 ? header_bytes(data) : 0, size = offload_of(data)->gso_size;
  for (uint32_t segment = 0; segment < total; segment++) {
    uint32_t rest = bytes - HEAD - headers - segment * size;
    uint32_t wire = headers + (segment + 1 < total ? size : total > 1 ? rest : bytes - HEAD);
    if (passes(link, wire, now_us)) continue;
    if (segment > run) append(link, data, bytes, run, segment, now_us);
    run = segment + 1;
  }
  if (run < total) append(link, data, bytes, run, total, now_us);
}

/* The next packet that has come to the link's end, if there is one; the caller frees it. */
static inline struct packet *leaving(struct link *link, int64_t now_us) {
  struct packet *packet = link->first;
  if (packet == NULL || packet->due_us > now_us) return NULL;
  link->first = packet->next;
  if (link->first == NULL) link->last = &link->first;
  return packet;
}
