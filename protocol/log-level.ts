import { z } from 'zod';

/** The level of a process's log, from `SLEAP_RTC_LOG_LEVEL`. An empty value counts as unset: a composition passes variables so. */
export const LogLevel = z
  .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent', ''])
  .default('info')
  .transform((level) => level || 'info');
