import { EventEmitter, once } from 'node:events';
import { GetObjectCommand, NoSuchKey, type S3Client } from '@aws-sdk/client-s3';
import type { Logger } from 'pino';
import { Manifest } from '../../../protocol/manifest.ts';
import { s3Layout } from '../../../protocol/s3-layout.ts';

/** The seed's refresh period: 5 minutes, in milliseconds. */
const REFRESH_MS = 5 * 60_000;

interface ManifestWatchOptions {
  s3: S3Client;
  bucket: string;
  room: string;
  logger: Logger;
  /** Time between two reads, in ms. Default: five minutes. */
  refreshMs?: number;
}

/** The worker's copy of the room's manifest, read at start and every five minutes. */
export class ManifestWatch implements Disposable {
  readonly #options: ManifestWatchOptions;
  readonly #reads = new EventEmitter();
  #timer: NodeJS.Timeout | undefined;
  #manifest: Manifest | undefined;

  constructor(options: ManifestWatchOptions) {
    this.#options = options;
  }

  /** The manifest as last read; undefined where the room has none. */
  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  /** Reads the manifest once and then every five minutes. A read that fails is logged and the old copy kept. */
  async start(signal: AbortSignal): Promise<void> {
    await this.refresh(signal);
    this.#timer = setInterval(() => void this.refresh(signal), this.#options.refreshMs ?? REFRESH_MS);
  }

  /** Resolves after the next read, whatever came of it. */
  async refreshed(): Promise<void> {
    await once(this.#reads, 'read');
  }

  /** Reads the manifest now. */
  async refresh(signal: AbortSignal): Promise<void> {
    const { logger } = this.#options;
    try {
      this.#manifest = (await this.#read(signal)) ?? this.#manifest;
      logger.info({ event: 'manifest', models: Object.keys(this.#manifest?.models ?? {}).length });
    } catch (error) {
      logger.warn({ event: 'manifest_unreadable', err: error });
    } finally {
      this.#reads.emit('read');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  /** The manifest as it is now; undefined where the room has none. @throws where it cannot be read */
  async #read(signal: AbortSignal): Promise<Manifest | undefined> {
    const { s3, bucket, room } = this.#options;
    try {
      const request = new GetObjectCommand({ Bucket: bucket, Key: s3Layout.manifest(room) });
      const object = await s3.send(request, { abortSignal: signal });
      return Manifest.parse(JSON.parse((await object.Body?.transformToString()) ?? ''));
    } catch (error) {
      if (error instanceof NoSuchKey) return undefined;
      throw error;
    }
  }
}
