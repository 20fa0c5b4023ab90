import assert from 'node:assert/strict';
import { GetObjectCommand, HeadBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ensureTools } from '../setup.ts';
import { withFolder } from '../testing/with-folder.ts';
import { type S3Server, startS3 } from './s3.ts';

function connect({ endpoint, region, accessKeyId, secretAccessKey }: S3Server): S3Client {
  return new S3Client({
    endpoint,
    region,
    credentials: { accessKeyId, secretAccessKey },
    forcePathStyle: true,
    maxAttempts: 1,
  });
}
const status = (code: number) => (error: unknown) =>
  (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode === code;

describe('startS3', function () {
  this.timeout(120_000);

  it('writes conditionally, so that no manifest is overwritten unread, and has the object after a restart', () =>
    withFolder(async (dir) => {
      const { weed } = await ensureTools({ parts: ['servers'] });
      const manifest = { Bucket: 'rooms', Key: 'room/manifest.json' };
      const first = await startS3({ dir, weed, buckets: ['rooms', 'state'] });
      try {
        const client = connect(first);
        const created = await client.send(new PutObjectCommand({ ...manifest, Body: 'one', IfNoneMatch: '*' }));
        await assert.rejects(
          client.send(new PutObjectCommand({ ...manifest, Body: 'two', IfNoneMatch: '*' })),
          status(412),
        );
        await client.send(new PutObjectCommand({ ...manifest, Body: 'two', IfMatch: created.ETag }));
        const stale = new PutObjectCommand({ ...manifest, Body: 'three', IfMatch: created.ETag });
        await assert.rejects(client.send(stale), status(412));
        await assert.rejects(
          client.send(new PutObjectCommand({ ...manifest, Bucket: 'misspelt', Body: 'x' })),
          status(404),
        );
        client.destroy();
      } finally {
        await first.stop();
      }
      const second = await startS3({ dir, weed, buckets: ['rooms', 'state'] });
      try {
        const client = connect(second);
        const { Body } = await client.send(new GetObjectCommand(manifest));
        assert.equal(await Body?.transformToString(), 'two');
        client.destroy();
      } finally {
        await second.stop();
      }
    }));

  it('gives two servers at once different ports, data and keys', () =>
    withFolder((one) =>
      withFolder(async (two) => {
        const { weed } = await ensureTools({ parts: ['servers'] });
        const servers = await Promise.all([one, two].map((dir) => startS3({ dir, weed, buckets: ['rooms'] })));
        try {
          const [a, b] = servers;
          assert(a && b);
          assert.notEqual(a.endpoint, b.endpoint);
          const client = connect({ ...a, endpoint: b.endpoint });
          await assert.rejects(client.send(new HeadBucketCommand({ Bucket: 'rooms' })), status(403));
          client.destroy();
        } finally {
          await Promise.all(servers.map((server) => server.stop()));
        }
      }),
    ));
});
