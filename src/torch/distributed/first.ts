/** Work that the first process does for all, however long it takes: files that are made once. */
import { setTimeout as sleep } from "node:timers/promises";
import { InterruptedError, stopped } from "../../interrupt.ts";
import { ConnectionError, ProcessGroup } from "./process-group.ts";
import { alone, processes, setProcesses } from "./processes.ts";

const DONE = "yes";
const STOPPED = "stopped";

/**
 * Rank 0 does the work while the others wait. Unlike a sum or a gathering this has no limit of time.
 * @param name of its own for every such work of a process
 * @returns what the work returned, to rank 0; undefined to the others
 * @throws InterruptedError to all when the work was stopped on request
 */
export async function byFirst<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result | undefined> {
  const group = processes();
  if (!(group instanceof ProcessGroup)) return work();
  const key = `done/${name}`;
  if (group.rank === 0) {
    try {
      const result = await work();
      group.tell(key, DONE);
      return result;
    } catch (error) {
      if (error instanceof InterruptedError) {
        group.tell(key, STOPPED);
        // It keeps the store, so it may not be gone before all have read that.
        group.exchange(null);
      }
      throw error;
    }
  }
  for (;;) {
    const word = group.told(key);
    if (word === DONE) return undefined;
    if (word === STOPPED) {
      group.exchange(null);
      throw stopped();
    }
    if (group.told("end/0") !== null) throw new ConnectionError("process 0 gave up");
    await sleep(50);
  }
}

/** Ends the common work; from here every process is by itself. */
export function part(): void {
  const group = processes();
  if (group instanceof ProcessGroup) group.leave();
  setProcesses(alone);
}
