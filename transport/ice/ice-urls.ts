import type { IceServer } from '../../protocol/wire/signaling.ts';

/** The parts of a STUN or TURN server's URL (RFC 7064, RFC 7065). */
export interface IceUrl {
  scheme: 'stun' | 'stuns' | 'turn' | 'turns';
  /** A name or an address. An IPv6 address has no brackets. */
  host: string;
  port: number;
  /** The protocol that carries the requests to the server. */
  transport: 'udp' | 'tcp' | 'tls';
}

const ICE_URL = /^(stuns?|turns?):(?:\[([^\]]+)\]|([^:?]+))(?::(\d+))?(?:\?transport=(udp|tcp))?$/i;

/** Parses a URL. Returns undefined if it is not the URL of a STUN or TURN server. */
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

/** Whether a TURN server can be reached over UDP, and over TCP or TLS, which pass more firewalls. */
export function relayTransports(servers: readonly IceServer[]): { udp: boolean; other: boolean } {
  const relays = servers
    .flatMap(({ urls }) => urls.map(parseIceUrl))
    .filter((url) => url?.scheme === 'turn' || url?.scheme === 'turns');
  return {
    udp: relays.some((url) => url?.transport === 'udp'),
    other: relays.some((url) => url?.transport !== 'udp'),
  };
}
