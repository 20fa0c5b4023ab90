import { once } from 'node:events';
import { join } from 'node:path';
import { execa, type Options } from 'execa';
import { z } from 'zod';
import { type Host, Network } from '../../test/paths/network.ts';
import { type PathShape, withPath } from '../../test/paths/with-path.ts';

const SIGNALING = join(import.meta.dirname, '../../transport/testing/signaling-child.ts');
const Url = z.object({ url: z.string() });

/** Where processes run. */
export type Side = Pick<Host, 'address' | 'run'>;

/** Two sides with a network between them, and the signaling server that both reach. */
export interface Place {
  sender: Side;
  receiver: Side;
  serverUrl: string;
}

const thisMachine: Side = {
  address: '127.0.0.1',
  run: <Given extends Options = Record<never, never>>(command: string, args: readonly string[], options?: Given) =>
    execa(command, args, options),
};

/** This machine’s loopback, with packets of up to 64 KiB. */
export function onLoopback<Result>(use: (place: Place) => Promise<Result>): Promise<Result> {
  return withSignaling(thisMachine, (serverUrl) => use({ sender: thisMachine, receiver: thisMachine, serverUrl }));
}

/** Two hosts on a cable: the kernel’s network without delay, with Ethernet’s packets of 1,500 bytes. */
export async function onEthernet<Result>(use: (place: Place) => Promise<Result>): Promise<Result> {
  const network = await Network.start({
    hosts: [
      { name: 'laptop', address: '10.77.1.2' },
      { name: 'worker', address: '10.77.2.2' },
    ],
  });
  try {
    await network.cable('laptop', 'worker');
    const [sender, receiver] = [network.host('laptop'), network.host('worker')];
    return await withSignaling(receiver, (serverUrl) => use({ sender, receiver, serverUrl }));
  } finally {
    await network[Symbol.asyncDispose]();
  }
}

/** A path with delay, loss or a rate. */
export function onPath<Result>(shape: PathShape, use: (place: Place) => Promise<Result>): Promise<Result> {
  return withPath(shape, ({ laptop, worker, server }) =>
    withSignaling(server, (serverUrl) => use({ sender: laptop, receiver: worker, serverUrl })),
  );
}

async function withSignaling<Result>(on: Side, use: (serverUrl: string) => Promise<Result>): Promise<Result> {
  const server = on.run(process.execPath, ['--disable-warning=ExperimentalWarning', SIGNALING, on.address], {
    stdin: 'ignore',
    stderr: 'inherit',
    reject: false,
    buffer: false,
  });
  try {
    const [line] = await once(server.stdout, 'data');
    return await use(Url.parse(JSON.parse(String(line))).url);
  } finally {
    server.kill('SIGKILL');
    await server;
  }
}
