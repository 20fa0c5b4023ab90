/* Network address translation as home and company routers do it (RFC 4787's terms), for UDP and TCP. Nothing expires. */
#pragma once
#include "packet.h"

enum nat_kind { FULL_CONE, PORT_RESTRICTED, SYMMETRIC };
#define MAX_FLOWS 4096

struct flow {
  uint8_t protocol;
  uint32_t inside, outside; /* addresses, in network order, like the ports */
  uint16_t inside_port, outside_port, public_port;
};

struct nat {
  const char *name;
  uint32_t address;
  enum nat_kind kind;
  uint16_t next_port;
  int flows;
  struct flow table[MAX_FLOWS];
};

/* Gives a packet that leaves the NAT its public source. False if it must be dropped. */
static inline bool translate_out(struct nat *nat, uint8_t *data) {
  struct iphdr *ip = ip_of(data);
  if (checksum_of(data) == NULL || is_fragment(ip)) return false;
  uint16_t *ports = (uint16_t *)transport_of(data), public_port = 0;
  for (int i = 0; i < nat->flows; i++) {
    struct flow *flow = &nat->table[i];
    if (flow->protocol != ip->protocol || flow->inside != ip->saddr || flow->inside_port != ports[0]) continue;
    bool same_target = flow->outside == ip->daddr && flow->outside_port == ports[1];
    if (same_target) return readdress(data, true, nat->address, flow->public_port), true;
    /* All but the symmetric kind give one inside address and port one public port, for every remote host. */
    if (nat->kind != SYMMETRIC) public_port = flow->public_port;
  }
  if (nat->flows == MAX_FLOWS) return false;
  if (public_port == 0) public_port = htons(nat->next_port++);
  nat->table[nat->flows++] = (struct flow){ip->protocol, ip->saddr, ip->daddr, ports[0], ports[1], public_port};
  readdress(data, true, nat->address, public_port);
  return true;
}

/* Gives a packet to the NAT's public address its inside destination. False if no host inside expects it. */
static inline bool translate_in(struct nat *nat, uint8_t *data) {
  struct iphdr *ip = ip_of(data);
  if (checksum_of(data) == NULL || is_fragment(ip)) return false;
  uint16_t *ports = (uint16_t *)transport_of(data);
  for (int i = 0; i < nat->flows; i++) {
    struct flow *flow = &nat->table[i];
    if (flow->protocol != ip->protocol || flow->public_port != ports[1]) continue;
    bool expected = flow->outside == ip->saddr && flow->outside_port == ports[0];
    if (!expected && nat->kind != FULL_CONE) continue;
    readdress(data, false, flow->inside, flow->inside_port);
    return true;
  }
  return false;
}
