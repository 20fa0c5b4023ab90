import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';

/** The loopback address if the machine has no other address, as in a sandbox. ICE does not use it (RFC 8445, 5.1.1.1). */
export function loopbackIfAlone(): string | undefined {
  return localAddresses().some(({ internal }) => !internal) ? undefined : '127.0.0.1';
}

/** All addresses of this machine. */
export function localAddresses(): NetworkInterfaceInfo[] {
  return Object.values(networkInterfaces()).flatMap((list) => list ?? []);
}
