import { type ErrorCode, SleapRtcError } from '../../../protocol/errors.ts';
import { lastException, type PythonException } from './python-traceback.ts';

/** What is known of a sleap-nn that failed. */
export interface SleapNnFailure {
  exitCode: number;
  /** The end of its log, a few hundred lines. */
  logTail: string;
  /** Names of the files that it read, as the researcher knows them. */
  inputs: readonly string[];
  /** The code if no rule fits. */
  otherwise: 'TRAINING_FAILED' | 'PREDICTION_FAILED';
}

interface Explanation {
  code: ErrorCode;
  message: string;
  remedy?: string;
}

type Rule = (failure: SleapNnFailure, exception: PythonException) => Explanation | undefined;

/** Longest message passed on, in characters: some exceptions print whole arrays. */
const MAX_MESSAGE_CHARS = 400;

const CONFIG_KEY = /\b(?:data_config|model_config|trainer_config)\.[\w.]*\w/;

/** Errors that sleap-nn's readers of configs raise; they quote keys and values of the config. */
const CONFIG_ERROR = /^(hydra|omegaconf|yaml)\./;
/** The same readers, and sleap-nn's own checks of configs, as they appear in tracebacks. */
const CONFIG_CODE = /(^|[/.])(hydra|omegaconf|yaml|sleap_nn[/.]config)[/.]/;
/** Reads labels and videos; its errors quote their names and contents. */
const READER_CODE = /(^|\/)(sleap_io|h5py|cv2|av|imageio)\//;

/** torch's out-of-memory errors. A config or a file cannot choose the type of an exception. */
const OUT_OF_MEMORY = /^torch\.(cuda\.)?OutOfMemoryError$/;
/** What torch raises if driver or card are at fault; `pynvml` is NVIDIA's library that asks the driver. */
const GPU_ERROR = /^(torch\.AcceleratorError|pynvml\.[\w.]*NVMLError\w*)$/;
/** torch's own words for it, at the beginning of a RuntimeError. */
const GPU_MESSAGE =
  /^(No CUDA GPUs are available|Unexpected error from cudaGetDeviceCount|CUDA driver (initialization|version)|CUDA unknown error|Found no NVIDIA driver|CUDA error: (unknown error|unspecified launch failure|uncorrectable|no CUDA-capable|all CUDA-capable|initialization error|system |CUDA-capable device\(s\))|cuDNN error: CUDNN_STATUS_NOT_INITIALIZED)/;

/**
 * The first rule that fits explains the failure. Each comes from a real log (`fixtures/*.log`), unless its comment says
 * otherwise.
 *
 * A log contains text of the job: names of files, keys of configs, labels. So a rule that blames the worker looks at the exception's type
 * and at the module that raised it, and at a message only where the library itself begins it. Even so a job may forge a log: nothing
 * that is read from it takes a worker out of service (`workers/gpu/health/`).
 */
const RULES: readonly Rule[] = [
  // Without a fixture, since it needs a GPU: torch.OutOfMemoryError, "CUDA out of memory. Tried to allocate …".
  (_, { type, message, frames }) =>
    OUT_OF_MEMORY.test(type) ||
    ((GPU_ERROR.test(type) || isFromTorch(type, frames)) &&
      /^(CUDA (error: )?out of memory|cuDNN error: CUDNN_STATUS_ALLOC_FAILED)/.test(message))
      ? { code: 'GPU_OUT_OF_MEMORY', message: `The GPU has too little memory for this config${memorySizes(message)}.` }
      : undefined,
  // Without a fixture too: torch's wording if the driver or the card is at fault, not the job.
  (_, { type, message, frames }) =>
    /^pynvml\./.test(type) || ((GPU_ERROR.test(type) || isFromTorch(type, frames)) && GPU_MESSAGE.test(message))
      ? { code: 'GPU_BROKEN', message: `The worker’s GPU does not work: ${message.split('\n')[0]}` }
      : undefined,
  (_, exception) => (isDiskFull(exception) ? { code: 'DISK_FULL', message: 'The worker’s disk is full.' } : undefined),
  // Without a fixture: a data loader that the system killed takes the training with it, which goes on from its checkpoint.
  (_, { type, message, frames }) =>
    isFromTorch(type, frames) &&
    /^DataLoader worker \(pid(\(s\))? [\d, ]+\) (is killed by signal|exited unexpectedly)/.test(message)
      ? {
          code: 'TRAINER_KILLED',
          message: 'A process of sleap-nn that loads the data was killed; the machine may have too little memory.',
        }
      : undefined,
  // The case of shared memory has no fixture; the message is torch's.
  (_, { type, message, frames }) =>
    type === 'MemoryError' ||
    (type === 'OSError' && message.startsWith('[Errno 12]')) ||
    (isFromTorch(type, frames) &&
      /^(\[enforce fail at alloc_cpu|DefaultCPUAllocator: can't allocate|unable to (write to file|allocate shared memory|mmap|open shared))/.test(
        message,
      ))
      ? {
          code: 'TRAINING_FAILED',
          message: 'The worker has too little memory for this config.',
          remedy: 'Lower the batch size, the number of filters or the image scale, or choose another worker.',
        }
      : undefined,
  (_, { type, message, details }) => {
    const key = details.full_key;
    if (!/^(omegaconf|hydra)\./.test(type) || key === undefined) return undefined;
    return { code: 'CONFIG_REFUSED', message: `sleap-nn refuses ${key}: ${message}` };
  },
  (_, { message }) =>
    CONFIG_KEY.test(message)
      ? { code: 'CONFIG_REFUSED', message: `sleap-nn refuses the config: ${message}` }
      : undefined,
  (_, { frames, message }) => {
    if (!frames.some((frame) => /sleap_nn[/.]config[/.]/.test(frame))) return undefined;
    // `<attrs generated methods sleap_nn.config.trainer_config.OptimizerConfig>` is in the traceback if a value was out of bounds.
    const section = frames
      .map((frame) => /sleap_nn\.config\.(\w+)\.(\w+)>/.exec(frame))
      .findLast((match) => match !== null);
    const place = section ? ` (${section[1]}, ${section[2]})` : '';
    return { code: 'CONFIG_REFUSED', message: `sleap-nn refuses the config${place}: ${message}` };
  },
  (_, { type }) =>
    CONFIG_ERROR.test(type) ? { code: 'CONFIG_REFUSED', message: 'sleap-nn cannot read the config.' } : undefined,
  ({ otherwise, inputs: [input = ''] }, { frames, message }) =>
    otherwise === 'PREDICTION_FAILED' && !input.endsWith('.slp') && isUnreadableVideo(frames, message)
      ? { code: 'VIDEO_INVALID', message: `${input} cannot be read as a video: ${afterColon(message)}` }
      : undefined,
  ({ inputs }, { type, frames, message }) =>
    frames.some((frame) => /sleap_io\/io\//.test(frame)) && !/^(Memory|Import|ModuleNotFound)/.test(type)
      ? { code: 'LABELS_CORRUPT', message: `${inputs.join(', ')} cannot be read as SLEAP labels: ${message}` }
      : undefined,
  // Checks of sleap-nn on the labels, e.g. "Single-instance training requires at most one instance per frame".
  ({ otherwise }, { type, frames, message }) =>
    type === 'ValueError' && /sleap_nn\/training\/model_trainer\.py/.test(frames.at(-1) ?? '')
      ? {
          code: otherwise,
          message: `sleap-nn refuses these labels with this config: ${message}`,
          remedy: 'Change the labels or the config as it says, and submit again.',
        }
      : undefined,
];

/** True if torch may have raised it: a RuntimeError, and no reader of configs, labels or videos was at work. */
function isFromTorch(type: string, frames: readonly string[]): boolean {
  const raisedIn = frames.at(-1) ?? '';
  return type === 'RuntimeError' && !CONFIG_CODE.test(raisedIn) && !READER_CODE.test(raisedIn);
}

/** Python's own error, or HDF5's, whose message ends with the system's: `…, errno = 28, error message = 'No space left on device', …`. */
function isDiskFull({ type, message, frames }: PythonException): boolean {
  if (type === 'OSError')
    return /^\[Errno (28|122)\]/.test(message) || /file write failed: .*errno = 28, error message/.test(message);
  return isFromTorch(type, frames) && /^\[enforce fail at inline_container\.cc.*No space left on device/.test(message);
}

/** The sizes in torch's message, e.g. `Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 7.79 GiB of which …`. */
function memorySizes(message: string): string {
  const [, wanted] = /Tried to allocate ([\d.]+ [KMG]iB)/.exec(message) ?? [];
  const [, total] = /total capacity of ([\d.]+ [KMG]iB)/.exec(message) ?? [];
  return wanted === undefined || total === undefined ? '' : `: it has ${total}, and ${wanted} more were needed`;
}

/** sleap-nn reads one frame before it begins. If a video breaks off later, sleap-io fails. */
function isUnreadableVideo(frames: readonly string[], message: string): boolean {
  return (
    message.startsWith('Could not read ') || frames.some((frame) => /sleap_io\/io\/video_reading\.py$/.test(frame))
  );
}

/** The reason without its beginning, e.g. of `Could not read clip.mp4 with OpenCV or PyAV: it reports no frames.` */
function afterColon(message: string): string {
  return message.replace(/^Could not read .*?: /, '');
}

/**
 * Explains why sleap-nn failed, in one sentence for the researcher. Folders of the worker's machine are left out.
 */
export function explainFailure(failure: SleapNnFailure): SleapRtcError {
  const exception = lastException(failure.logTail);
  const program = failure.otherwise === 'TRAINING_FAILED' ? 'sleap-nn train' : 'sleap-nn predict';
  if (exception !== undefined) {
    for (const rule of RULES) {
      const found = rule(failure, exception);
      if (found !== undefined) return toError(found, failure);
    }
    return toError(
      { code: failure.otherwise, message: `${program} failed: ${exception.message || exception.type}` },
      failure,
    );
  }
  const line = failure.logTail.trimEnd().split('\n').at(-1)?.trim();
  return toError(
    {
      code: failure.otherwise,
      message: `${program} ended with exit code ${failure.exitCode}${line ? `: ${line}` : ''}`,
    },
    failure,
  );
}

function toError({ code, message, remedy }: Explanation, failure: SleapNnFailure): SleapRtcError {
  const known = code === 'TRAINING_FAILED' ? failure.otherwise : code;
  const text = withoutFolders(message).replaceAll(/\s+/g, ' ').slice(0, MAX_MESSAGE_CHARS);
  return new SleapRtcError(known, /[.!?]$/.test(text) ? text : `${text}.`, remedy === undefined ? {} : { remedy });
}

/** Cuts absolute paths to their last part: the rest concerns the worker, and means nothing to a researcher. */
export function withoutFolders(text: string): string {
  return text.replaceAll(/(?<![\w.:/])\/(?:[^\s/'"`:]+\/)+([^\s/'"`:]*)/g, '$1');
}
