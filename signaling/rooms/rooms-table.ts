import {
  CreateTableCommand,
  type DynamoDBClient,
  ResourceInUseException,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb';
import type { Logger } from 'pino';

/** Longest wait for a new table, in seconds. AWS takes about ten. */
const TABLE_WAIT_S = 60;

/** Creates the table of rooms if it is missing, with `expires_at` as its time to live. Two calls at once are safe. */
export async function ensureRoomsTable(dynamo: DynamoDBClient, table: string, logger: Logger): Promise<void> {
  try {
    await dynamo.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'room_id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'room_id', AttributeType: 'S' }],
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
    return;
  }
  await waitUntilTableExists({ client: dynamo, maxWaitTime: TABLE_WAIT_S, minDelay: 1 }, { TableName: table });
  try {
    await dynamo.send(
      new UpdateTimeToLiveCommand({
        TableName: table,
        TimeToLiveSpecification: { AttributeName: 'expires_at', Enabled: true },
      }),
    );
  } catch (error) {
    // Not every stand-in supports it. Nothing depends on it: the time is checked each time a room is entered.
    logger.warn({ event: 'ttl_unsupported', table, err: error }, 'the table of rooms has no time to live');
  }
}
