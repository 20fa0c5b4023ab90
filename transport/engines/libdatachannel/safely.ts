/**
 * Wraps a callback for the library. If it throws inside the library, the process aborts without a message; thrown later, it is an
 * uncaught exception like any other.
 */
export function safely<Args extends unknown[]>(callback: (...args: Args) => unknown): (...args: Args) => void {
  return (...args) => {
    try {
      callback(...args);
    } catch (error) {
      setImmediate(() => {
        throw error;
      });
    }
  };
}
