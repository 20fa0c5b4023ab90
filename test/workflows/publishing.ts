/** A workflow that only publishes, with the registry beside it. */

import type { ManifestChange } from '../../protocol/models/manifest.ts';
import { toApplicationFailure } from '../../protocol/temporal/failures.ts';
import { publishToRoom } from '../../workflows/registry/publish.ts';

export { roomRegistry } from '../../workflows/registry/room-registry.ts';

export async function publishing(roomId: string, changes: ManifestChange[]): Promise<void> {
  try {
    await publishToRoom(roomId, changes);
  } catch (error) {
    // Temporal takes any other error for a bug in the workflow's code, and retries it forever.
    throw toApplicationFailure(error);
  }
}
