/** Work that the first process does for all, however long it takes: files that are made once. */
import { setTimeout as sleep } from "node:timers/promises";
import { ConnectionError, ProcessGroup } from "./process-group.ts";
import { alone, processes, setProcesses } from "./processes.ts";

/**
 * Rank 0 does the work while the others wait. Unlike a sum or a gathering this has no limit of time.
 * @param name of its own for every such work of a process
 * @returns what the work returned, to rank 0; undefined to the others
 */
export async function byFirst<Result>(name: string, work: () => Result | Promise<Result>): Promise<Result | undefined> {
  const group = processes();
  if (!(group instanceof ProcessGroup)) return work();
  if (group.rank === 0) {
    const result = await work();
    group.tell(`done/${name}`, "yes");
    return result;
  }
  while (group.told(`done/${name}`) === null) {
    if (group.told("end/0") !== null) throw new ConnectionError("process 0 gave up");
    await sleep(50);
  }
  return undefined;
}

/** Ends the common work; from here every process is by itself. */
export function part(): void {
  const group = processes();
  if (group instanceof ProcessGroup) group.leave();
  setProcesses(alone);
}
