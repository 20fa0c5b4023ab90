import assert from 'node:assert/strict';
import { weriftEngine } from '../engines/werift/werift-engine.ts';
import { loadEngines } from './choose-engine.ts';
import { readWebRtcChoice, type WebRtcChoice } from './web-rtc-choice.ts';

const overUdp = { urls: ['turn:relay:3478'] };
const overTcp = { urls: ['turn:relay:3478?transport=tcp', 'turns:relay'] };

async function chosen(
  choice: WebRtcChoice,
  { native = true, isTuned = true, iceServers = [] as { urls: string[] }[], failedBefore = false } = {},
): Promise<string> {
  const load = () => Promise.resolve(native ? { ...weriftEngine, name: 'native' } : undefined);
  return (await loadEngines(choice, load, isTuned))({ iceServers, failedBefore }).name;
}

describe('the choice of a WebRTC stack', () => {
  it('takes tuned werift, and the other one after a failure', async () => {
    assert.equal(await chosen('auto'), 'werift');
    assert.equal(await chosen('auto', { failedBefore: true }), 'native');
    assert.equal(await chosen('auto', { failedBefore: true, native: false }), 'werift');
    assert.equal(await chosen('auto', { failedBefore: true, iceServers: [overUdp, overTcp] }), 'native');
  });

  it('takes the native one if werift is not the version that the tuning is for', async () => {
    assert.equal(await chosen('auto', { isTuned: false }), 'native');
    assert.equal(await chosen('auto', { isTuned: false, native: false }), 'werift');
    assert.equal(await chosen('auto', { isTuned: false, failedBefore: true }), 'werift');
  });

  it('takes werift if relays accept TCP only', async () => {
    assert.equal(await chosen('auto', { isTuned: false, iceServers: [overTcp] }), 'werift');
    assert.equal(await chosen('auto', { failedBefore: true, iceServers: [overTcp] }), 'werift');
  });

  it('is the one that the user names', async () => {
    assert.equal(await chosen('werift'), 'werift');
    assert.equal(await chosen('libdatachannel', { iceServers: [overTcp], failedBefore: true }), 'native');
    await assert.rejects(chosen('libdatachannel', { native: false }), { code: 'USAGE' });
  });

  it('is read from the environment, and refused if it is not valid', () => {
    assert.equal(readWebRtcChoice({}), 'auto');
    assert.equal(readWebRtcChoice({ SLEAP_RTC_WEBRTC: '' }), 'auto');
    assert.equal(readWebRtcChoice({ SLEAP_RTC_WEBRTC: 'werift' }), 'werift');
    assert.throws(() => readWebRtcChoice({ SLEAP_RTC_WEBRTC: 'pion' }), { code: 'USAGE' });
  });
});
