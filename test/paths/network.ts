import { createInterface } from 'node:readline';
import { execa, type Options } from 'execa';
import { z } from 'zod';
import { buildProgram } from './build-program.ts';

/** A router that translates addresses, as RFC 4787 names the kinds. Hosts behind it have private addresses. */
export interface NatSpec {
  name: string;
  /** Its public IPv4 address. */
  address: string;
  kind: 'full-cone' | 'port-restricted' | 'symmetric';
}

/** A host of the network, with one link to the router. */
export interface HostSpec {
  name: string;
  /** Its IPv4 address. */
  address: string;
  /** Name of the NAT that it is behind; those behind the same one reach each other directly. Default: none. */
  nat?: string;
  /** MTU of its device, in bytes. Default: 1500. */
  mtu?: number;
}

/** How one direction of a host's link treats packets. A limit that is left out does not apply. */
export interface LinkShape {
  /** One way, in ms. */
  delayMs?: number;
  /** Of the packets on the wire, at random but the same in each run. */
  lossPercent?: number;
  mbitPerSecond?: number;
  /** Size of the queue for that rate, in bytes; what exceeds it is dropped. Default: 50 ms of the rate, or 64 KiB if that is more. */
  queueBytes?: number;
  /** Larger IP packets are lost without an error, as behind a router that sends no ICMP. */
  narrowBytes?: number;
}

/** The traffic of one direction of a link so far. */
const LinkCount = z.object({ packets: z.number(), bytes: z.number(), lost: z.number(), overflowed: z.number() });
const Stats = z.record(z.string(), z.object({ up: LinkCount, down: LinkCount }));
export type NetworkStats = z.infer<typeof Stats>;

const Line = z.union([
  z.object({ host: z.string(), pid: z.number() }),
  z.object({ done: z.literal(true) }),
  z.object({ hosts: Stats }),
]);
type Line = z.infer<typeof Line>;

/** A host: programs on it see only its address, and reach others only through the network. */
export class Host {
  readonly name: string;
  readonly address: string;
  /** A process in its namespaces. */
  readonly pid: number;

  constructor(spec: HostSpec, pid: number) {
    this.name = spec.name;
    this.address = spec.address;
    this.pid = pid;
  }

  /** Runs a command on this host; the child process is the command itself, not a wrapper. The caller ends it. */
  run<Given extends Options = Record<never, never>>(command: string, args: readonly string[], options?: Given) {
    const enter = ['--target', String(this.pid), '--user', '--net', '--preserve-credentials', '--', command, ...args];
    return execa('nsenter', enter, options);
  }

  /** Runs a script with this Node. */
  node<Given extends Options = Record<never, never>>(script: string, args: readonly string[], options?: Given) {
    return this.run(process.execPath, ['--disable-warning=ExperimentalWarning', script, ...args], options);
  }
}

/**
 * Hosts in network namespaces of their own, and the network between them, in one process (router/router.c). Needs no root:
 * the namespaces belong to a user namespace. The caller ends the processes on the hosts, then disposes it.
 */
export class Network implements AsyncDisposable {
  readonly #router: ReturnType<typeof startRouter>;
  readonly #lines: AsyncIterator<string>;
  readonly #hosts = new Map<string, Host>();
  /** Commands are answered in their order. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(program: string, args: string[]) {
    this.#router = startRouter(program, args);
    this.#lines = createInterface({ input: this.#router.stdout })[Symbol.asyncIterator]();
  }

  /** @throws if the machine has no C compiler, iproute2 or /dev/net/tun, or does not let users have namespaces */
  static async start({
    hosts,
    nats = [],
  }: {
    hosts: readonly HostSpec[];
    nats?: readonly NatSpec[];
  }): Promise<Network> {
    const network = new Network(await buildProgram('router'), [
      ...nats.flatMap(({ name, address, kind }) => ['nat', name, address, kind]),
      ...hosts.flatMap(({ name, address, nat = '-', mtu = 1500 }) => ['host', name, address, nat, String(mtu)]),
    ]);
    try {
      for (const spec of hosts) {
        const line = await network.#line();
        if (!('pid' in line)) throw new Error('the router reported something other than its hosts');
        network.#hosts.set(spec.name, new Host(spec, line.pid));
      }
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  /** Changes the properties of a host's link, in both directions or in one. */
  async shape(host: string, shape: LinkShape, direction?: 'up' | 'down'): Promise<void> {
    const { delayMs = 0, lossPercent = 0, mbitPerSecond = 0, narrowBytes = 0 } = shape;
    const bytesPerSecond = mbitPerSecond * 125_000;
    const queueBytes = shape.queueBytes ?? Math.max(bytesPerSecond / 20, 64 * 1024);
    const numbers = [delayMs * 1000, lossPercent / 100, bytesPerSecond, queueBytes, narrowBytes].map((number, index) =>
      index === 1 || index === 2 ? number : Math.round(number),
    );
    for (const way of direction === undefined ? ['up', 'down'] : [direction]) {
      await this.#ask(`link ${host} ${way} ${numbers.join(' ')}`);
    }
  }

  /** Nothing goes to or comes from the host any more, until `restore`. */
  async cut(host: string): Promise<void> {
    await this.#ask(`cut ${host}`);
  }

  async restore(host: string): Promise<void> {
    await this.#ask(`restore ${host}`);
  }

  /**
   * Joins two hosts by a cable instead of the router. Their packets then take no CPU time of a third process.
   */
  async cable(first: string, second: string): Promise<void> {
    const [one, other] = [this.host(first), this.host(second)];
    await one.run('ip', [
      'link',
      'add',
      'cable0',
      'type',
      'veth',
      'peer',
      'name',
      'cable0',
      'netns',
      String(other.pid),
    ]);
    for (const [host, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      await host.run('sh', [
        '-c',
        `ip link set path0 down && ip address add ${host.address} peer ${peer.address} dev cable0 && ip link set cable0 up`,
      ]);
    }
  }

  async stats(): Promise<NetworkStats> {
    const line = await this.#ask('stats');
    return 'hosts' in line ? line.hosts : {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#router.stdin.end();
    await this.#router;
  }

  #ask(command: string): Promise<Line> {
    const answer = this.#last.then(() => {
      this.#router.stdin.write(`${command}\n`);
      return this.#line();
    });
    this.#last = answer.catch(() => undefined);
    return answer;
  }

  async #line(): Promise<Line> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error('the router ended; its reason is on stderr');
    return Line.parse(JSON.parse(value));
  }
}

function startRouter(program: string, args: readonly string[]) {
  return execa('unshare', ['--user', '--map-root-user', '--net', program, ...args], {
    stderr: 'inherit',
    reject: false,
    buffer: false,
  });
}
