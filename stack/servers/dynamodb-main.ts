/** A program: dynalite, a DynamoDB of LevelDB files, on a port that the system chooses. Argument: the data folder. */
import type { AddressInfo } from 'node:net';
import dynalite from 'dynalite';
import { pino } from 'pino';

const log = pino({ name: 'dynamodb' });
const server = dynalite({ path: process.argv[2], createTableMs: 0, deleteTableMs: 0, updateTableMs: 0 });

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  log.info({ event: 'ready', endpoint: `http://127.0.0.1:${port}` }, 'DynamoDB is ready');
});
process.once('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => process.exit(0));
});
