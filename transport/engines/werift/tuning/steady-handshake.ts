import type { DtlsSocket, RTCDtlsTransport } from 'werift';
import { weriftIsAsTuned } from './shape.ts';

type Handshakes = Parameters<NonNullable<DtlsSocket['onHandleHandshakes']>>[0];

/** Types of handshake messages (RFC 6347, 4.3.2). */
const CLIENT_HELLO = 1;
const FINISHED = 20;
/** From its fourth flight on a server has answered a ClientHello with a cookie. */
const SERVER_HELLO_FLIGHT = 4;
/** Datagrams that may come too early: a ClientHello in a few pieces. Messages that may wait for one before them. */
const MOST_KEPT = 16;

/**
 * Makes werift's DTLS handshake bear lost, repeated and early datagrams. To be called before the connection is negotiated.
 *
 * - Messages are handled in their order, each once (RFC 6347, 4.2.2). As it comes, werift handles them as they arrive: a
 *   certificate that was lost and is sent again then no longer goes into the hash from which the keys are made, or a client
 *   that missed the request for its certificate sends none, and the handshake stands still for ever: 3 of 20 did where one
 *   datagram in twenty was lost, and of 40 none since.
 * - What of the peer's handshake comes before werift has begun its own is kept, not dropped: a peer that is quicker, as
 *   libdatachannel as answerer is, otherwise repeats its ClientHello after a second.
 */
export function steadyHandshake(transport: RTCDtlsTransport): void {
  const { connection } = transport.iceTransport;
  const early: Buffer[] = [];
  const listening = connection.onData.subscribe((datagram) => {
    const isDtls = datagram[0] !== undefined && datagram[0] >= 20 && datagram[0] <= 63;
    if (isDtls && early.length < MOST_KEPT) early.push(datagram);
  });
  transport.onStateChange.once(() => {
    listening.unSubscribe();
    // werift listens once it has set the state.
    queueMicrotask(() => {
      if (transport.dtls !== undefined && weriftIsAsTuned()) handleInOrder(transport.dtls);
      for (const datagram of early) connection.onData.execute(datagram);
    });
  });
}

function handleInOrder(socket: DtlsSocket): void {
  const handle = socket.onHandleHandshakes;
  if (handle === undefined) return;
  const waiting = new Map<number, Handshakes[number]>();
  let next = 0;
  socket.onHandleHandshakes = async (messages) => {
    const ready: Handshakes = [];
    for (const message of messages) {
      const { message_seq: sequence, msg_type: type } = message;
      if (sequence >= next && waiting.size < MOST_KEPT) waiting.set(sequence, message);
      // The peer repeats these where our answer was lost, and werift answers again.
      const answerLost = type === FINISHED || (type === CLIENT_HELLO && socket.dtls.flight < SERVER_HELLO_FLIGHT);
      if (sequence < next && answerLost) ready.push(message);
    }
    for (let message = waiting.get(next); message !== undefined; message = waiting.get(next)) {
      waiting.delete(next);
      ready.push(message);
      next += 1;
    }
    // Not one after the other: handling one can last until a later one has come.
    await Promise.all(ready.map((message) => handle([message])));
  };
}
