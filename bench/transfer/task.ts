/** One side's part of a measured transfer of one file. */
export interface Task {
  /** URL of the test's signaling server. */
  serverUrl: string;
  /** At the sender: the file. At the receiver: where it goes. */
  path: string;
  /** Size of the file, in bytes. */
  bytes: number;
  /** The sender's own address. */
  address: string;
  /** At the receiver: the sender's TCP port, where it has one. */
  port: number;
  /** Sender: it may be connected to now. Its CPU time counts from here. */
  ready: (port?: number) => void;
  /** Receiver: the channel is open. Time and its CPU time count from here. */
  started: () => void;
}

/** An implementation: its two sides, each in a process of its own. `receive` gives the SHA-256 of what came, in hex. */
export interface Implementation {
  send: (task: Task) => Promise<void>;
  receive: (task: Task) => Promise<string>;
}
