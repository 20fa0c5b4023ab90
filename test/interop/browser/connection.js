/** A connection of transport/PROTOCOL.md in a browser: signaling, the control channel with its proof and beats, and channels. */

const BEAT_MS = 700;
const SILENCE_MS = 3_500;
const ATTEMPTS = 3;
const ATTEMPT_MS = { offerer: 10_000, answerer: 9_000 };
const ATTEMPT_PAUSE_MS = 150;
const GOODBYE_MS = 2_000;
const SEND_BUFFER_BYTES = 1024 * 1024;
const END_OF_CHANNEL = '\u0004';
const FINGERPRINT_LINE = /^a=fingerprint:(sha-256 (?:[0-9a-f]{2}:){31}[0-9a-f]{2})$/;
const text = new TextEncoder();

/** What ends a connection or a transfer, with one of the protocol's codes. */
export class PeerError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** What comes, for one reader who waits for it. After `end` the reader gets what has come before, then the error. */
class Inbox {
  #items = [];
  #error;
  #wake = () => undefined;

  put(item) {
    this.#items.push(item);
    this.#wake();
  }

  end(error) {
    this.#error ??= error;
    this.#wake();
  }

  async next() {
    for (;;) {
      if (this.#items.length > 0) return this.#items.shift();
      if (this.#error !== undefined) throw this.#error;
      await new Promise((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** This peer's line to the signaling server: JSON messages on a WebSocket. */
export class Signaling {
  #socket;
  #listeners = new Set();

  constructor(socket, peerId) {
    this.#socket = socket;
    this.peerId = peerId;
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      for (const listener of this.#listeners) listener(message);
    };
  }

  static async join({ serverUrl, roomId, token, idToken }, peerId, role) {
    const socket = new WebSocket(`${serverUrl.replace(/^http/, 'ws')}/ws`);
    const signaling = new Signaling(socket, peerId);
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = () => reject(new PeerError('SERVER_UNREACHABLE', 'The signaling server is not there.'));
    });
    const metadata = { tags: [], properties: {} };
    const registered = signaling.next('registered_auth');
    signaling.send({
      type: 'register',
      peer_id: peerId,
      room_id: roomId,
      role,
      token,
      id_token: idToken,
      metadata,
    });
    await registered;
    return signaling;
  }

  send(message) {
    this.#socket.send(JSON.stringify(message));
  }

  /** Calls `listener` with every message until the returned function is called. */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next message of a type. */
  next(type) {
    return new Promise((resolve, reject) => {
      const stop = this.listen((message) => {
        if (message.type === type) resolve(message);
        else if (message.type === 'error') reject(new PeerError(message.code, message.message));
        else return;
        stop();
      });
    });
  }

  close() {
    this.#socket.close();
  }
}

/** An ordered, reliable channel of messages. */
class Channel {
  #channel;
  #inbox = new Inbox();
  #over;

  /** @param over rejects when the connection ends */
  constructor(channel, over, onHeard) {
    this.#channel = channel;
    this.#over = over;
    channel.binaryType = 'arraybuffer';
    channel.bufferedAmountLowThreshold = SEND_BUFFER_BYTES / 2;
    channel.onmessage = ({ data }) => {
      onHeard();
      this.#inbox.put(typeof data === 'string' ? data : new Uint8Array(data));
    };
    channel.onclose = () => this.#inbox.end(new PeerError('PEER_GONE', 'The channel was cut.'));
    over.catch((error) => this.#inbox.end(error));
  }

  /** Queues a message; resolves when there is room for the next. */
  async send(data) {
    if (this.#channel.readyState !== 'open') throw new PeerError('PEER_GONE', 'The channel is closed.');
    this.#channel.send(data);
    if (this.#channel.bufferedAmount <= SEND_BUFFER_BYTES) return;
    const drained = new Promise((resolve) => {
      this.#channel.onbufferedamountlow = resolve;
    });
    await Promise.race([drained, this.#over]);
  }

  /** The next message. Fails with PEER_GONE if the peer has ended the channel or is gone. */
  async receive() {
    const message = await this.#inbox.next();
    if (message !== END_OF_CHANNEL) return message;
    this.#channel.send(END_OF_CHANNEL);
    throw new PeerError('PEER_GONE', 'The peer ended the channel.');
  }

  /** Says that this was all, and waits for the same: then everything has arrived, both ways. */
  async close() {
    const untilEnd = async () => {
      await this.send(END_OF_CHANNEL);
      while ((await this.#inbox.next()) !== END_OF_CHANNEL);
    };
    await Promise.race([untilEnd().catch(() => undefined), pause(GOODBYE_MS)]);
    this.#channel.close();
  }
}

/** A connection to one peer of the room, from its negotiation to its end. */
export class Connection {
  #key;
  #signaling;
  #side;
  #peerId;
  #connectionId;
  #purpose;
  #pc = new RTCPeerConnection();
  /** Made by both sides before the descriptions, so that nothing need announce it. */
  #control = this.#pc.createDataChannel('sleap-rtc-control', { negotiated: true, id: 100 });
  #isOpen = new Promise((resolve) => {
    this.#control.onopen = resolve;
  });
  /** By side, as all that both sides have. */
  #fingerprints = {};
  #controls = new Inbox();
  #channels = new Inbox();
  #peerIsProven = false;
  #heardAt = performance.now();
  /** Rejects with what the connection ended with. */
  #over = Promise.withResolvers();
  #beats;
  #stopListening;

  constructor({ key, signaling, side, peerId, connectionId, purpose }) {
    this.#key = key;
    this.#signaling = signaling;
    this.#side = side;
    this.#peerId = peerId;
    this.#connectionId = connectionId;
    this.#purpose = purpose;
    this.#over.promise.catch((error) => {
      this.#controls.end(error);
      this.#channels.end(error);
    });
    this.#control.onmessage = ({ data }) => this.#takeControl(data);
    this.#control.onclose = () => this.#end('PEER_GONE', 'The peer cut the connection.');
    this.#pc.onconnectionstatechange = () => {
      if (this.#pc.connectionState === 'failed') this.#end('PEER_GONE', 'The path broke, or there is none.');
    };
    this.#pc.ondatachannel = ({ channel }) => this.#takeChannel(channel);
    // The browser tells of candidates only after the description that they belong to, and so do we.
    this.#pc.onicecandidate = ({ candidate }) => this.#relay('candidate', { candidate: candidate?.toJSON() ?? null });
  }

  /** Connects to a peer of the room, in several attempts if necessary. The caller closes the connection. */
  static async offer(key, signaling, peerId, purpose) {
    const until = performance.now() + ATTEMPTS * ATTEMPT_MS.offerer;
    for (let attempt = 1; ; attempt += 1) {
      const connectionId = base64url(crypto.getRandomValues(new Uint8Array(12)));
      const connection = new Connection({ key, signaling, side: 'offerer', peerId, connectionId, purpose });
      connection.#negotiate(connection.#takeAnswer());
      try {
        return await connection.#comeAbout(connection.#describe('offer', { purpose }));
      } catch (error) {
        if (!worthAnother(error) || (attempt >= ATTEMPTS && performance.now() >= until)) throw error;
      }
      await pause(ATTEMPT_PAUSE_MS);
    }
  }

  /**
   * Answers offers until a connection has come about. A newer one of the same peer is its next attempt, in place of the last.
   * Whoever gets the connection closes it.
   */
  static answer(key, signaling) {
    const { promise, resolve, reject } = Promise.withResolvers();
    let last;
    const stop = signaling.listen(({ type, sender: peerId, connection_id: connectionId, purpose, sdp }) => {
      if (type !== 'offer' || (last !== undefined && last.#peerId !== peerId) || last?.#connectionId === connectionId)
        return;
      last?.cut();
      const connection = new Connection({ key, signaling, side: 'answerer', peerId, connectionId, purpose });
      last = connection;
      const described = connection.#takeDescription('offer', sdp);
      connection.#negotiate(described);
      connection.#comeAbout(described.then(() => connection.#describe('answer', {}))).then(resolve, (error) => {
        if (!worthAnother(error)) reject(error);
      });
    });
    return promise.finally(stop);
  }

  async openChannel(label) {
    const rtcChannel = this.#pc.createDataChannel(label);
    const isOpen = new Promise((resolve) => {
      rtcChannel.onopen = resolve;
    });
    const channel = this.#channel(rtcChannel);
    await this.#unlessOver(isOpen);
    return channel;
  }

  acceptChannel() {
    return this.#channels.next();
  }

  /** Tells the peer, waits for its answer, and frees the sockets. */
  async close() {
    if (this.#control.readyState === 'open') {
      this.#control.send('bye');
      await Promise.race([this.#over.promise.catch(() => undefined), pause(GOODBYE_MS)]);
    }
    this.cut();
  }

  /** Ends the connection without a word. */
  cut() {
    this.#end('PEER_GONE', 'The connection is closed.');
    clearInterval(this.#beats);
    this.#stopListening();
    this.#pc.close();
  }

  /** @param described resolves when our description is on its way */
  async #comeAbout(described) {
    try {
      const isOpen = described.then(() => this.#isOpen);
      await this.#unlessOver(Promise.race([isOpen, pause(ATTEMPT_MS[this.#side]).then(unreachable)]));
      this.#beat();
      await this.#prove();
      return this;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  // Negotiation

  /** @param described resolves when the peer's description was taken; its candidates wait for that, in their order */
  #negotiate(described) {
    this.#stopListening = this.#signaling.listen(({ type, sender, connection_id, candidate }) => {
      if (type !== 'candidate' || sender !== this.#peerId || connection_id !== this.#connectionId) return;
      described = described.then(() => this.#pc.addIceCandidate(candidate)).catch(() => undefined);
    });
    described.catch(({ code, message }) => this.#end(code, message));
  }

  async #describe(type, more) {
    await this.#pc.setLocalDescription(type === 'offer' ? await this.#pc.createOffer() : await this.#pc.createAnswer());
    const { sdp } = this.#pc.localDescription;
    this.#fingerprints[this.#side] = fingerprintOf(sdp);
    this.#relay(type, { sdp, ...more });
  }

  async #takeDescription(type, sdp) {
    this.#fingerprints[other(this.#side)] = fingerprintOf(sdp);
    await this.#pc.setRemoteDescription({ type, sdp });
  }

  async #takeAnswer() {
    for (;;) {
      const { sender, connection_id, sdp } = await this.#signaling.next('answer');
      if (sender === this.#peerId && connection_id === this.#connectionId) return this.#takeDescription('answer', sdp);
    }
  }

  #relay(type, content) {
    this.#signaling.send({ type, target: this.#peerId, connection_id: this.#connectionId, ...content });
  }

  // Control channel

  #beat() {
    this.#heard();
    this.#beats = setInterval(() => {
      if (performance.now() - this.#heardAt > SILENCE_MS)
        this.#end('PEER_GONE', 'Nothing was heard of the peer any more.');
      else if (this.#control.readyState === 'open') this.#control.send('beat');
    }, BEAT_MS);
  }

  /** Both show that they have the room's key and see the same connection; until then nothing else is said. */
  async #prove() {
    const ours = base64url(crypto.getRandomValues(new Uint8Array(32)));
    this.#control.send(`nonce 1 ${ours}`);
    const theirs = await this.#expect(/^nonce 1 ([A-Za-z0-9_-]{43})$/);
    const nonces = { [this.#side]: ours, [other(this.#side)]: theirs };
    const hmac = await crypto.subtle.sign('HMAC', this.#key, this.#transcript(this.#side, nonces));
    this.#control.send(`proof ${base64url(new Uint8Array(hmac))}`);
    const proof = await this.#expect(/^proof ([A-Za-z0-9_-]{43})$/);
    const expected = this.#transcript(other(this.#side), nonces);
    if (!(await crypto.subtle.verify('HMAC', this.#key, fromBase64url(proof), expected))) {
      this.#refuse('The peer’s proof is wrong.');
    }
    this.#peerIsProven = true;
    this.#control.send('proven');
    await this.#expect(/^(proven)$/);
  }

  /** What a proof of `sender` is about. */
  #transcript(sender, nonces) {
    const peerIds = { [this.#side]: this.#signaling.peerId, [other(this.#side)]: this.#peerId };
    const lines = ['sleap-rtc-proof 1', sender, this.#connectionId, this.#purpose.job_id, this.#purpose.kind];
    for (const ofBoth of [peerIds, this.#fingerprints, nonces]) lines.push(ofBoth.offerer, ofBoth.answerer);
    return text.encode(lines.join('\n'));
  }

  async #expect(pattern) {
    const message = await this.#controls.next();
    const match = pattern.exec(message);
    if (match === null)
      this.#refuse(message === 'refused' ? 'The peer refused us.' : 'The peer said something out of order.');
    return match[1];
  }

  #refuse(why) {
    this.#control.send('refused');
    throw new PeerError('PEER_NOT_PROVEN', why);
  }

  #takeControl(message) {
    this.#heard();
    if (message === 'bye') {
      this.#control.send('bye');
      this.#end('PEER_GONE', 'The peer said goodbye.');
    } else if (message !== 'beat') {
      this.#controls.put(message);
    }
  }

  #takeChannel(channel) {
    // No honest peer opens one before it has heard that we believe it.
    if (this.#peerIsProven) this.#channels.put(this.#channel(channel));
    else this.#end('PEER_NOT_PROVEN', 'The peer opened a channel before it had proven itself.');
  }

  // Inner matters

  #channel(channel) {
    return new Channel(channel, this.#over.promise, () => this.#heard());
  }

  /** Anything that comes is a sign of life. */
  #heard() {
    this.#heardAt = performance.now();
  }

  #unlessOver(waiting) {
    return Promise.race([waiting, this.#over.promise]);
  }

  #end(code, message) {
    this.#over.reject(new PeerError(code, message));
  }
}

/** The room's key, for proofs. */
export function importKey(roomKey) {
  return crypto.subtle.importKey('raw', fromBase64url(roomKey), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
    'verify',
  ]);
}

/** True if a further attempt may succeed after this one failed. */
function worthAnother(error) {
  return error.code === 'PEER_UNREACHABLE' || error.code === 'PEER_GONE';
}

function other(side) {
  return side === 'offerer' ? 'answerer' : 'offerer';
}

function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');
}

function fromBase64url(encoded) {
  return Uint8Array.from(atob(encoded.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
    character.charCodeAt(0),
  );
}

/** The one fingerprint of a description, as `sha-256 0a:1b:…`, in small letters. */
function fingerprintOf(sdp) {
  const lines = sdp
    .toLowerCase()
    .split(/\r?\n/)
    .filter((line) => line.includes('fingerprint'));
  const [fingerprint, ...more] = new Set(lines.map((line) => FINGERPRINT_LINE.exec(line)?.[1]));
  if (fingerprint !== undefined && more.length === 0) return fingerprint;
  throw new PeerError('PEER_UNREACHABLE', 'The description does not have exactly one SHA-256 fingerprint.');
}

function unreachable() {
  throw new PeerError('PEER_UNREACHABLE', 'No connection came about.');
}

function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
