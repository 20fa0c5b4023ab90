import assert from 'node:assert/strict';
import { CreateTableCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { withFolder } from '../testing/with-folder.ts';
import { startDynamoDb } from './dynamodb.ts';

const connect = (endpoint: string): DynamoDBClient =>
  new DynamoDBClient({ endpoint, region: 'us-east-1', credentials: { accessKeyId: 'any', secretAccessKey: 'any' } });

describe('startDynamoDb', () => {
  it('puts conditionally, so that two rooms cannot have one name, and has the items after a restart', () =>
    withFolder(async (dir) => {
      const put = {
        TableName: 'rooms',
        Item: { room_id: { S: 'flies' } },
        ConditionExpression: 'attribute_not_exists(room_id)',
      };
      const first = await startDynamoDb({ dir });
      try {
        const client = connect(first.endpoint);
        await client.send(
          new CreateTableCommand({
            TableName: 'rooms',
            BillingMode: 'PAY_PER_REQUEST',
            AttributeDefinitions: [{ AttributeName: 'room_id', AttributeType: 'S' }],
            KeySchema: [{ AttributeName: 'room_id', KeyType: 'HASH' }],
          }),
        );
        await client.send(new PutItemCommand(put));
        await assert.rejects(client.send(new PutItemCommand(put)), { name: 'ConditionalCheckFailedException' });
        client.destroy();
      } finally {
        await first.stop();
      }
      const second = await startDynamoDb({ dir });
      try {
        const client = connect(second.endpoint);
        const found = await client.send(new GetItemCommand({ TableName: 'rooms', Key: { room_id: { S: 'flies' } } }));
        assert.deepEqual(found.Item, { room_id: { S: 'flies' } });
        client.destroy();
      } finally {
        await second.stop();
      }
    }));
});
