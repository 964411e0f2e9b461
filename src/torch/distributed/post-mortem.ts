/** When a group of processes fails: which of them is the cause. Each leaves a word at the store; who leaves none is gone or hangs. */
import { setTimeout as sleep } from "node:timers/promises";
import { CsrmError, messageOf } from "../../errors.ts";
import { ConnectionError, type ProcessGroup } from "./process-group.ts";

/** Seconds in which the others must have noticed as well. */
const PATIENCE = 5;

/**
 * Ends the group after an error of this process or of its connections, telling the others.
 * @returns the error to show: its own, or one that names the process which is the cause
 */
export async function postMortem(group: ProcessGroup, error: unknown): Promise<unknown> {
  const own = !(error instanceof ConnectionError);
  try {
    group.tell(`end/${group.rank}`, own ? `failed ${messageOf(error)}` : "noticed");
    group.disconnect();
    const ends = await lastWords(group);
    return own ? error : causeOf(group, ends, error);
  } catch (lost) {
    // Rank 0 keeps the store.
    if (own || !(lost instanceof ConnectionError)) return error;
    return failure("process 0 is gone, or its machine cannot be reached", error);
  } finally {
    group.leave();
  }
}

/** What each process left; null for one that left nothing in time. Rank 0 stays until all have read, since it keeps the store. */
async function lastWords(group: ProcessGroup): Promise<(string | null)[]> {
  const ranks = Array.from({ length: group.size }, (_, rank) => rank);
  const deadline = performance.now() + PATIENCE * 1000;
  let ends: (string | null)[] = [];
  do {
    ends = ranks.map((rank) => group.told(`end/${rank}`));
    const known =
      ends.every((end) => end !== null) || (group.rank > 0 && ends.some((end) => end?.startsWith("failed")));
    if (known) break;
    await sleep(100);
  } while (performance.now() < deadline);
  // A moment for those who look just now.
  if (group.rank === 0) await sleep(300);
  return ends;
}

function causeOf(group: ProcessGroup, ends: readonly (string | null)[], error: unknown): CsrmError {
  const failed = ends.findIndex((end) => end?.startsWith("failed"));
  if (failed >= 0) return failure(`process ${failed} stopped: ${ends[failed]!.slice("failed ".length)}`, error);
  const silent = ends.flatMap((end, rank) => (end === null && rank !== group.rank ? [rank] : []));
  const who = silent.length > 1 ? `processes ${silent.join(", ")} are` : `process ${silent[0]} is`;
  if (silent.length > 0) return failure(`${who} gone, or silent for too long`, error);
  return failure(messageOf(error), error);
}

function failure(what: string, cause: unknown): CsrmError {
  return new CsrmError(`${what}; the same command goes on from the last checkpoint (${messageOf(cause)})`, {
    code: "processes",
    cause,
  });
}
