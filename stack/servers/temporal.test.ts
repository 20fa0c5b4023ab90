import assert from 'node:assert/strict';
import { Connection } from '@temporalio/client';
import { searchAttributes } from '../../protocol/temporal/search-attributes.ts';
import { ensureTools } from '../setup.ts';
import { withFolder } from '../testing/with-folder.ts';
import { startTemporal } from './temporal.ts';

describe('startTemporal', function () {
  this.timeout(120_000);

  it('answers with the search attributes of jobs, serves its UI, and has its workflows after a restart', () =>
    withFolder(async (dir) => {
      const { temporal } = await ensureTools({ parts: ['servers'] });
      const started = { namespace: 'default', workflowId: 'kept', requestId: 'one' };
      const first = await startTemporal({ dir, temporal });
      try {
        const connection = await Connection.connect({ address: first.address });
        const known = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
        for (const { name } of Object.values(searchAttributes)) assert(name in known.customAttributes, name);
        await connection.workflowService.startWorkflowExecution({
          ...started,
          workflowType: { name: 'job' },
          taskQueue: { name: 'nobody' },
        });
        await connection.close();
        assert.equal((await fetch(first.uiUrl)).status, 200);
      } finally {
        await first.stop();
      }
      const second = await startTemporal({ dir, temporal });
      try {
        const connection = await Connection.connect({ address: second.address });
        const described = await connection.workflowService.describeWorkflowExecution({
          namespace: 'default',
          execution: { workflowId: 'kept' },
        });
        assert.equal(described.workflowExecutionInfo?.type?.name, 'job');
        await connection.close();
      } finally {
        await second.stop();
      }
    }));
});
