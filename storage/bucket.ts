import { Readable } from 'node:stream';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadBucketCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { inParallel } from './in-parallel.ts';
import { type DeniedCode, isConflict, isMissing, isNotModified, storageError } from './storage-errors.ts';

/** Deletions at a time. */
const REQUESTS_AT_ONCE = 16;

/** Our note of a file's SHA-256 in its metadata: S3's own checksum of an object in parts is not that of the file. */
const SHA256_NOTE = 'sha256';

export interface RequestOptions {
  signal?: AbortSignal | undefined;
}

/** An object that S3 has begun to send. One of the methods must be called, once. */
export interface StoredObject {
  etag: string;
  /** When it was written; in ms since 1970. */
  modifiedMs: number;
  stream(): Readable;
  bytes(): Promise<Uint8Array>;
  text(): Promise<string>;
}

/** An object's metadata. */
export interface ObjectInfo {
  sizeBytes: number;
  etag: string | undefined;
  /** In hex, as the writer of the object has noted it. */
  sha256: string | undefined;
  /** The same as S3 has computed it; undefined if S3 does not know it, such as for an object in parts. */
  checkedSha256: string | undefined;
}

export interface ListedObject {
  key: string;
  sizeBytes: number;
}

/** A write happens only if the object still has this ETag, or if there is none. */
export type WriteCondition = { etag: string } | 'absent';

export interface PutOptions extends RequestOptions {
  contentType?: string;
  condition?: WriteCondition | undefined;
  /** SHA-256 in hex, with which S3 compares the bytes, and which is noted with the object. */
  sha256?: string;
  /** Needed if the body is a stream. */
  sizeBytes?: number;
}

/**
 * One S3 bucket. Errors of S3 come as SleapRtcErrors.
 * @throws SleapRtcError STORAGE_UNREACHABLE (retryable), NOT_ALLOWED; each method
 */
export class Bucket {
  readonly name: string;
  /** For the other files of `storage/`; nobody else sends commands. */
  readonly s3: S3Client;
  readonly #denied: DeniedCode;

  constructor(s3: S3Client, name: string, { denied = 'NOT_ALLOWED' }: { denied?: DeniedCode } = {}) {
    this.s3 = s3;
    this.name = name;
    this.#denied = denied;
  }

  /** Runs something that uses the client, and converts its errors. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw storageError(error, this.#denied);
    }
  }

  /** Creates the bucket. In production an admin does it. */
  async create(): Promise<void> {
    await this.run(() => this.s3.send(new CreateBucketCommand({ Bucket: this.name })));
  }

  /** @throws if the bucket does not exist or does not answer */
  async check(options: RequestOptions = {}): Promise<void> {
    await this.run(() => this.s3.send(new HeadBucketCommand({ Bucket: this.name }), abortOption(options)));
  }

  /** Returns undefined if there is no such object. */
  async get(
    key: string,
    { range, ...options }: RequestOptions & { range?: { from: number; to?: number } } = {},
  ): Promise<StoredObject | undefined> {
    const part = range === undefined ? {} : { Range: `bytes=${range.from}-${range.to ?? ''}` };
    const command = new GetObjectCommand({ ...this.object(key), ...part });
    return this.run(async () => {
      const reply = await this.s3.send(command, abortOption(options)).catch(undefinedIf(isMissing));
      return reply && this.#opened(reply);
    });
  }

  /** The same if the object has another ETag than the known one, else `unchanged`. */
  async getIfChanged(key: string, knownEtag: string): Promise<StoredObject | 'unchanged' | undefined> {
    const command = new GetObjectCommand({ ...this.object(key), IfNoneMatch: knownEtag });
    return this.run(async () => {
      try {
        return this.#opened(await this.s3.send(command));
      } catch (error) {
        if (isMissing(error)) return undefined;
        if (isNotModified(error)) return 'unchanged';
        throw error;
      }
    });
  }

  /** Returns the new ETag, or undefined if the condition does not hold. */
  async put(key: string, body: string | Uint8Array | Readable, options: PutOptions = {}): Promise<string | undefined> {
    const { contentType, condition, sha256, sizeBytes } = options;
    const command = new PutObjectCommand({
      ...this.object(key),
      Body: body,
      ...(contentType === undefined ? {} : { ContentType: contentType }),
      ...(sizeBytes === undefined ? {} : { ContentLength: sizeBytes }),
      ...(sha256 === undefined ? {} : { ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64') }),
      ...this.note(sha256),
      ...conditionHeaders(condition),
    });
    return this.run(async () => {
      const isLost = (error: unknown) => condition !== undefined && isConflict(error);
      const reply = await this.s3.send(command, abortOption(options)).catch(undefinedIf(isLost));
      return reply && (reply.ETag ?? '');
    });
  }

  /** Returns undefined if there is no such object. */
  async info(key: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    const command = new HeadObjectCommand({ ...this.object(key), ChecksumMode: 'ENABLED' });
    return this.run(async () => {
      const reply = await this.s3.send(command, abortOption(options)).catch(undefinedIf(isMissing));
      if (reply === undefined) return undefined;
      return {
        sizeBytes: reply.ContentLength ?? 0,
        etag: reply.ETag,
        sha256: reply.Metadata?.[SHA256_NOTE],
        checkedSha256: wholeChecksum(reply.ChecksumSHA256),
      };
    });
  }

  /** Copies an object within S3, with its notes. Returns undefined if the source no longer has this ETag, or is gone. */
  async copy(from: string, to: string, etag: string, options: RequestOptions = {}): Promise<ObjectInfo | undefined> {
    const command = new CopyObjectCommand({
      ...this.object(to),
      CopySource: `${this.name}/${encodeURIComponent(from).replaceAll('%2F', '/')}`,
      CopySourceIfMatch: etag,
      ChecksumAlgorithm: 'SHA256', // AWS then computes it for the copy, also if the source was put in parts
    });
    return this.run(async () => {
      const reply = await this.s3.send(command, abortOption(options)).catch(undefinedIf(isConflict));
      return reply && this.info(to, options);
    });
  }

  /** All objects whose keys begin with the prefix, at most `limit`. */
  async list(prefix: string, { limit, ...options }: RequestOptions & { limit?: number } = {}): Promise<ListedObject[]> {
    const found: ListedObject[] = [];
    for await (const { Contents = [] } of this.#pages({ Prefix: prefix, MaxKeys: limit }, options)) {
      found.push(...Contents.map(({ Key = '', Size = 0 }) => ({ key: Key, sizeBytes: Size })));
      if (limit !== undefined && found.length >= limit) break;
    }
    return found.slice(0, limit);
  }

  /** One level below a prefix that ends with a slash: the names of its folders, and the keys of its own objects. */
  async listFolder(prefix: string, options: RequestOptions = {}): Promise<{ folders: string[]; keys: string[] }> {
    const found: { folders: string[]; keys: string[] } = { folders: [], keys: [] };
    for await (const page of this.#pages({ Prefix: prefix, Delimiter: '/' }, options)) {
      for (const { Key = '' } of page.Contents ?? []) found.keys.push(Key);
      for (const { Prefix = '' } of page.CommonPrefixes ?? []) found.folders.push(Prefix.slice(prefix.length, -1));
    }
    return found;
  }

  /** Succeeds also if there is no such object. */
  async remove(key: string, options: RequestOptions = {}): Promise<void> {
    await this.run(() => this.s3.send(new DeleteObjectCommand(this.object(key)), abortOption(options)));
  }

  /** Removes all objects whose keys begin with the prefix. @param options.except a key that stays */
  async removePrefix(prefix: string, { except, ...options }: RequestOptions & { except?: string } = {}): Promise<void> {
    const keys = (await this.list(prefix, options)).map(({ key }) => key).filter((key) => key !== except);
    await inParallel(keys, { limit: REQUESTS_AT_ONCE, signal: options.signal }, (key, signal) =>
      this.remove(key, { signal }),
    );
  }

  /** A URL from which anyone can read the object for so long. */
  link(key: string, lifetimeMs: number): Promise<string> {
    return getSignedUrl(this.s3, new GetObjectCommand(this.object(key)), { expiresIn: lifetimeMs / 1000 });
  }

  /** How commands name an object of this bucket. */
  object(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.name, Key: key };
  }

  /** The metadata that says what a file's SHA-256 is. */
  note(sha256: string | undefined): { Metadata?: Record<string, string> } {
    return sha256 === undefined ? {} : { Metadata: { [SHA256_NOTE]: sha256 } };
  }

  #opened({ Body, ETag, LastModified }: GetObjectCommandOutput): StoredObject {
    if (!(Body instanceof Readable)) throw new Error('in Node the SDK returns a stream');
    return {
      etag: ETag ?? '',
      modifiedMs: LastModified?.getTime() ?? 0,
      stream: () => Body,
      bytes: () => this.run(() => Body.transformToByteArray()),
      text: () => this.run(() => Body.transformToString()),
    };
  }

  async *#pages(input: { Prefix: string; Delimiter?: string; MaxKeys?: number | undefined }, options: RequestOptions) {
    const { MaxKeys, ...where } = input;
    const limited = MaxKeys === undefined ? {} : { MaxKeys };
    const pages = paginateListObjectsV2(
      { client: this.s3 },
      { Bucket: this.name, ...where, ...limited },
      abortOption(options),
    );
    for (;;) {
      const { value, done } = await this.run(() => pages.next());
      if (done === true) return;
      yield value;
    }
  }
}

/** In hex. A checksum with a number of parts behind it (`…=-3`) is not that of the whole object. */
function wholeChecksum(base64: string | undefined): string | undefined {
  return base64 === undefined || base64.includes('-') ? undefined : Buffer.from(base64, 'base64').toString('hex');
}

/** How the SDK takes a signal. */
export function abortOption({ signal }: RequestOptions): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** How S3 takes the condition of a write. */
export function conditionHeaders(condition: WriteCondition | undefined): { IfMatch?: string; IfNoneMatch?: string } {
  if (condition === undefined) return {};
  return condition === 'absent' ? { IfNoneMatch: '*' } : { IfMatch: condition.etag };
}

function undefinedIf(isExpected: (error: unknown) => boolean): (error: unknown) => undefined {
  return (error) => {
    if (!isExpected(error)) throw error;
    return undefined;
  };
}
