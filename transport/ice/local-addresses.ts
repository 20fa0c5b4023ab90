import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** The loopback address where a machine has no other, as in a sandbox; ICE leaves it out (RFC 8445, 5.1.1.1). */
export function loopbackIfAlone(): string | undefined {
  return localAddresses().some(({ internal }) => !internal) ? undefined : '127.0.0.1';
}

/** Every address of this machine. */
export function localAddresses(): NetworkInterfaceInfo[] {
  return Object.values(networkInterfaces()).flatMap((list) => list ?? []);
}
