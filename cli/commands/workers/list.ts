import { randomUUID } from 'node:crypto';
import { BaseCommand } from '../../base-command.ts';
import { table } from '../../lib/output/table.ts';
import { oneLine } from '../../lib/output/terminal.ts';
import { when } from '../../lib/output/words.ts';
import { filtersOf } from '../../lib/room/worker-filters.ts';
import { requirementFlags, requirementsOf } from '../../lib/submit/job-flags.ts';

/** `sleap-rtc workers list` */
export default class WorkersList extends BaseCommand<typeof WorkersList> {
  static override summary = 'List the workers of the room with GPU, memory, status and the models on their disks.';
  static override flags = requirementFlags;

  async run(): Promise<object> {
    const api = await this.roomApi();
    const { enterRoom } = await import('../../lib/room/enter-room.ts');
    const peerId = `cli-${randomUUID().slice(0, 13)}`;
    const signaling = await enterRoom(api, { peerId, metadata: { tags: [], properties: {} } });
    try {
      const found = await signaling.discoverPeers(filtersOf(requirementsOf(this.flags)));
      const peers = found.filter(({ peer_id }) => this.flags.worker === undefined || this.flags.worker === peer_id);
      const workers = peers.map(({ peer_id, metadata: { tags, properties }, connected_at }) => {
        return { name: peer_id, tags, connected_at, ...properties };
      });
      if (workers.length === 0) this.log(`There is no such worker in the room ${api.connection.room}.`);
      else {
        const row = (worker: Record<string, unknown>): unknown[] => [
          worker.name,
          worker.status,
          worker.gpu_model,
          worker.gpu_memory_mb,
          listed(worker.models),
          listed(worker.tags),
          when(String(worker.connected_at)),
        ];
        this.log(table(['WORKER', 'STATUS', 'GPU', 'MEMORY MB', 'MODELS', 'TAGS', 'SINCE'], workers.map(row)));
        for (const worker of workers) {
          const { name, reason } = worker as Record<string, unknown>;
          if (typeof reason === 'string') this.log(`${String(name)}: ${oneLine(reason)}`);
        }
      }
      return { workers };
    } finally {
      await signaling.close();
    }
  }
}

function listed(value: unknown): string | undefined {
  return Array.isArray(value) && value.length > 0 ? value.join(', ') : undefined;
}
