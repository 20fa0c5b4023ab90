/**
 * Every error that a person can see has a code from this table. The code passes unchanged from a worker's activity through
 * Temporal (as the failure's type) to the API and the CLI, which derives the exit code and the remedy from it.
 */

/** What a code means. */
export interface ErrorKind {
  /** The exit code of a CLI command that ends with this error. */
  exitCode: number;
  /** True if a retry can help, as with unavailable infrastructure; false if a person must change something. */
  retryable: boolean;
  /** What the researcher can do, as a sentence. */
  remedy: string;
}

/** Exit codes of the CLI, as documented for researchers. */
export const EXIT = {
  ok: 0,
  internal: 1,
  badInput: 2,
  jobFailed: 3,
  notAllowed: 4,
  unreachable: 5,
  waitedOut: 6,
  cancelled: 7,
  interrupted: 130,
} as const;

const kinds = {
  USAGE: { exitCode: EXIT.badInput, retryable: false, remedy: 'Run the command with --help.' },
  FILE_NOT_FOUND: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Check the path, and check that you may read the file.',
  },
  LABELS_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      'In SLEAP, make a .pkg.slp with Predict → Export Labels Package…, or a *.training_job.zip with Predict → Run Training… → Export training job package….',
  },
  LABELS_CORRUPT: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Open the labels in SLEAP, save the package again, and submit the new file.',
  },
  REFERS_OUTSIDE: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      'Open the labels in SLEAP and save a new package, which contains all its data. If you do not know who made the file, do not use it.',
  },
  VIDEO_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      'Check that the video plays and that it was copied completely. `ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p OUTPUT.mp4` makes a copy that SLEAP can read.',
  },
  CONFIG_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Export the config from SLEAP 1.5 or newer, or write one with `sleap-nn config`.',
  },
  CONFIG_REFUSED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Correct the key that the message names, and submit again.',
  },
  CONFIG_JSON_UNSUPPORTED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      "Convert the config: open the config in SLEAP 1.5 or newer and export it again, or run `python -c \"from sleap_nn.config.training_job_config import TrainingJobConfig as C; C.load_sleap_config('old.json').to_yaml('new.yaml')\"`.",
  },
  PACKAGE_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Export the package from SLEAP again (Predict → Run Training… → Export training job package…).',
  },
  PATH_UNSAFE: { exitCode: EXIT.badInput, retryable: false, remedy: 'Rename the file. Use a plain relative name.' },
  MODEL_EXISTS: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Use the model that the room has, or pass --retrain to train a second one from the same config and data.',
  },
  MODEL_NOT_FOUND: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'List the room’s models with `sleap-rtc models list`.',
  },
  JOB_NOT_FOUND: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'List the room’s jobs with `sleap-rtc jobs list`.',
  },
  JOB_ACTION_REFUSED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'See how the job stands with `sleap-rtc jobs show`.',
  },
  ROOM_EXISTS: { exitCode: EXIT.badInput, retryable: false, remedy: 'Choose another room name.' },
  ROOM_EXPIRED: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy: 'Open the room again with `sleap-rtc rooms open`. You need its token.',
  },
  TOKEN_REFUSED: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy: 'Check the room’s name, and ask the person who created the room for a new invite.',
  },
  SIGN_IN_REQUIRED: {
    exitCode: EXIT.notAllowed,
    retryable: true,
    remedy: 'Run the command again. It signs in automatically.',
  },
  NOT_ALLOWED: { exitCode: EXIT.notAllowed, retryable: false, remedy: 'Ask the room’s owner.' },
  LIMIT_REACHED: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Try again in a minute. If you need more, the lab’s admin can raise the server’s limits.',
  },
  SERVER_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Check --server (or SLEAP_RTC_SERVER) and your network. The server may be restarting.',
  },
  SERVER_ERROR: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Try again in a minute. If the error stays, tell the lab’s admin.',
  },
  TEMPORAL_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Tell the lab’s admin that Temporal is unavailable.',
  },
  CONTROL_UNAVAILABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Try again in a minute. If the error stays, tell the lab’s admin that no control worker is running.',
  },
  STORAGE_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Tell the lab’s admin that the S3 storage is unavailable.',
  },
  STORAGE_REFUSED: {
    exitCode: EXIT.unreachable,
    retryable: false,
    remedy: 'Tell the lab’s admin: the bucket is missing, or does not take what is sent. Nothing finished was deleted.',
  },
  PEER_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'A firewall may block the direct connection. Ask the lab’s admin for a TURN server.',
  },
  PEER_NOT_PROVEN: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy:
      'Use the same invite on both sides: join with `sleap-rtc rooms join` on this machine, and set the invite’s key as SLEAP_RTC_ROOM_KEY of the worker. If the keys are the same, someone may have tampered with the server: tell the lab’s admin.',
  },
  PEER_GONE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'The other side closed the connection. The transfer is tried again automatically.',
  },
  RESEARCHER_AWAY: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy:
      'Run `sleap-rtc jobs attach` on the computer that has the data. The job waits for it and holds no GPU meanwhile.',
  },
  TRANSFER_FAILED: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The transfer is tried again automatically. If the job fails, submit it again.',
  },
  INTEGRITY: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The received bytes are not the bytes that were promised. The transfer is tried again automatically.',
  },
  SOURCE_CHANGED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'The file changed while it was being sent. Close the program that writes it, and submit again.',
  },
  NO_WORKER: {
    exitCode: EXIT.waitedOut,
    retryable: true,
    remedy: 'Start a worker in the room, or wait longer with --wait.',
  },
  WAIT_EXCEEDED: {
    exitCode: EXIT.waitedOut,
    retryable: true,
    remedy: 'The job continues. See how it stands with `sleap-rtc jobs show`.',
  },
  TRAINING_FAILED: { exitCode: EXIT.jobFailed, retryable: false, remedy: 'Read the log with `sleap-rtc jobs log`.' },
  PREDICTION_FAILED: { exitCode: EXIT.jobFailed, retryable: false, remedy: 'Read the log with `sleap-rtc jobs log`.' },
  GPU_OUT_OF_MEMORY: {
    exitCode: EXIT.jobFailed,
    retryable: false,
    remedy: 'Lower trainer_config.train_data_loader.batch_size, or require a larger GPU with --min-gpu-memory.',
  },
  DISK_FULL: {
    exitCode: EXIT.jobFailed,
    retryable: false,
    remedy: 'Free space on that machine, or choose another worker.',
  },
  TRAINER_KILLED: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy:
      'The worker may have too little memory. Lower the batch size or the image scale, or choose a larger worker. The training is tried again from its last checkpoint automatically.',
  },
  GPU_MEMORY_TAKEN: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The job moves to another worker automatically, or waits. Tell the lab’s admin the name of the worker.',
  },
  GPU_BROKEN: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The job moves to another worker automatically. Tell the lab’s admin the name of the worker.',
  },
  WORKER_LOST: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The worker disappeared. The job moves to another worker automatically.',
  },
  GPU_BUSY: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The worker took another job first. The job is tried again automatically.',
  },
  WORKER_UNFIT: {
    exitCode: EXIT.waitedOut,
    retryable: true,
    remedy: 'Wait for a larger worker, or lower what the job requires.',
  },
  JOB_CANCELLED: {
    exitCode: EXIT.cancelled,
    retryable: false,
    remedy: 'Submit the job again if you did not want to cancel it.',
  },
  INTERRUPTED: {
    exitCode: EXIT.interrupted,
    retryable: false,
    remedy: 'The job may continue. See how it stands with `sleap-rtc jobs show`.',
  },
  MESSAGE_INVALID: {
    exitCode: EXIT.internal,
    retryable: false,
    remedy: 'Use the same release of SLEAP-RTC on both sides.',
  },
  MESSAGE_TOO_LARGE: { exitCode: EXIT.internal, retryable: false, remedy: 'Send large data over WebRTC.' },
  PEER_UNKNOWN: { exitCode: EXIT.unreachable, retryable: true, remedy: 'The peer has left the room.' },
  PEER_ID_TAKEN: { exitCode: EXIT.badInput, retryable: false, remedy: 'Choose another worker name.' },
  MANIFEST_DAMAGED: {
    exitCode: EXIT.jobFailed,
    retryable: false,
    remedy:
      'Nothing was overwritten. The lab’s admin can restore the room’s manifest.json from the versions in the bucket.',
  },
  SETUP_FAILED: {
    exitCode: EXIT.internal,
    retryable: false,
    remedy: 'Correct what the message names, and run the command again. It continues where it stopped.',
  },
  INTERNAL: { exitCode: EXIT.internal, retryable: true, remedy: 'Please report this error with the output of --json.' },
} as const satisfies Record<string, ErrorKind>;

/** The code of an error. */
export type ErrorCode = keyof typeof kinds;

/** Every code, in the table's order. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(kinds).filter(isErrorCode);

/** Returns what a code means. An unknown code (from another release) counts as INTERNAL. */
export function errorKind(code: string): ErrorKind {
  return Object.hasOwn(kinds, code) ? kinds[code as ErrorCode] : kinds.INTERNAL;
}

/** True if `code` is in the table. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(kinds, code);
}

/** The only error class: a code, a sentence for the researcher, and a remedy. It never contains a secret. */
export class SleapRtcError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string;

  /**
   * @param code one of the table's codes
   * @param message one sentence in the researcher's words, without the remedy
   * @param options `cause` is for logs; `remedy` replaces the table's remedy
   */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; remedy?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'SleapRtcError';
    this.code = code;
    this.remedy = options.remedy ?? kinds[code].remedy;
  }

  /** The exit code that a CLI command ending with this error has. */
  get exitCode(): number {
    return kinds[this.code].exitCode;
  }

  /** Whether trying again can help. */
  get retryable(): boolean {
    return kinds[this.code].retryable;
  }
}

/** Returns the error itself if it is a SleapRtcError, else one with the code INTERNAL and the same message. */
export function toSleapRtcError(error: unknown): SleapRtcError {
  if (error instanceof SleapRtcError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SleapRtcError('INTERNAL', message, { cause: error });
}
