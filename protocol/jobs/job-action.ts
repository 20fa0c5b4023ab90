import { z } from 'zod';

/** What a researcher can ask of a running job. */
export const JobAction = z.enum(['stop', 'pause', 'resume', 'cancel']);
export type JobAction = z.infer<typeof JobAction>;

/**
 * Body of `POST /api/rooms/{room}/jobs/{job}/{action}`, answered with a `JobView` once the job has accepted the action.
 * A request that is sent again under the same id has the same answer, and is carried out once.
 */
export const JobActionRequest = z.object({
  request_id: z
    .string()
    .regex(/^[A-Za-z0-9-]{8,64}$/)
    .optional(),
});
export type JobActionRequest = z.infer<typeof JobActionRequest>;
