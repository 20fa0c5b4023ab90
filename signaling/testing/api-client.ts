import { CreateRoomReply, ErrorReply, ROOM_TOKEN_HEADER, SignInReply } from '../../protocol/wire/api.ts';

/** Credentials of one user in one room. */
export interface Credentials {
  idToken?: string | undefined;
  roomToken?: string | undefined;
}

/** An answer, for tests. */
export interface Answer {
  status: number;
  headers: Headers;
  body: unknown;
  /** The ErrorReply's code; undefined for other bodies. */
  code: string | undefined;
}

/** Sends a request to a signaling server's API, with exactly the given credentials. */
export async function ask(
  serverUrl: string,
  request: string,
  options: Credentials & { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Answer> {
  const [method = 'GET', path = '/'] = request.split(' ');
  const reply = await fetch(serverUrl + path, {
    method,
    headers: {
      ...(options.idToken === undefined ? {} : { authorization: `Bearer ${options.idToken}` }),
      ...(options.roomToken === undefined ? {} : { [ROOM_TOKEN_HEADER]: options.roomToken }),
      ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...options.headers,
    },
    ...(options.body === undefined ? {} : { body: bodyOf(options.body) }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const text = await reply.text();
  const body: unknown = text === '' ? undefined : JSON.parse(text);
  return { status: reply.status, headers: reply.headers, body, code: ErrorReply.safeParse(body).data?.error.code };
}

function bodyOf(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}

/** Signs in as a new user. */
export async function signIn(serverUrl: string): Promise<SignInReply> {
  return SignInReply.parse((await ask(serverUrl, 'POST /anonymous-signin')).body);
}

/** Makes a room. */
export async function makeRoom(serverUrl: string, idToken: string, roomId?: string): Promise<CreateRoomReply> {
  const body = roomId === undefined ? {} : { room_id: roomId };
  return CreateRoomReply.parse((await ask(serverUrl, 'POST /api/rooms', { idToken, body })).body);
}
