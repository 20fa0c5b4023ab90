import assert from 'node:assert/strict';
import { z } from 'zod';
import { JobSpec } from '../jobs/job.ts';
import { JobActionRequest } from '../jobs/job-action.ts';
import * as api from './api.ts';
import { ClientMessage, ServerMessage } from './signaling.ts';

interface Node {
  [key: string]: unknown;
}

const isNode = (value: unknown): value is Node => value !== null && typeof value === 'object' && !Array.isArray(value);

/** Every part of a schema that may be as long or large as the sender likes, by its path. */
function unlimitedParts(schema: z.ZodType): string[] {
  const found: string[] = [];
  const look = (node: Node, path: string) => {
    const { type, pattern, properties, additionalProperties, items } = node;
    const isListed = node.enum !== undefined || node.const !== undefined;
    // `a{1,62}` has an end, `a+` has none.
    const isBounded = typeof pattern === 'string' && !/[^\\][*+]|\{\d+,\}/.test(pattern);
    if (type === 'string' && !isListed && node.maxLength === undefined && !isBounded) found.push(`${path} (text)`);
    if (type === 'array' && node.maxItems === undefined) found.push(`${path} (list)`);
    if (type === 'object' && isNode(additionalProperties) && node.maxProperties === undefined)
      found.push(`${path} (entries)`);
    const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = node;
    if (type === 'integer' && (minimum === Number.MIN_SAFE_INTEGER || maximum === Number.MAX_SAFE_INTEGER))
      found.push(`${path} (count)`);
    if (isNode(properties))
      for (const [key, part] of Object.entries(properties)) if (isNode(part)) look(part, `${path}.${key}`);
    for (const [part, name] of [
      [items, '[]'],
      [additionalProperties, '{}'],
      [node.propertyNames, '{key}'],
    ] as const)
      if (isNode(part)) look(part, path + name);
    for (const options of [node.anyOf, node.oneOf, node.allOf])
      if (Array.isArray(options)) for (const option of options) look(option, path);
  };
  look(z.toJSONSchema(schema, { io: 'input', reused: 'inline' }) as Node, '');
  return [...new Set(found)];
}

describe('limits on the wire', () => {
  const replies = Object.entries(api).filter(([, schema]) => schema instanceof z.ZodType) as [string, z.ZodType][];
  const schemas = { ClientMessage, ServerMessage, JobSpec, JobActionRequest, ...Object.fromEntries(replies) };
  for (const [name, schema] of Object.entries(schemas)) {
    it(`no part of a ${name} is as long as its sender likes`, () => {
      assert.deepEqual(unlimitedParts(schema), []);
    });
  }

  it('finds a part without a limit', () => {
    const schema = z.object({ a: z.string(), b: z.array(z.string().max(3)), c: z.record(z.string(), z.int()) });
    assert.deepEqual(unlimitedParts(schema), [
      '.a (text)',
      '.b (list)',
      '.c (entries)',
      '.c{} (count)',
      '.c{key} (text)',
    ]);
  });

  it('cuts off what a part of ours says too long, and refuses what a client says too long', () => {
    const view = { type: 'error', code: 'INTERNAL', message: 'x'.repeat(5000) };
    const parsed = ServerMessage.parse(view);
    assert.equal(parsed.type === 'error' && parsed.message.length, 1000);
    const progress = { job_id: 'job00000001', detail: 'x'.repeat(5000) };
    assert.equal(ClientMessage.safeParse({ type: 'job_progress', session_id: 's', progress }).success, false);
  });
});
