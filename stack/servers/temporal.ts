import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';
import { freePort } from '../processes/ports.ts';
import { type ServerOptions, startServer } from './start-server.ts';

/** Types of search attributes as Temporal's command line names them. */
const CLI_TYPES = { KEYWORD: 'Keyword', KEYWORD_LIST: 'KeywordList' } as const;

/**
 * The dev server's defaults suit a demonstration: a timer or retry takes a second, a trivial workflow 50–100 ms. With these
 * a workflow takes 12–40 ms and a 100 ms sleep 140 ms. Values are JSON.
 */
const DYNAMIC_CONFIG = {
  'history.transferProcessorMaxPollRPS': 1000,
  'history.timerProcessorMaxPollRPS': 1000,
  'history.timerProcessorMaxTimeShift': '10ms',
  'matching.enableFairness': true,
  'matching.numTaskqueueReadPartitions': 1, // with more, priority and fairness hold only within a partition
  'matching.numTaskqueueWritePartitions': 1,
};

/** The addresses of a Temporal server. */
export interface TemporalServer extends AsyncDisposable {
  /** `host:port` of the gRPC frontend. */
  address: string;
  namespace: string;
  /** URL of the Web UI. */
  uiUrl: string;
  readonly pid: number;
  stop(): Promise<void>;
  /** Ends it with kill -9. */
  kill(): Promise<void>;
  /** Starts it again at the same address, on the same data. */
  restart(): Promise<void>;
}

/**
 * Starts a Temporal server whose state is a SQLite file in `dir`; it survives kill -9, and a later start uses it again.
 * @param options.temporal path of the `temporal` command
 */
export async function startTemporal(options: ServerOptions & { temporal: string }): Promise<TemporalServer> {
  const dataDir = join(options.dir, 'temporal');
  await mkdir(dataDir, { recursive: true });
  const server = await startServer('temporal', options, async () => {
    const [port, uiPort, httpPort, metricsPort] = [
      await freePort(),
      await freePort(),
      await freePort(),
      await freePort(),
    ];
    return {
      command: options.temporal,
      args: [
        'server',
        'start-dev',
        '--ip=127.0.0.1',
        `--port=${port}`,
        `--ui-port=${uiPort}`,
        `--http-port=${httpPort}`,
        `--metrics-port=${metricsPort}`,
        `--db-filename=${join(dataDir, 'temporal.db')}`,
        '--sqlite-pragma=journal_mode=WAL',
        '--sqlite-pragma=synchronous=normal',
        ...Object.entries(DYNAMIC_CONFIG).map(
          ([key, value]) => `--dynamic-config-value=${key}=${JSON.stringify(value)}`,
        ),
        ...Object.values(searchAttributes).map(({ name, type }) => `--search-attribute=${name}=${CLI_TYPES[type]}`),
      ],
      listening: new RegExp(`:${port}\\b`), // the banner, written when the server has started
      healthy: async (signal) => {
        const answer = await fetch(`http://127.0.0.1:${httpPort}/api/v1/namespaces/default/search-attributes`, {
          signal,
        });
        const known = answer.ok ? await answer.text() : '';
        const ready = Object.values(searchAttributes).every(({ name }) => known.includes(name));
        return ready ? { address: `127.0.0.1:${port}`, uiUrl: `http://127.0.0.1:${uiPort}` } : undefined;
      },
    };
  });
  return {
    ...server.health,
    namespace: 'default',
    get pid() {
      return server.child.pid;
    },
    stop: server.stop,
    kill: server.kill,
    restart: server.restart,
    [Symbol.asyncDispose]: server.stop,
  };
}
