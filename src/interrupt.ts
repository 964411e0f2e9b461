/**
 * Ctrl-C asks long work to stop where it can go on later; a second Ctrl-C ends the process at once.
 * Work polls at safe points; nothing is thrown from a signal handler.
 */
import { setImmediate } from "node:timers/promises";
import { CsrmError } from "./errors.ts";

/** Thrown at a safe point after Ctrl-C or SIGTERM; the command line turns it into exit code 130 or 143. */
export class InterruptedError extends CsrmError {
  readonly exitCode: number;
  constructor(exitCode: number) {
    super("stopped; run the same command (without --fresh) to go on", { code: "interrupted" });
    this.exitCode = exitCode;
  }
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type Signal = keyof typeof EXIT_CODES;

let received: Signal | null = null;

/** Whether somebody asked to stop. Signals arrive only when the event loop turns: see safePoint. */
export function interrupted(): boolean {
  return received !== null;
}

/** @throws InterruptedError when somebody asked to stop */
export function throwIfInterrupted(): void {
  if (received !== null) throw new InterruptedError(EXIT_CODES[received]);
}

/** What to throw when work stopped on request, of this process or another. */
export function stopped(): InterruptedError {
  return new InterruptedError(EXIT_CODES[received ?? "SIGTERM"]);
}

/**
 * To be awaited between two steps of work that could be resumed here. Lets the event loop turn once, since synchronous tensor work and
 * promises that are settled already would keep signals out for as long as it lasts.
 * @throws InterruptedError when somebody asked to stop
 */
export async function safePoint(): Promise<void> {
  await setImmediate();
  throwIfInterrupted();
}

/** Listens for Ctrl-C and SIGTERM. Returns a function that stops listening and forgets what came. */
export function watchInterrupts(onFirst: (message: string) => void): () => void {
  const listeners = (Object.keys(EXIT_CODES) as Signal[]).map((signal) => {
    const listener = () => {
      received = signal;
      // Without listeners the system's own handling is back: the next signal ends the process, even in the middle of a long operator.
      for (const other of listeners) process.off(other.signal, other.listener);
      onFirst("stopping after this step; run the same command (without --fresh) to go on (Ctrl-C again: stop at once)");
    };
    process.on(signal, listener);
    return { signal, listener };
  });
  return () => {
    for (const { signal, listener } of listeners) process.off(signal, listener);
    received = null;
  };
}
