import assert from 'node:assert/strict';
import { loadEngines } from './choose-engine.ts';
import { readWebRtcChoice, type WebRtcChoice } from './web-rtc-choice.ts';
import { weriftEngine } from './werift-engine.ts';

const overUdp = { urls: ['turn:relay:3478'] };
const overTcp = { urls: ['turn:relay:3478?transport=tcp', 'turns:relay'] };

async function chosen(
  choice: WebRtcChoice,
  { native = true, iceServers = [] as { urls: string[] }[], failedBefore = false } = {},
): Promise<string> {
  const load = () => Promise.resolve(native ? { ...weriftEngine, name: 'native' } : undefined);
  return (await loadEngines(choice, load))({ iceServers, failedBefore }).name;
}

describe('the choice of a WebRTC stack', () => {
  it('takes the fast one where it can be loaded and nothing speaks against it', async () => {
    assert.equal(await chosen('auto'), 'native');
    assert.equal(await chosen('auto', { iceServers: [overUdp, overTcp] }), 'native');
    assert.equal(await chosen('auto', { native: false }), 'werift');
  });

  it('does not take it where relays speak TCP only, nor after a failure', async () => {
    assert.equal(await chosen('auto', { iceServers: [overTcp] }), 'werift');
    assert.equal(await chosen('auto', { failedBefore: true }), 'werift');
  });

  it('holds to what was asked for', async () => {
    assert.equal(await chosen('werift'), 'werift');
    assert.equal(await chosen('libdatachannel', { iceServers: [overTcp], failedBefore: true }), 'native');
    await assert.rejects(chosen('libdatachannel', { native: false }), { code: 'USAGE' });
  });

  it('is read from the environment, and refused where it is none', () => {
    assert.equal(readWebRtcChoice({}), 'auto');
    assert.equal(readWebRtcChoice({ SLEAP_RTC_WEBRTC: '' }), 'auto');
    assert.equal(readWebRtcChoice({ SLEAP_RTC_WEBRTC: 'werift' }), 'werift');
    assert.throws(() => readWebRtcChoice({ SLEAP_RTC_WEBRTC: 'pion' }), { code: 'USAGE' });
  });
});
