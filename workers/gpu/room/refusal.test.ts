import assert from 'node:assert/strict';
import { pino } from 'pino';
import { SleapRtcError } from '../../../protocol/errors.ts';
import type { SignalingEvents } from '../../../transport/index.ts';
import { Refusal } from './refusal.ts';

type Listener = (event: never) => void;

describe('a worker whose room refuses it after a lost connection', () => {
  let calls: string[];
  let emit: (event: keyof SignalingEvents, value: object) => void;
  let refusal: Refusal;

  beforeEach(() => {
    calls = [];
    const listeners = new Map<string, Listener>();
    emit = (event, value) => listeners.get(event)?.(value as never);
    refusal = new Refusal({
      signaling: {
        on: (event, listener) => {
          listeners.set(event, listener as Listener);
          return () => listeners.delete(event);
        },
      },
      drain: {
        start: (exit) => calls.push(`drain, ${exit ? 'then end' : 'then stay'}`),
        undo: () => calls.push('undo'),
      },
      logger: pino({ level: 'silent' }),
    });
  });
  afterEach(() => refusal.close());

  const refuse = () => emit('refused', { error: new SleapRtcError('TOKEN_REFUSED', 'This token does not open it.') });

  it('finishes its job, takes no other, and ends with the reason, instead of trying in silence', () => {
    refuse();
    refuse();
    assert.deepEqual(calls, ['drain, then end']);
    assert.equal(refusal.error?.code, 'TOKEN_REFUSED');
  });

  it('goes on if the room accepts it before that', () => {
    emit('connected', { peers: [] });
    refuse();
    emit('connected', { peers: [] });
    assert.deepEqual(calls, ['drain, then end', 'undo']);
    assert.equal(refusal.error, undefined);
  });
});
