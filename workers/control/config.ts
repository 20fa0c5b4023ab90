import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { LogLevel } from '../../protocol/log-level.ts';
import type { Deployment } from './deployment.ts';

const Environment = z.object({
  SLEAP_RTC_BUCKET: z.string().min(1).default('sleap-rtc-rooms'),
  TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233'),
  TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  AWS_ENDPOINT_URL_S3: z.union([z.literal(''), z.url()]).optional(),
  SLEAP_RTC_BUILD_ID: z.string().max(200).default(''),
  SLEAP_RTC_DEPLOYMENT: z.string().min(1).max(200).default('sleap-rtc'),
  SLEAP_RTC_LOG_LEVEL: LogLevel,
});

/** The control worker's configuration. Credentials for S3 are read by the AWS SDK itself, from the environment or the worker's role. */
export interface ControlWorkerConfig {
  bucket: string;
  temporal: { address: string; namespace: string };
  /** True for S3 servers other than AWS: the bucket is part of the path, not of the host name. */
  s3PathStyle: boolean;
  /** If set, running jobs stay with the release that they started on. If undefined, every job goes on with this one. */
  deployment: Deployment | undefined;
  logLevel: string;
}

/**
 * Reads the configuration from environment variables.
 * @throws SleapRtcError USAGE naming the variable
 */
export function readControlWorkerConfig(environment: NodeJS.ProcessEnv): ControlWorkerConfig {
  const parsed = Environment.safeParse(environment);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const message = `The control worker’s setting ${issue?.path.join('.')} is missing or wrong: ${issue?.message}`;
    throw new SleapRtcError('USAGE', message, { remedy: 'Set it in the control worker’s environment.' });
  }
  const env = parsed.data;
  return {
    bucket: env.SLEAP_RTC_BUCKET,
    temporal: { address: env.TEMPORAL_ADDRESS, namespace: env.TEMPORAL_NAMESPACE },
    s3PathStyle: Boolean(env.AWS_ENDPOINT_URL_S3),
    deployment:
      env.SLEAP_RTC_BUILD_ID === '' ? undefined : { name: env.SLEAP_RTC_DEPLOYMENT, buildId: env.SLEAP_RTC_BUILD_ID },
    logLevel: env.SLEAP_RTC_LOG_LEVEL,
  };
}
