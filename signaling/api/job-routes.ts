import { randomUUID } from 'node:crypto';
import express, { type Request, type Response, Router } from 'express';
import { z } from 'zod';
import { SleapRtcError } from '../../protocol/errors.ts';
import { JobId } from '../../protocol/ids.ts';
import { JobSpec } from '../../protocol/jobs/job.ts';
import { JobAction, JobActionRequest } from '../../protocol/jobs/job-action.ts';
import type { JobView } from '../../protocol/jobs/job-view.ts';
import type { JobListReply, JobLogReply } from '../../protocol/wire/api.ts';
import type { VerifyIdToken } from '../auth/identity.ts';
import type { JobViews } from '../job-views/job-views.ts';
import { holderOf } from '../jobs/data-locality.ts';
import type { JobLimits } from '../jobs/job-limits.ts';
import type { ReadJobLogs } from '../models/job-logs.ts';
import type { PeerDirectory } from '../peers/directory.ts';
import type { Rooms } from '../rooms/rooms.ts';
import { perMinute, perUserAndMinute } from './rate-limit.ts';
import { requireIdentity, requireMember, requireRoom, roomOf, userOf } from './require-room.ts';

/** Largest job spec: it becomes part of a workflow's history, in which Temporal allows 2 MB a payload. */
const MAX_SPEC = '1mb';
/** Longest wait for a job's end in one request; proxies cut idle requests at 60 s. */
const MAX_WAIT_MS = 30_000;

const StatusQuery = z.object({ wait_ms: z.coerce.number().int().min(0).max(MAX_WAIT_MS).default(0) });

/** Submitting, watching, pausing, stopping and cancelling jobs, and reading their logs. */
export function jobRoutes(parts: {
  rooms: Pick<Rooms, 'enter' | 'touch'>;
  jobViews: JobViews;
  limits: JobLimits;
  /** Submissions a minute of one user, and from one address. */
  jobsPerMinute: number;
  directory: Pick<PeerDirectory, 'peers'>;
  readLogs: ReadJobLogs;
  verifyIdToken: VerifyIdToken;
  /** Aborted when the server stops, so that nobody waits for an answer. */
  stopping: AbortSignal;
}): Router {
  const { rooms, jobViews } = parts;
  const router = Router();
  const door = [requireIdentity(parts.verifyIdToken), requireRoom(rooms)] as const;

  const reply = (res: Response, view: JobView) => res.json(view);

  const submissions = [
    perMinute(parts.jobsPerMinute, 'new jobs'),
    ...door,
    requireMember,
    perUserAndMinute(parts.jobsPerMinute, 'new jobs'),
    express.json({ limit: MAX_SPEC }),
  ];
  router.post('/api/rooms/:room/jobs', ...submissions, async (req, res) => {
    const spec = JobSpec.parse(req.body);
    const room = roomOf(res);
    const holder = holderOf(spec, parts.directory.peers(room.room_id));
    const context = {
      room_id: room.room_id,
      user_id: userOf(res).user_id,
      submitted_at: new Date().toISOString(),
      ...(holder === undefined ? {} : { first_offer_to: holder }),
    };
    await parts.limits.admit(spec, context);
    await rooms.touch(room);
    reply(res, await jobViews.submit(spec, context));
  });

  router.get('/api/rooms/:room/jobs', ...door, async (_req, res) => {
    const body: JobListReply = { jobs: await jobViews.list(roomOf(res).room_id) };
    res.json(body);
  });

  router.get('/api/rooms/:room/jobs/:job', ...door, async (req, res) => {
    const { wait_ms: waitMs } = StatusQuery.parse(req.query);
    const signal = notAwaited(res, parts.stopping);
    reply(res, await jobViews.read(roomOf(res).room_id, jobIn(req), { waitMs, signal }));
  });

  router.get('/api/rooms/:room/jobs/:job/log', ...door, async (req, res) => {
    const log: JobLogReply = { log: await parts.readLogs(roomOf(res).room_id, jobIn(req)) };
    res.json(log);
  });

  for (const action of JobAction.options) {
    router.post(
      `/api/rooms/:room/jobs/:job/${action}`,
      ...door,
      requireMember,
      express.json({ limit: '1kb' }),
      async (req, res) => {
        const { request_id = randomUUID() } = JobActionRequest.parse(req.body ?? {});
        const [{ room_id }, jobId] = [roomOf(res), jobIn(req)];
        parts.limits.admitAction(room_id, jobId, action, request_id);
        reply(res, await jobViews.control(room_id, jobId, action, request_id));
      },
    );
  }

  return router;
}

/** A job named in a path. An id that no job can have is unknown like any other. */
export function jobIn(req: Pick<Request, 'params'>): string {
  const job = JobId.safeParse(req.params.job);
  if (!job.success) throw new SleapRtcError('JOB_NOT_FOUND', 'There is no job of that id.');
  return job.data;
}

/**
 * Aborts when the client has disconnected or is answered, or when the server stops. `AbortSignal.any` would keep each such signal as long as
 * the server runs: https://github.com/nodejs/node/issues/64476
 */
function notAwaited(res: Response, stopping: AbortSignal): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  if (stopping.aborted) abort();
  stopping.addEventListener('abort', abort);
  res.once('close', () => {
    stopping.removeEventListener('abort', abort);
    abort();
  });
  return controller.signal;
}
