import type { ZodType } from 'zod';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { JobSpec } from '../../../protocol/jobs/job.ts';
import type { JobAction, JobActionRequest } from '../../../protocol/jobs/job-action.ts';
import { JobView } from '../../../protocol/jobs/job-view.ts';
import { Manifest } from '../../../protocol/models/manifest.ts';
import {
  CreateRoomReply,
  CurveReply,
  DeleteRoomReply,
  JobListReply,
  JobLogReply,
  ModelFilesReply,
  RemoveMemberReply,
  ResultFilesReply,
  ROOM_TOKEN_HEADER,
  RoomReply,
  RotateReply,
} from '../../../protocol/wire/api.ts';
import type { Connection } from '../settings/settings.ts';
import { type ApiRequest, callApi } from './http.ts';
import type { SignIn } from './sign-in.ts';

/** How much longer than another request the deletion of a room may take, in ms: it may have thousands of objects. */
const DELETE_MS = 120_000;

type RoomRequest<T> = Pick<ApiRequest<T>, 'method' | 'reply' | 'repeatable' | 'body' | 'extraMs' | 'signal'>;

/** Creates a room. The request is not repeated if the answer is lost, since it would create a second room. */
export function createRoom(server: string, signIn: SignIn, roomId?: string): Promise<CreateRoomReply> {
  return authorized(signIn, {
    method: 'POST',
    url: `${server}/api/rooms`,
    reply: CreateRoomReply,
    body: roomId === undefined ? {} : { room_id: roomId },
    repeatable: false,
  });
}

/** The HTTP API of one room. Every method throws SleapRtcError with the server's code. */
export class RoomApi {
  readonly connection: Connection;
  readonly signIn: SignIn;

  constructor(connection: Connection, signIn: SignIn) {
    this.connection = connection;
    this.signIn = signIn;
  }

  /** Returns the room. @throws SleapRtcError TOKEN_REFUSED if the token is wrong */
  room(): Promise<RoomReply> {
    return this.#call('', { method: 'GET', reply: RoomReply, repeatable: true });
  }

  /** Opens an expired room again. */
  open(): Promise<RoomReply> {
    return this.#call('/open', { method: 'POST', reply: RoomReply, body: {}, repeatable: true });
  }

  /** Gives the room new tokens for members and viewers. Only for its owner. A lost answer is made up for by another call. */
  rotate(): Promise<RotateReply> {
    return this.#call('/rotate', { method: 'POST', reply: RotateReply, body: {}, repeatable: true });
  }

  /** Refuses a user from now on. Only for the owner. @param member a user's id, or the name of a connected peer */
  removeMember(member: string): Promise<RemoveMemberReply> {
    const body = { member };
    return this.#call('/remove-member', { method: 'POST', reply: RemoveMemberReply, body, repeatable: true });
  }

  /** Deletes the room with its models. Only for its owner. */
  delete(): Promise<DeleteRoomReply> {
    const body = { confirm: this.connection.room };
    return this.#call('/delete', {
      method: 'POST',
      reply: DeleteRoomReply,
      body,
      repeatable: true,
      extraMs: DELETE_MS,
    });
  }

  manifest(): Promise<Manifest> {
    return this.#call('/manifest', { method: 'GET', reply: Manifest, repeatable: true });
  }

  /** Returns a model's files with short-lived URLs. */
  modelFiles(modelId: string): Promise<ModelFilesReply> {
    return this.#call(`/models/${modelId}/files`, { method: 'GET', reply: ModelFilesReply, repeatable: true });
  }

  /** Submits a job. The request may be repeated: the job id identifies the job. */
  submitJob(spec: JobSpec, signal?: AbortSignal): Promise<JobView> {
    return this.#call('/jobs', { method: 'POST', reply: JobView, body: spec, repeatable: true, signal });
  }

  jobs(): Promise<JobListReply> {
    return this.#call('/jobs', { method: 'GET', reply: JobListReply, repeatable: true });
  }

  /** @param options `waitMs`: the server holds the answer back until the job ends, but not longer than this */
  job(jobId: string, options: { waitMs?: number; signal?: AbortSignal } = {}): Promise<JobView> {
    const { waitMs, signal } = options;
    const query = waitMs === undefined ? '' : `?wait_ms=${waitMs}`;
    return this.#call(`/jobs/${jobId}${query}`, {
      method: 'GET',
      reply: JobView,
      repeatable: true,
      extraMs: waitMs,
      signal,
    });
  }

  /** Returns the output of sleap-nn. It is available after the job has ended. */
  jobLog(jobId: string): Promise<JobLogReply> {
    return this.#call(`/jobs/${jobId}/log`, { method: 'GET', reply: JobLogReply, repeatable: true });
  }

  /** Returns the losses of a training job's runs from their first epoch. */
  curve(jobId: string): Promise<CurveReply> {
    return this.#call(`/jobs/${jobId}/curve`, { method: 'GET', reply: CurveReply, repeatable: true });
  }

  /** Returns the files of an inference job's predictions with short-lived URLs. */
  jobResults(jobId: string): Promise<ResultFilesReply> {
    return this.#call(`/jobs/${jobId}/results`, { method: 'GET', reply: ResultFilesReply, repeatable: true });
  }

  /**
   * Sends a job an action: stop, pause, resume or cancel. Resolves once the job has accepted it.
   * @param options `requestId` makes it safe to repeat: the action is carried out once
   */
  controlJob(
    jobId: string,
    action: JobAction,
    { requestId, signal }: { requestId: string; signal?: AbortSignal | undefined },
  ): Promise<JobView> {
    const body: JobActionRequest = { request_id: requestId };
    return this.#call(`/jobs/${jobId}/${action}`, { method: 'POST', reply: JobView, body, repeatable: true, signal });
  }

  #call<T>(path: string, request: RoomRequest<T>): Promise<T> {
    const { server, room, token } = this.connection;
    return authorized(this.signIn, {
      ...request,
      url: `${server}/api/rooms/${room}${path}`,
      headers: { [ROOM_TOKEN_HEADER]: token },
    });
  }
}

/** Adds the identity. Renews it if the server does not accept it any more. */
async function authorized<T>(signIn: SignIn, request: ApiRequest<T> & { reply: ZodType<T> }): Promise<T> {
  const attempt = async (): Promise<T> =>
    callApi({ ...request, headers: { ...request.headers, authorization: `Bearer ${await signIn.idToken()}` } });
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof SleapRtcError) || error.code !== 'SIGN_IN_REQUIRED') throw error;
    signIn.refused();
    return attempt();
  }
}
