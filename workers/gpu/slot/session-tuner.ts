import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit, WorkerTuner } from '@temporalio/worker';
import type { GpuSlot } from './gpu-slot.ts';

/**
 * A tuner that polls a session queue only while the GPU is free, with one poll at a time.
 *
 * Temporal reserves a permit before it polls, so one permit shared by several queues would starve all but one of them.
 * Here every queue may poll while the GPU is free. A session that arrives when another queue has just taken the GPU is handed
 * back as `GPU_BUSY`, and then this queue also waits until the GPU is free.
 */
export function sessionTuner(slot: GpuSlot): WorkerTuner {
  const fixed = { type: 'fixed-size', numSlots: 1 } as const;
  return {
    workflowTaskSlotSupplier: fixed,
    activityTaskSlotSupplier: sessionSlots(slot),
    localActivityTaskSlotSupplier: fixed,
    nexusTaskSlotSupplier: fixed,
  };
}

function sessionSlots(slot: GpuSlot): CustomSlotSupplier<ActivitySlotInfo> {
  let reserved = false;
  let freed = Promise.withResolvers<void>();
  const release = () => {
    reserved = false;
    freed.resolve();
    freed = Promise.withResolvers();
  };
  return {
    type: 'custom',
    async reserveSlot(_context, abortSignal): Promise<SlotPermit> {
      for (;;) {
        await slot.whenFree(abortSignal);
        if (!reserved) break;
        await freed.promise;
      }
      reserved = true;
      return {};
    },
    tryReserveSlot(): SlotPermit | null {
      if (reserved || !slot.free) return null;
      reserved = true;
      return {};
    },
    markSlotUsed() {},
    releaseSlot: release,
  };
}
