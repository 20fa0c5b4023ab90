import assert from 'node:assert/strict';
import { readSignalingConfig } from './config.ts';

const required = { SLEAP_RTC_COGNITO_USER_POOL_ID: 'us-east-1_abc', SLEAP_RTC_COGNITO_CLIENT_ID: 'client' };

describe('readSignalingConfig', () => {
  it('takes the defaults of AWS if only the pool is named', () => {
    const config = readSignalingConfig({ ...required, AWS_REGION: 'eu-west-1', SLEAP_RTC_STATE_BUCKET: '' });
    assert.equal(config.cognito.issuer, 'https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_abc');
    assert.equal(config.s3PathStyle, false);
    assert.equal(config.rooms.createTable, false);
    assert.equal(config.stateBucket, null);
  });

  it('creates the table on a local DynamoDB, and elsewhere only if the setting says so', () => {
    const createsAt = (endpoint: string, setting = '') =>
      readSignalingConfig({ ...required, AWS_ENDPOINT_URL_DYNAMODB: endpoint, SLEAP_RTC_CREATE_TABLES: setting }).rooms
        .createTable;
    assert.equal(createsAt('http://127.0.0.1:8000'), true);
    assert.equal(createsAt('https://dynamodb.eu-west-1.amazonaws.com'), false);
    assert.equal(createsAt('https://dynamodb.eu-west-1.amazonaws.com', 'true'), true);
  });

  it('splits lists and drops the slash of URLs', () => {
    const config = readSignalingConfig({
      ...required,
      SLEAP_RTC_STUN_URLS: 'stun:a:1, stun:b:2,',
      SLEAP_RTC_TEMPORAL_UI: 'http://ui:8233/',
    });
    assert.deepEqual(config.ice.stunUrls, ['stun:a:1', 'stun:b:2']);
    assert.equal(config.temporal.uiUrl, 'http://ui:8233');
  });

  it('names each missing or wrong variable, so that an admin knows what to set', () => {
    assert.throws(() => readSignalingConfig({}), { code: 'USAGE', message: /SLEAP_RTC_COGNITO_USER_POOL_ID/ });
    assert.throws(() => readSignalingConfig({ ...required, SLEAP_RTC_PORT: '70000' }), { message: /SLEAP_RTC_PORT/ });
    assert.throws(() => readSignalingConfig({ ...required, SLEAP_RTC_TURN_URLS: 'turn:a' }), {
      message: /SLEAP_RTC_TURN_SECRET/,
    });
  });
});
