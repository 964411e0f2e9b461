/** For commands whose work can be resumed: the first Ctrl-C lets them stop at a safe point. */
import { watchInterrupts } from "../interrupt.ts";

/**
 * Runs work that awaits safePoint() from src/interrupt.ts between its steps.
 * @param note where the message for the person goes; stderr by default
 */
export async function interruptible<Result>(
  work: () => Promise<Result>,
  note: (text: string) => void = (text) => process.stderr.write(`${text}\n`),
): Promise<Result> {
  const stopWatching = watchInterrupts(note);
  try {
    return await work();
  } finally {
    stopWatching();
  }
}
