"""The ZMQ sockets through which a training is followed and stopped."""

import json

import zmq

# In bytes. Longer messages are dropped: an event has a few hundred.
MAX_MESSAGE = 1 << 16


class TrainingEvents:
    """Binds two sockets. sleap-nn connects to them by the ports in its config. Make it in a process without capabilities: ZMQ starts threads."""

    def __init__(self, on_message):
        """`on_message` is called with each message of sleap-nn, a text."""
        self.on_message = on_message
        context = zmq.Context()
        self.events = context.socket(zmq.SUB)
        self.events.subscribe("")
        self.commands = context.socket(zmq.PUB)
        self.commands.linger = 0
        self.poller = zmq.Poller()
        self.poller.register(self.events, zmq.POLLIN)
        # Arguments by which sleap-nn finds the sockets.
        self.overrides = [
            f"++trainer_config.zmq.{name}={socket.bind_to_random_port('tcp://127.0.0.1')}"
            for name, socket in (("publish_port", self.events), ("controller_port", self.commands))
        ]

    def wait(self, fds):
        """Waits until a message has come, or there is something to read from one of the file descriptors. Returns those."""
        for fd in fds:
            self.poller.register(fd, zmq.POLLIN)
        return [fd for fd, _ in self.poller.poll() if fd in fds]

    def forward(self, wait_ms=0):
        """Passes on what has come. Waits for more until nothing has come for `wait_ms`."""
        while self.events.poll(wait_ms):
            message = self.events.recv()
            if len(message) <= MAX_MESSAGE:
                self.on_message(message.decode(errors="replace"))

    def stop(self):
        """Asks sleap-nn to end after this batch, save its best checkpoint, and run the final evaluation."""
        self.commands.send_string(json.dumps({"command": "stop"}))
