import type { Logger } from 'pino';
import { SleapRtcError } from '../../../protocol/errors.ts';
import { Manifest, type ModelEntry, resolveModel } from '../../../protocol/models/manifest.ts';
import { s3Layout } from '../../../protocol/stored/s3-layout.ts';
import { type Bucket, DamagedObjectError, readJson } from '../../../storage/index.ts';

/** The seed's refresh period: 5 minutes, in milliseconds. */
const REFRESH_MS = 5 * 60_000;

interface ManifestCopyOptions {
  bucket: Bucket;
  room: string;
  logger: Logger;
  /** Time between two reads, in ms. Default: five minutes. */
  refreshMs?: number;
}

/** The worker's copy of the room's manifest, read at start and every five minutes. The models of jobs are resolved from it. */
export class ManifestCopy {
  readonly #options: ManifestCopyOptions;
  #timer: NodeJS.Timeout | undefined;
  #manifest: Manifest | undefined;

  constructor(options: ManifestCopyOptions) {
    this.#options = options;
  }

  /** The manifest as last read; undefined if the room has none. */
  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  /** Reads the manifest once and then every five minutes. If a read fails, the old copy stays and the log says why. */
  async start(signal: AbortSignal): Promise<void> {
    await this.refresh(signal);
    this.#timer = setInterval(() => void this.refresh(signal), this.#options.refreshMs ?? REFRESH_MS);
  }

  /** Reads the manifest now. */
  async refresh(signal: AbortSignal): Promise<void> {
    try {
      await this.#read(signal);
    } catch (error) {
      if (!signal.aborted) this.#options.logger.warn({ event: 'manifest_unreadable', err: error });
    }
  }

  /**
   * Finds a model by its id or alias. The copy may be old, so for a model that it lacks the manifest is read again, once.
   * @returns undefined if the room has no such model
   * @throws SleapRtcError MANIFEST_DAMAGED; what S3 throws
   */
  async find(reference: string, signal: AbortSignal): Promise<ModelEntry | undefined> {
    const known = this.#lookUp(reference);
    if (known !== undefined) return known;
    await this.#read(signal);
    return this.#lookUp(reference);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #lookUp(reference: string): ModelEntry | undefined {
    return this.#manifest && resolveModel(this.#manifest, reference);
  }

  /**
   * Replaces the copy; a room without a manifest changes nothing.
   * @throws SleapRtcError MANIFEST_DAMAGED; what S3 throws
   */
  async #read(signal: AbortSignal): Promise<void> {
    const { bucket, room, logger } = this.#options;
    const manifest = await readJson(bucket, s3Layout.manifest(room), Manifest, { signal }).catch((cause: unknown) => {
      if (!(cause instanceof DamagedObjectError)) throw cause;
      throw new SleapRtcError('MANIFEST_DAMAGED', `The manifest of ${room} is damaged.`, { cause });
    });
    if (manifest === undefined) return;
    this.#manifest = manifest;
    logger.info({ event: 'manifest', models: Object.keys(manifest.models).length });
  }
}
