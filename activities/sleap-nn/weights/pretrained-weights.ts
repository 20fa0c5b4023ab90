import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { type ErrorCode, SleapRtcError } from '../../../protocol/errors.ts';

/** Where torchvision publishes its weights. */
const PLACE = 'https://download.pytorch.org/models/';
/** The backbones that sleap-nn starts from weights of torchvision, by the config's name for them. A name ends with its file's hash. */
const FILES: Readonly<Record<string, string>> = {
  ConvNeXt_Tiny_Weights: 'convnext_tiny-983f1562.pth',
  ConvNeXt_Small_Weights: 'convnext_small-0c510722.pth',
  ConvNeXt_Base_Weights: 'convnext_base-6075fbad.pth',
  ConvNeXt_Large_Weights: 'convnext_large-ea097f82.pth',
  Swin_T_Weights: 'swin_t-704ceda3.pth',
  Swin_S_Weights: 'swin_s-5e29d889.pth',
  Swin_B_Weights: 'swin_b-68c6b09e.pth',
};
/** The largest file has 0.8 GB. */
const MAX_BYTES = 2 * 2 ** 30;

/** Weights on the worker's disk. */
export interface CachedWeights {
  /** For sleap-nn's `TORCH_HOME`. */
  torchHome: string;
  file: string;
}

interface FetchOptions {
  workDir: string;
  signal: AbortSignal;
  /** The code of the error if they cannot be had. */
  code: ErrorCode;
  /** Default: torchvision's. */
  source?: { place: string; files: Readonly<Record<string, string>> };
}

/**
 * Fetches weights that others have trained into the worker's folder, where sleap-nn finds them without a network. They are
 * fetched once.
 * @throws SleapRtcError with the given code if the worker does not know the name, cannot fetch the file, or got another one
 */
export async function fetchWeights(name: string, options: FetchOptions): Promise<CachedWeights> {
  const { workDir, signal, code, source = { place: PLACE, files: FILES } } = options;
  const fileName = Object.hasOwn(source.files, name) ? source.files[name] : undefined;
  if (fileName === undefined)
    throw new SleapRtcError(code, `The worker does not know the pre-trained weights ${name}.`);
  const torchHome = join(workDir, 'torch');
  const folder = join(torchHome, 'hub/checkpoints');
  const file = join(folder, fileName);
  if (await stat(file).then(Boolean, () => false)) return { torchHome, file };
  await mkdir(folder, { recursive: true });
  const partial = `${file}.${randomUUID()}.partial`;
  try {
    const { ok, status, body } = await fetch(new URL(fileName, source.place), { signal });
    if (!ok || body === null) throw new Error(`the answer was ${status}`);
    await pipeline(
      Readable.fromWeb(body as ReadableStream<Uint8Array>),
      limited(MAX_BYTES),
      createWriteStream(partial),
      { signal },
    );
    await verify(partial, fileName);
    await rename(partial, file);
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    const message = `The pre-trained weights ${name} could not be fetched from ${source.place}: ${why}.`;
    throw new SleapRtcError(code, message, { cause: error });
  } finally {
    await rm(partial, { force: true });
  }
  return { torchHome, file };
}

/** Fetches several. @throws SleapRtcError as `fetchWeights` */
export function fetchAllWeights(names: readonly string[], options: FetchOptions): Promise<CachedWeights[]> {
  return Promise.all(names.map((name) => fetchWeights(name, options)));
}

/** What a sleap-nn command needs in order to use the weights. */
export function useWeights(weights: readonly CachedWeights[]): { files: string[]; env: Record<string, string> } {
  const [first] = weights;
  return { files: weights.map(({ file }) => file), env: first === undefined ? {} : { TORCH_HOME: first.torchHome } };
}

/** The end of the file's name is the beginning of its SHA-256. */
async function verify(file: string, fileName: string): Promise<void> {
  const expected = /-([0-9a-f]{8})\.pth$/.exec(fileName)?.[1] ?? '';
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  if (!hash.digest('hex').startsWith(expected)) throw new Error('the file is not the one that its name promises');
}

function limited(maxBytes: number) {
  return async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    let bytes = 0;
    for await (const chunk of source) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new Error('the file is larger than it should be');
      yield chunk;
    }
  };
}
