/**
 * The state of random generators for checkpoints: libtorch's (dropout, contrastive draws, initialisation), and of several processes
 * those of all of them. Going on with another number of processes is allowed; only draws then differ from those of a run without a stop.
 */
import { manualSeed, ProcessGroup, processes, rngState, setRngState, type Tensor } from "../torch/index.ts";

/**
 * By device: the CPU's generator and, when training is elsewhere, that device's. Of several processes "cpu" is the draws that all
 * make alike, and "cpu@R" what process R draws by itself. All processes must call this at the same time.
 */
export function randomState(device: string): Map<string, Tensor> {
  const group = processes();
  const states = devicesOf(device).map((name) => [name, rngState(name)] as const);
  if (!(group instanceof ProcessGroup)) return new Map(states);
  const own = states.flatMap(([name, state]) =>
    group.gather(state).map((each, rank) => [`${keyOf(name)}@${rank}`, each] as const),
  );
  const shared = [...group.shared].map(([name, state]) => [keyOf(name), state.clone()] as const);
  return new Map([...shared, ...own]);
}

/** @param options.steps done so far @param options.seed of the recipe @returns how many processes made the state */
export function restoreRandomState(
  states: ReadonlyMap<string, Tensor>,
  { device, seed, steps }: { device: string; seed: number; steps: number },
): number {
  const group = processes();
  const then = Math.max(1, [...states.keys()].filter((key) => key.startsWith("cpu@")).length);
  const find = (name: string) => states.get(name) ?? states.get(keyOf(name));
  const names = devicesOf(device).filter((name) => find(name));
  if (!(group instanceof ProcessGroup)) {
    for (const name of names) setRngState(find(name)!, name);
    return then;
  }
  group.setShared(new Map(names.map((name) => [name, find(name)!])));
  if (then !== group.size) {
    // As after a fresh start at another seed: what these processes would have drawn nobody knows.
    manualSeed((seed % 2 ** 21) + (group.rank + 1) * 2 ** 32 + steps * 2 ** 21);
    return then;
  }
  for (const name of names) setRngState(states.get(`${keyOf(name)}@${group.rank}`)!, name);
  return then;
}

/** What to tell of a state of another number of processes. */
export function otherDraws(then: number): string {
  const { size } = processes();
  return `the checkpoint is of ${then} process${then === 1 ? "" : "es"}, now there are ${size}: training goes on, with other random draws`;
}

function devicesOf(device: string): string[] {
  return device === "cpu" ? ["cpu"] : ["cpu", device];
}

/** Each process has a GPU of another number, and may have yet another one when it goes on. */
function keyOf(device: string): string {
  return device.split(":")[0]!;
}
