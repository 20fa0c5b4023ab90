/**
 * The signaling server in memory as a process of its own: `node signaling-child.ts ADDRESS [ICE as JSON]`. Prints `{"url":…}`, and
 * ends by a signal.
 */
import { z } from 'zod';
import { startMemoryServer } from '../../signaling/testing/memory-server.ts';

const Ice = z.object({
  stunUrls: z.array(z.string()),
  turnUrls: z.array(z.string()),
  turnSecret: z.string().nullable(),
});

const [host, ice] = process.argv.slice(2);
if (host === undefined) throw new Error('usage: signaling-child.ts ADDRESS [ICE]');
const server = await startMemoryServer({ host, ...(ice !== undefined && { ice: Ice.parse(JSON.parse(ice)) }) });
process.stdout.write(`${JSON.stringify({ url: server.url })}\n`);
