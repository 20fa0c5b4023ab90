import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  Connection,
  DtlsClient,
  DtlsServer,
  RTCDataChannel,
  RTCDtlsTransport,
  RTCSctpTransport,
  StunProtocol,
  UdpTransport,
} from 'werift';

/** The version of werift that this folder was written for. */
export const TUNED_VERSION = '0.25.2';

/** SHA-256 of the sources of the classes whose parts are replaced or used here, as `sourceHash` returns it. */
export const TUNED_SOURCES = {
  classes: '5be874deb4340ef7f9105d813974b95d143a3197e134f1cfa470e1aa7f655b8d',
  association: '2ce65a6a7b17af77a73b97c1b4fe3bd9b9a5946f13442534fdf71fd4750c701b',
  cipher: 'ad87e218888692ebf7001f5ed389bd42403e9db632f0f4d5b0f1dd59278744e3',
};

/** The installed version of werift. Returns undefined if it is not known, as in a bundle. */
export function weriftVersion(): string | undefined {
  try {
    const manifest: unknown = JSON.parse(
      readFileSync(new URL('../package.json', import.meta.resolve('werift')), 'utf8'),
    );
    return typeof manifest === 'object' && manifest !== null && 'version' in manifest
      ? String(manifest.version)
      : undefined;
  } catch {
    return undefined;
  }
}

/** One hash of the sources of classes, as `toString` returns them. */
export function sourceHash(classes: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const each of classes) hash.update(`${typeof each === 'function' ? each.toString() : ''}\n`);
  return hash.digest('hex');
}

/** The classes used here that werift exports. */
export function exportedClasses(): unknown[] {
  const dtlsSocket: unknown = Object.getPrototypeOf(DtlsClient);
  const dtls = [RTCDtlsTransport, dtlsSocket, DtlsClient, DtlsServer];
  return [RTCSctpTransport, RTCDataChannel, ...dtls, Connection, StunProtocol, UdpTransport];
}

/** The class of an object that werift does not export, and its superclass. */
export function classesOf(thing: object): unknown[] {
  const own: unknown = thing.constructor;
  return typeof own === 'function' ? [own, Object.getPrototypeOf(own)] : [];
}

let known: boolean | undefined;

/** Whether the installed werift is exactly the one that this folder was written for. */
export function weriftIsAsTuned(expected = { version: TUNED_VERSION, classes: TUNED_SOURCES.classes }): boolean {
  const matches = () => weriftVersion() === expected.version && sourceHash(exportedClasses()) === expected.classes;
  if (expected.version !== TUNED_VERSION || expected.classes !== TUNED_SOURCES.classes) return matches();
  known ??= matches();
  return known;
}
