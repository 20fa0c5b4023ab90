/** A workflow that only publishes, with the registry beside it. */
import { toApplicationFailure } from '../../protocol/failures.ts';
import type { ManifestChange } from '../../protocol/manifest.ts';
import { publishToRoom } from '../../workflows/registry/publish.ts';

export { roomRegistry } from '../../workflows/registry/room-registry.ts';

export async function publishing(roomId: string, changes: ManifestChange[]): Promise<void> {
  try {
    await publishToRoom(roomId, changes);
  } catch (error) {
    // Anything else would be taken for a bug of the workflow's code, and tried for ever.
    throw toApplicationFailure(error);
  }
}
