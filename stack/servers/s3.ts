import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Bucket, createS3Client } from '../../storage/index.ts';
import { freePort } from '../processes/ports.ts';
import { type ServerOptions, startServer } from './start-server.ts';

/** The region that clients must name; SeaweedFS accepts any. */
const REGION = 'us-east-1';

/** The address of an S3 server, and the keys made for this start of it. */
export interface S3Server extends AsyncDisposable {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** Ends it with kill -9. */
  kill(): Promise<void>;
  /** Starts it again at the same address, with the same keys, on the same data. */
  restart(): Promise<void>;
}

/**
 * Starts SeaweedFS with the S3 interface and its data in `dir`, and creates the buckets. Keys are random and new each time.
 * @param options.weed path of the `weed` command
 */
export async function startS3(
  options: ServerOptions & { weed: string; buckets: readonly string[] },
): Promise<S3Server> {
  const dataDir = join(options.dir, 's3');
  await mkdir(dataDir, { recursive: true });
  const credentials = {
    accessKeyId: randomBytes(10).toString('hex'),
    secretAccessKey: randomBytes(30).toString('base64url'),
  };
  const configFile = join(options.dir, 's3.json');
  await writeFile(configFile, JSON.stringify(adminIdentity(credentials)), { mode: 0o600 });

  const server = await startServer('s3', options, async () => {
    const ports = await choosePorts();
    const endpoint = `http://127.0.0.1:${ports['s3.port']}`;
    return {
      command: options.weed,
      args: [
        '-logtostderr=true',
        'mini',
        `-dir=${dataDir}`,
        '-ip=127.0.0.1',
        '-ip.bind=127.0.0.1',
        ...Object.entries(ports).map(([name, port]) => `-${name}=${port}`),
        `-s3.config=${configFile}`,
        `-bucket=${options.buckets.join(',')}`,
        '-s3.port.iceberg=0',
        '-s3.port.lance=0',
        '-s3.autoCreateBucket=false', // as AWS: a misspelt bucket is an error
        '-webdav=false',
        '-admin.ui=false', // the admin server opens its port all the same
        '-master.telemetry=false',
      ],
      cwd: dataDir, // it looks for its own configuration files in the working directory first
      healthy: async (signal) => {
        await bucketsAnswer(endpoint, credentials, options.buckets, signal);
        return { endpoint, ports };
      },
    };
  });
  const { endpoint, ports } = server.health;
  const stop = async (): Promise<void> => {
    await server.stop();
    await removeSockets(Object.values(ports));
  };
  return {
    endpoint,
    region: REGION,
    ...credentials,
    get pid() {
      return server.child.pid;
    },
    stop,
    async kill() {
      await server.kill();
      await removeSockets(Object.values(ports));
    },
    restart: server.restart,
    [Symbol.asyncDispose]: stop,
  };
}

/** By SeaweedFS's names. Each gRPC port would default to its HTTP port + 10000, which may not be free. */
export async function choosePorts(): Promise<Record<string, number>> {
  const ports: Record<string, number> = {};
  for (const part of ['s3', 'master', 'volume', 'filer', 'admin']) {
    ports[`${part}.port`] = await freePort();
    ports[`${part}.port.grpc`] = await freePort();
  }
  return ports;
}

/** SeaweedFS leaves the Unix sockets that it makes beside its ports, always in /tmp. */
async function removeSockets(ports: number[]): Promise<void> {
  const files = ports.flatMap((port) =>
    ['s3', 'filer', 's3-grpc', 'master-grpc', 'volume-grpc', 'filer-grpc', 'admin-grpc'].map(
      (part) => `/tmp/seaweedfs-${part}-${port}.sock`,
    ),
  );
  await Promise.all(files.map((file) => rm(file, { force: true })));
}

interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
}

function adminIdentity({ accessKeyId, secretAccessKey }: Credentials): object {
  const credentials = [{ accessKey: accessKeyId, secretKey: secretAccessKey }];
  return { identities: [{ name: 'stack', credentials, actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'] }] };
}

/** Resolves if all buckets answer to these keys, which only our own server knows. */
async function bucketsAnswer(
  endpoint: string,
  credentials: Credentials,
  buckets: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const s3 = createS3Client({ endpoint, region: REGION, credentials, pathStyle: true, maxAttempts: 1 });
  try {
    for (const name of buckets) await new Bucket(s3, name).check({ signal });
  } finally {
    s3.destroy();
  }
}
