/**
 * Every error that a person can meet has a code from this table. The code travels unchanged: from a worker's activity
 * through Temporal (as the failure's type) to the API and the CLI, where it decides the exit code and the remedy shown.
 */

/** What a code means: the CLI's exit code, whether trying again can help, and what the researcher can do. */
export interface ErrorKind {
  exitCode: number;
  /** True for infrastructure trouble that a retry may cure; false where only a person's change can. */
  retryable: boolean;
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
  USAGE: { exitCode: EXIT.badInput, retryable: false, remedy: 'See the command’s --help.' },
  FILE_NOT_FOUND: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Check the path and that you may read the file.',
  },
  LABELS_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      'In SLEAP: Predict → Export Labels Package… makes a .pkg.slp; Export training job package… in Predict → Run Training… a *.training_job.zip.',
  },
  LABELS_CORRUPT: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Open the labels in SLEAP, save the package again, and submit the new file.',
  },
  VIDEO_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      'Check that it plays and was copied whole; `ffmpeg -i INPUT -c:v libx264 -pix_fmt yuv420p OUTPUT.mp4` makes one that SLEAP can read.',
  },
  CONFIG_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Export the config from SLEAP 1.5 or newer, or write one with `sleap-nn config`.',
  },
  CONFIG_REFUSED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Correct the named key in the config and submit again.',
  },
  CONFIG_JSON_UNSUPPORTED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy:
      "Convert it: open it in SLEAP 1.5 or newer and export again, or run `python -c \"from sleap_nn.config.training_job_config import TrainingJobConfig as C; C.load_sleap_config('old.json').to_yaml('new.yaml')\"`.",
  },
  PACKAGE_INVALID: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Export it from SLEAP again (Predict → Run Training… → Export training job package…).',
  },
  PATH_UNSAFE: { exitCode: EXIT.badInput, retryable: false, remedy: 'Rename the file: plain relative names only.' },
  MODEL_EXISTS: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'Use the model that is there, or pass --again to train a second one from the same config and data.',
  },
  MODEL_NOT_FOUND: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'See what the room has with `sleap-rtc models list`.',
  },
  JOB_NOT_FOUND: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'See the room’s jobs with `sleap-rtc jobs list`.',
  },
  ROOM_EXISTS: { exitCode: EXIT.badInput, retryable: false, remedy: 'Choose another room name.' },
  ROOM_UNKNOWN: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy: 'Check the room’s name, or make one with `sleap-rtc rooms create`.',
  },
  ROOM_EXPIRED: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy: 'Reopen it with `sleap-rtc rooms open`, its token at hand.',
  },
  TOKEN_REFUSED: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy: 'Ask whoever made the room for a fresh invite.',
  },
  SIGN_IN_REQUIRED: {
    exitCode: EXIT.notAllowed,
    retryable: true,
    remedy: 'Run the command again: it signs in by itself.',
  },
  NOT_ALLOWED: { exitCode: EXIT.notAllowed, retryable: false, remedy: 'Ask the room’s owner.' },
  SERVER_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Check --server (or SLEAP_RTC_SERVER) and your network; the server may be restarting.',
  },
  SERVER_ERROR: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Try again shortly; tell the lab’s admin if it goes on.',
  },
  TEMPORAL_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Tell the lab’s admin that Temporal is away.',
  },
  STORAGE_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'Tell the lab’s admin that the S3 storage is away.',
  },
  PEER_UNREACHABLE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'A firewall may block the direct path: ask the lab’s admin for a TURN server.',
  },
  PEER_NOT_PROVEN: {
    exitCode: EXIT.notAllowed,
    retryable: false,
    remedy:
      'Use the same invite on both sides: `sleap-rtc rooms join` here, its key as the worker’s SLEAP_RTC_ROOM_KEY. If they are the same, the server may be lying: tell the lab’s admin.',
  },
  PEER_GONE: {
    exitCode: EXIT.unreachable,
    retryable: true,
    remedy: 'The other side went away; it is tried again by itself.',
  },
  TRANSFER_FAILED: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'It is tried again by itself; else submit again.',
  },
  INTEGRITY: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The bytes that arrived were not those promised; it is tried again.',
  },
  SOURCE_CHANGED: {
    exitCode: EXIT.badInput,
    retryable: false,
    remedy: 'The file changed while it was being sent: close the program that writes it and submit again.',
  },
  NO_WORKER: {
    exitCode: EXIT.waitedOut,
    retryable: true,
    remedy: 'Start a worker in the room, or wait longer with --wait.',
  },
  WAIT_EXCEEDED: {
    exitCode: EXIT.waitedOut,
    retryable: true,
    remedy: 'The job goes on; look again with `sleap-rtc jobs show`.',
  },
  TRAINING_FAILED: { exitCode: EXIT.jobFailed, retryable: false, remedy: 'Read the log: `sleap-rtc jobs log`.' },
  PREDICTION_FAILED: { exitCode: EXIT.jobFailed, retryable: false, remedy: 'Read the log: `sleap-rtc jobs log`.' },
  GPU_OUT_OF_MEMORY: {
    exitCode: EXIT.jobFailed,
    retryable: false,
    remedy: 'Lower trainer_config.train_data_loader.batch_size, or ask for a larger GPU with --min-gpu-memory.',
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
      'The worker may have too little memory: lower the batch size or the image scale, or choose a larger worker. It is tried again from the last checkpoint.',
  },
  GPU_BROKEN: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The job moves to another worker by itself; tell the lab’s admin which worker it was.',
  },
  WORKER_LOST: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The worker went away; the job moves to another by itself.',
  },
  GPU_BUSY: {
    exitCode: EXIT.jobFailed,
    retryable: true,
    remedy: 'The worker took another job first; it is tried again.',
  },
  WORKER_UNFIT: { exitCode: EXIT.waitedOut, retryable: true, remedy: 'Wait for a larger worker, or ask for less.' },
  JOB_CANCELLED: { exitCode: EXIT.cancelled, retryable: false, remedy: 'Submit it again if that was not meant.' },
  INTERRUPTED: {
    exitCode: EXIT.interrupted,
    retryable: false,
    remedy: 'The job may go on; look with `sleap-rtc jobs show`.',
  },
  MESSAGE_INVALID: { exitCode: EXIT.internal, retryable: false, remedy: 'Use the same release on both sides.' },
  MESSAGE_TOO_LARGE: { exitCode: EXIT.internal, retryable: false, remedy: 'Send large data over WebRTC.' },
  PEER_UNKNOWN: { exitCode: EXIT.unreachable, retryable: true, remedy: 'The peer has left the room.' },
  PEER_ID_TAKEN: { exitCode: EXIT.badInput, retryable: false, remedy: 'Choose another worker name.' },
  MANIFEST_DAMAGED: {
    exitCode: EXIT.jobFailed,
    retryable: false,
    remedy: 'Nothing was overwritten: the lab’s admin can restore the room’s manifest.json from the bucket’s versions.',
  },
  SETUP_FAILED: {
    exitCode: EXIT.internal,
    retryable: false,
    remedy: 'Correct what is named, then run it again: it goes on where it was.',
  },
  INTERNAL: { exitCode: EXIT.internal, retryable: true, remedy: 'Please report this, with the output of --json.' },
} as const satisfies Record<string, ErrorKind>;

/** The codes an error can have. */
export type ErrorCode = keyof typeof kinds;

/** Every code, for those who list them. */
export const ERROR_CODES: readonly ErrorCode[] = Object.keys(kinds).filter(isErrorCode);

/** Looks a code up; an unknown one (from a newer release) counts as INTERNAL. */
export function errorKind(code: string): ErrorKind {
  return Object.hasOwn(kinds, code) ? kinds[code as ErrorCode] : kinds.INTERNAL;
}

/** True where `code` is one of ours. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(kinds, code);
}

/** The one error class: a code, a sentence for the researcher, and what to do next. Never carries a secret. */
export class SleapRtcError extends Error {
  readonly code: ErrorCode;
  readonly remedy: string;

  /**
   * @param code one of the table's codes
   * @param message one sentence, in the researcher's words, without the remedy
   * @param options `cause` for logs; `remedy` where a better one than the table's is known
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

/** Turns anything thrown into a SleapRtcError; what is not ours becomes INTERNAL with its message kept. */
export function toSleapRtcError(error: unknown): SleapRtcError {
  if (error instanceof SleapRtcError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new SleapRtcError('INTERNAL', message, { cause: error });
}
