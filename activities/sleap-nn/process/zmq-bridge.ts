import { Publisher, Subscriber } from 'zeromq';
import { z } from 'zod';

const ANY_PORT = 'tcp://127.0.0.1:*';

const Loss = z.number().nullish().catch(null);

/** What sleap-nn sends over ZMQ. Accepts events and fields of other versions; a NaN loss becomes null. */
const TrainingEvent = z.object({
  event: z.string(),
  epoch: z.int().nullish().catch(null),
  batch: z.int().nullish().catch(null),
  logs: z.record(z.string(), Loss).nullish().catch(null),
});
/** `event` is `train_begin`, `epoch_begin`, `batch_start`, `batch_end`, `epoch_end` or `train_end`. */
export type TrainingEvent = z.infer<typeof TrainingEvent>;

/** Reads one message. Returns undefined if it is not one of sleap-nn's. */
export function parseTrainingEvent(text: string): TrainingEvent | undefined {
  try {
    // Python writes NaN and Infinity, which JSON does not have.
    const value: unknown = JSON.parse(text.replaceAll(/(?<=[:,[]\s*)-?(NaN|Infinity)\b/g, 'null'));
    return TrainingEvent.safeParse(value).data;
  } catch {
    return undefined;
  }
}

/**
 * The two sockets through which we follow and control sleap-nn. We bind, on ports that the system chooses; sleap-nn
 * connects to them by the ports in its config.
 */
export class ZmqBridge {
  /** For `trainer_config.zmq.publish_port`. */
  readonly publishPort: number;
  /** For `trainer_config.zmq.controller_port`. */
  readonly controllerPort: number;
  readonly #events: Subscriber;
  readonly #commands: Publisher;
  readonly #reading: Promise<void>;

  private constructor(events: Subscriber, commands: Publisher, onEvent: (event: TrainingEvent) => void) {
    this.#events = events;
    this.#commands = commands;
    this.publishPort = portOf(events.lastEndpoint);
    this.controllerPort = portOf(commands.lastEndpoint);
    this.#reading = this.#read(onEvent);
  }

  /** Binds both sockets; `onEvent` is called for each event until the bridge is closed. */
  static async open(onEvent: (event: TrainingEvent) => void): Promise<ZmqBridge> {
    const events = new Subscriber({ linger: 0 });
    const commands = new Publisher({ linger: 0 });
    try {
      events.subscribe();
      await events.bind(ANY_PORT);
      await commands.bind(ANY_PORT);
      return new ZmqBridge(events, commands, onEvent);
    } catch (error) {
      events.close();
      commands.close();
      throw error;
    }
  }

  /** Asks sleap-nn to end after this batch, save its best checkpoint, and run the final evaluation. */
  async stop(): Promise<void> {
    await this.#commands.send(JSON.stringify({ command: 'stop' }));
  }

  /** Frees both sockets. */
  async close(): Promise<void> {
    this.#events.close();
    this.#commands.close();
    await this.#reading;
  }

  async #read(onEvent: (event: TrainingEvent) => void): Promise<void> {
    try {
      for await (const [message] of this.#events) {
        const event = message === undefined ? undefined : parseTrainingEvent(message.toString());
        if (event !== undefined) onEvent(event);
      }
    } catch {
      // Closed while waiting: the normal end.
    }
  }
}

function portOf(endpoint: string | null): number {
  return Number(endpoint?.split(':').at(-1));
}
