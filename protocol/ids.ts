import { z } from 'zod';

/** A room's name: it is part of S3 keys, workflow ids and task queue names, so its alphabet is limited. */
export const RoomId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/, 'a room name has 3 to 63 lower-case letters, digits or hyphens');
export type RoomId = z.infer<typeof RoomId>;

/** A job's id. The submitter chooses it, so that a repeated submit is the same job. */
export const JobId = z.string().regex(/^[a-z0-9]{8,32}$/);
export type JobId = z.infer<typeof JobId>;

/** A peer's id, unique in its room. A worker's id is its name. */
export const PeerId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
export type PeerId = z.infer<typeof PeerId>;

/** A signed-in user's id (the Cognito `sub` or user name). */
export const UserId = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/);
export type UserId = z.infer<typeof UserId>;

/** A model's id: the first 8 hexadecimal digits of the hash of its config and data (see `model-id.ts`). */
export const ModelId = z.string().regex(/^[0-9a-f]{8}$/);
export type ModelId = z.infer<typeof ModelId>;

/** A name that people give a model. Must not look like a model id. */
export const Alias = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'an alias has up to 63 letters, digits, dots, hyphens or underscores')
  .refine((alias) => !/^[0-9a-f]{8}$/.test(alias), 'an alias must not look like a model id');

/** A SHA-256, in 64 lower-case hexadecimal digits. */
export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A short label on a worker or model. */
export const Tag = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._:/-]{0,62}$/);
