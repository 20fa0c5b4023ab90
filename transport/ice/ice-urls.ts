import type { IceServer } from '../../protocol/signaling.ts';

/** One URL of a STUN or TURN server (RFC 7064, RFC 7065), taken apart. */
export interface IceUrl {
  scheme: 'stun' | 'stuns' | 'turn' | 'turns';
  /** A name or an address; an IPv6 one without brackets. */
  host: string;
  port: number;
  /** What carries the requests to the server. */
  transport: 'udp' | 'tcp' | 'tls';
}

const ICE_URL = /^(stuns?|turns?):(?:\[([^\]]+)\]|([^:?]+))(?::(\d+))?(?:\?transport=(udp|tcp))?$/i;

/** Takes a URL apart; undefined where it is none of a STUN or TURN server. */
export function parseIceUrl(url: string): IceUrl | undefined {
  const [, name, ipv6, host, port, transport] = ICE_URL.exec(url) ?? [];
  if (name === undefined) return undefined;
  const scheme = name.toLowerCase() as IceUrl['scheme'];
  const secure = scheme.endsWith('s');
  return {
    scheme,
    host: ipv6 ?? host ?? '',
    port: port === undefined ? (secure ? 5349 : 3478) : Number(port),
    transport: secure ? 'tls' : transport?.toLowerCase() === 'tcp' ? 'tcp' : 'udp',
  };
}

/** Which ways to a TURN server there are: over UDP, and over anything else (TCP or TLS), which gets through more firewalls. */
export function relayTransports(servers: readonly IceServer[]): { udp: boolean; other: boolean } {
  const relays = servers
    .flatMap(({ urls }) => urls.map(parseIceUrl))
    .filter((url) => url?.scheme === 'turn' || url?.scheme === 'turns');
  return {
    udp: relays.some((url) => url?.transport === 'udp'),
    other: relays.some((url) => url?.transport !== 'udp'),
  };
}
