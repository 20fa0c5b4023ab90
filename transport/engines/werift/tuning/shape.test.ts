import assert from 'node:assert/strict';
import { RTCPeerConnection } from 'werift';
import { tuneConnection } from './index.ts';
import {
  classesOf,
  exportedClasses,
  sourceHash,
  TUNED_SOURCES,
  TUNED_VERSION,
  weriftIsAsTuned,
  weriftVersion,
} from './shape.ts';

describe('the tuning of werift', () => {
  let peer: RTCPeerConnection;

  beforeEach(() => {
    peer = new RTCPeerConnection({});
    peer.createDataChannel('control', { negotiated: true, id: 100 });
  });
  afterEach(() => peer.close());

  it('is for the installed werift: after an update, read what changed in werift, then the README of the tuning', () => {
    assert.equal(weriftVersion(), TUNED_VERSION);
    assert.equal(sourceHash(exportedClasses()), TUNED_SOURCES.classes);
    const association = peer.sctpTransport?.sctp;
    assert.ok(association);
    assert.equal(sourceHash(classesOf(association)), TUNED_SOURCES.association);
    assert.ok(weriftIsAsTuned());
  });

  it('does not change another version, or one whose sources differ', () => {
    assert.equal(weriftIsAsTuned({ version: '0.25.3', classes: TUNED_SOURCES.classes }), false);
    assert.equal(weriftIsAsTuned({ version: TUNED_VERSION, classes: sourceHash([class Connection {}]) }), false);
    const association = peer.sctpTransport?.sctp;
    assert.ok(association);
    const before = { send: association.send, rto: Reflect.get(association, 'rto') };
    assert.equal(tuneConnection(peer, false), undefined);
    assert.deepEqual({ send: association.send, rto: Reflect.get(association, 'rto') }, before);
    assert.notEqual(tuneConnection(peer), undefined);
    assert.notEqual(association.send, before.send);
  });
});
