import prettyBytes from 'pretty-bytes';

/** Bytes for people, e.g. `43.1 kB`. */
export function bytes(count: number): string {
  return prettyBytes(count);
}

/** Bytes a second for people, e.g. `12.3 MB/s`. */
export function rate(bytesPerSecond: number): string {
  return `${prettyBytes(bytesPerSecond)}/s`;
}

/** A duration for people, e.g. `0:42`, `12:05` or `3:04:05`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number): string => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** A loss with three significant digits, e.g. `0.00231` or `1.2e-7`. */
export function loss(value: number): string {
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** A time of the API in the researcher's time zone, to the minute. A text that is not a time stays unchanged. */
export function when(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `1 worker`, `2 workers`. */
export function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`;
}
