import { z } from 'zod';
import { FileEntry, MAX_FILES } from '../files.ts';
import { PeerId, RoomId, UserId } from '../ids.ts';
import { MAX_RUNS } from '../jobs/job.ts';
import { JobView } from '../jobs/job-view.ts';
import { RunCurve } from '../jobs/run-curve.ts';
import { Count, clippedText, TimeText } from '../text.ts';

/** Most jobs in a list. */
export const MAX_LISTED_JOBS = 100;
/** Longest log in one answer, in characters: the ends of all logs of a job together. */
export const MAX_LOG_LENGTH = 4 * 1024 * 1024;

/** Header with the room's token; `Authorization: Bearer` carries the identity token. */
export const ROOM_TOKEN_HEADER = 'x-room-token';

const RefreshToken = z.string().min(1).max(4096);

/** `POST /anonymous-signin` and `POST /refresh-signin`: an anonymous Cognito user's tokens. */
export const SignInReply = z.object({
  user_id: z.string().max(128),
  id_token: z.string().max(8192),
  expires_at: z.iso.datetime().max(40),
  /** For `/refresh-signin`: a new identity token of the same user. */
  refresh_token: RefreshToken,
});
export type SignInReply = z.infer<typeof SignInReply>;

/** `POST /refresh-signin`. Refused with SIGN_IN_REQUIRED if the identity service does not know the token. */
export const RefreshSignInRequest = z.object({ refresh_token: RefreshToken });

/** `POST /api/rooms`: the room's name may be chosen. */
export const CreateRoomRequest = z.object({ room_id: RoomId.optional() });
/** What a token allows: `viewer` reads models and jobs, `member` also runs jobs, `owner` also changes and deletes the room. */
export const RoomRole = z.enum(['owner', 'member', 'viewer']);
export type RoomRole = z.infer<typeof RoomRole>;

const RoomToken = z.string().max(256);

/** The only time that the tokens are shown. Times are ISO 8601. */
export const CreateRoomReply = z.object({
  room_id: RoomId,
  /** The members' token. */
  token: RoomToken,
  owner_token: RoomToken,
  viewer_token: RoomToken,
  created_at: TimeText,
  expires_at: TimeText,
});
export type CreateRoomReply = z.infer<typeof CreateRoomReply>;

/** `GET /api/rooms/{room}`. */
export const RoomReply = z.object({
  room_id: RoomId,
  created_at: TimeText,
  expires_at: TimeText,
  workers: Count,
  peers: Count,
  /** What the caller's token allows. */
  role: RoomRole,
});
export type RoomReply = z.infer<typeof RoomReply>;

/** `POST /api/rooms/{room}/rotate`: new tokens of members and viewers; the old ones open the room no more. The owner's stays. */
export const RotateReply = z.object({ room_id: RoomId, token: RoomToken, viewer_token: RoomToken });
export type RotateReply = z.infer<typeof RotateReply>;

/** `POST /api/rooms/{room}/remove-member`: a user's id, or the name of a peer that is connected. */
export const RemoveMemberRequest = z.object({ member: z.union([UserId, PeerId]) });
export const RemoveMemberReply = z.object({ room_id: RoomId, user_id: UserId });
export type RemoveMemberReply = z.infer<typeof RemoveMemberReply>;

/** `POST /api/rooms/{room}/delete`: the room's name once more, so that nobody deletes another room by mistake. */
export const DeleteRoomRequest = z.object({ confirm: RoomId });
export const DeleteRoomReply = z.object({ room_id: RoomId, jobs_cancelled: Count });
export type DeleteRoomReply = z.infer<typeof DeleteRoomReply>;

/**
 * `GET /api/rooms/{room}/jobs`, newest first. `POST /api/rooms/{room}/jobs` and `GET /api/rooms/{room}/jobs/{job}` (`?wait_ms=` waits
 * for the end, at most 30 s) answer with one `JobView`.
 */
export const JobListReply = z.object({ jobs: z.array(JobView).max(MAX_LISTED_JOBS) });
export type JobListReply = z.infer<typeof JobListReply>;

/** `GET /api/rooms/{room}/jobs/{job}/log`: the logs of the job's sleap-nn runs, each under its name. */
export const JobLogReply = z.object({ log: z.string().max(MAX_LOG_LENGTH) });
export type JobLogReply = z.infer<typeof JobLogReply>;

/** `GET /api/rooms/{room}/jobs/{job}/curve`: a curve a run that has finished an epoch, in the order of the runs. */
export const CurveReply = z.object({ runs: z.array(RunCurve).max(MAX_RUNS) });
export type CurveReply = z.infer<typeof CurveReply>;

/** `GET /api/rooms/{room}/models/{model}/files`: a link to each file, which works for some minutes. */
export const ModelFilesReply = z.object({
  files: z.array(FileEntry.extend({ url: z.string().max(8192) })).max(MAX_FILES),
});
export type ModelFilesReply = z.infer<typeof ModelFilesReply>;

/** `GET /api/rooms/{room}/jobs/{job}/results`: the same for an inference job's predictions. */
export const ResultFilesReply = z.object(ModelFilesReply.shape);
export type ResultFilesReply = z.infer<typeof ResultFilesReply>;

/** Body of every answer that is not 2xx. */
export const ErrorReply = z.object({
  error: z.object({ code: z.string().max(64), message: clippedText(4000), remedy: clippedText(1000) }),
});
export type ErrorReply = z.infer<typeof ErrorReply>;
