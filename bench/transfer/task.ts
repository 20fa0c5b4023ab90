/** One side's part of a measured transfer of one file. */
export interface Task {
  /** URL of the test's signaling server. */
  serverUrl: string;
  /** Sender: the file. Receiver: the path to write it to. */
  path: string;
  /** Size of the file, in bytes. */
  bytes: number;
  /** The sender's own address. */
  address: string;
  /** Receiver: the sender's TCP port, if it has one. */
  port: number;
  /** Sender: call this when the receiver may connect. The sender's CPU time counts from here. */
  ready: (port?: number) => void;
  /** Receiver: call this when the channel is open. The time and the receiver's CPU time count from here. */
  started: () => void;
}

/** An implementation has two sides, each in a process of its own. `receive` returns the SHA-256 of the received file, in hex. */
export interface Implementation {
  send: (task: Task) => Promise<void>;
  receive: (task: Task) => Promise<string>;
}
