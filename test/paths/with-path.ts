import { type Host, type LinkShape, Network } from './network.ts';

/** The properties of a path, the same in both directions. */
export interface PathShape extends Omit<LinkShape, 'delayMs'> {
  /** Round trip, in ms. Default: 0. */
  rttMs?: number;
  /** MTU at both ends, in bytes. Default: 1500. */
  mtu?: number;
}

/** What `withPath` makes: two hosts with the path between them, and a third without any delay for servers. */
export interface Path {
  /** The path is the link of this host, as with a researcher's laptop; `network.cut('laptop')` cuts it. */
  laptop: Host;
  worker: Host;
  /** For the signaling and TURN servers. The laptop reaches them over the path, too. */
  server: Host;
  network: Network;
}

/** Makes a path, uses it, and removes it. */
export async function withPath<Result>(shape: PathShape, use: (path: Path) => Promise<Result>): Promise<Result> {
  const { rttMs = 0, mtu = 1500, ...rest } = shape;
  const network = await Network.start({
    hosts: [
      { name: 'laptop', address: '10.77.1.2', mtu },
      { name: 'worker', address: '10.77.2.2', mtu },
      { name: 'server', address: '10.77.3.2', mtu },
    ],
  });
  try {
    await network.shape('laptop', { ...rest, delayMs: rttMs / 2 });
    return await use({
      laptop: network.host('laptop'),
      worker: network.host('worker'),
      server: network.host('server'),
      network,
    });
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

let reason: Promise<string | undefined> | undefined;

/** Why this machine cannot have such paths; undefined if it can. */
export function whyNoPaths(): Promise<string | undefined> {
  reason ??= withPath({}, async ({ laptop }) => void (await laptop.run('true', []))).then(
    () => undefined,
    (error: unknown) => `no network namespaces here: ${error instanceof Error ? error.message : String(error)}`,
  );
  return reason;
}
