/** Formats numbers, times and phases for people. */
import type { JobPhase } from '../../protocol/jobs/job.ts';

const BYTE_UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes, e.g. `43.1 kB`. */
export function bytes(count: number): string {
  const power = count < 1000 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(count) / 3));
  const value = count / 1000 ** power;
  return `${power === 0 ? Math.round(value) : Number(value.toPrecision(3))} ${BYTE_UNITS[power]}`;
}

/** Memory of a GPU in MB (2^20 bytes), as its maker prints it, e.g. `24 GB`. */
export function gpuMemory(megabytes: number): string {
  return megabytes < 1024 ? `${megabytes} MB` : `${Math.round(megabytes / 1024)} GB`;
}

/** A duration, e.g. `42 s`, `12 min`, `3 h 4 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const rest = minutes % 60;
  return `${Math.floor(minutes / 60)} h${rest === 0 ? '' : ` ${rest} min`}`;
}

/** A loss with three significant digits, e.g. `0.00231` or `1.2e-7`. */
export function loss(value: number | null): string {
  if (value === null) return '–';
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** A time of the API in the reader's time zone, e.g. `today 14:05` or `3 Nov 2025, 14:05`. */
export function when(iso: string, now = new Date()): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const time = date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
  if (date.toDateString() === now.toDateString()) return `today ${time}`;
  const year = date.getFullYear() === now.getFullYear() ? {} : ({ year: 'numeric' } as const);
  return `${date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short', ...year })}, ${time}`;
}

/** `1 worker`, `2 workers`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}

/** A user's id, shortened if it is a UUID: its beginning is enough to distinguish people. */
export function person(userId: string): string {
  return /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(userId) ? userId.slice(0, 8) : userId;
}

/** `multi_class_topdown` as `multi class topdown`. */
export function modelType(type: string): string {
  return type.replaceAll('_', ' ');
}

/** The words for each phase, and whether a job in it has ended. */
export const PHASES: Record<JobPhase, { doing: string; ended: boolean }> = {
  queued: { doing: 'Waiting for a worker', ended: false },
  awaiting_data: { doing: 'Waiting for the computer that has the data', ended: false },
  receiving: { doing: 'Receiving the data', ended: false },
  training: { doing: 'Training', ended: false },
  predicting: { doing: 'Predicting', ended: false },
  uploading: { doing: 'Uploading the model', ended: false },
  publishing: { doing: 'Publishing to the room', ended: false },
  returning: { doing: 'Returning the results', ended: false },
  paused: { doing: 'Paused', ended: false },
  done: { doing: 'Done', ended: true },
  failed: { doing: 'Failed', ended: true },
  cancelled: { doing: 'Cancelled', ended: true },
};

/** The phases of a job, in order. */
export const STORY: Record<'training' | 'inference', readonly JobPhase[]> = {
  training: ['queued', 'receiving', 'training', 'uploading', 'publishing', 'returning', 'done'],
  inference: ['queued', 'receiving', 'predicting', 'returning', 'done'],
};
