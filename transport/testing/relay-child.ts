/** A TestRelay in a process of its own: `node relay-child.ts ADDRESS [ICE_SERVERS as JSON]`. Prints `{"url":…}`, and ends by a signal. */
import { z } from 'zod';
import { IceServer } from '../../protocol/signaling.ts';
import { TestRelay } from './relay.ts';

const [address, iceServers = '[]'] = process.argv.slice(2);
const relay = await TestRelay.start(0, address);
relay.iceServers.push(...z.array(IceServer).parse(JSON.parse(iceServers)));
process.stdout.write(`${JSON.stringify({ url: relay.url })}\n`);
