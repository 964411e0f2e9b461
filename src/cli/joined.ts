/** Work in several processes: they meet before it, and when it fails say which of them is the cause. */
import { CsrmError } from "../errors.ts";
import { InterruptedError } from "../interrupt.ts";
import { createProgress, type Progress, silentProgress } from "../progress.ts";
import {
  alone,
  joinProcesses,
  ProcessGroup,
  part,
  postMortem,
  processes,
  processGroupBackends,
} from "../torch/index.ts";
import { diffRecipes, type Recipe } from "../training/config.ts";
import { readWorld, type World } from "../world.ts";

/** Seconds to wait for all processes at the start: a cluster may fetch an image for some of them first. */
const JOIN_SECONDS = 600;

/**
 * Joins the processes that the environment tells of, where there are several, does the work, and parts.
 * @param timeoutSeconds how long one may be silent
 * @throws CsrmError that names the process which is the cause, where it is another one
 */
export async function joined<Result>(
  recipe: Recipe,
  timeoutSeconds: number,
  work: (recipe: Recipe) => Promise<Result>,
): Promise<Result> {
  const world = readWorld();
  if (world.size === 1) return work(recipe);
  // Started by --nproc: whoever started this one is gone.
  process.once("disconnect", () => process.exit(1));
  // Listening alone would keep a process alive that is done.
  process.channel?.unref();
  const group = await joinProcesses({
    ...world,
    master: masterOf(world, recipe.device),
    joinSeconds: JOIN_SECONDS,
    timeoutSeconds,
    interfaces: process.env.GLOO_SOCKET_IFNAME,
    gpu: recipe.device === "cpu" ? undefined : Number(ownDevice(recipe.device, world).split(":")[1] ?? 0),
  });
  try {
    assertSameRecipe(recipe);
    return await work({ ...recipe, device: ownDevice(recipe.device, world) });
  } catch (error) {
    if (processes() === alone || error instanceof InterruptedError) throw error;
    throw await postMortem(group, error);
  } finally {
    if (processes() instanceof ProcessGroup) part();
  }
}

/** For the first process as ever; the others only tell what is worth a line. */
export function progressOf({ rank, size }: World): Progress {
  if (rank === 0) return createProgress();
  return { ...silentProgress, note: (text) => void process.stderr.write(`process ${rank} of ${size}: ${text}\n`) };
}

function masterOf({ size, master }: World, device: string): NonNullable<World["master"]> {
  const backends = processGroupBackends();
  if (!backends.includes("gloo") && !(device.startsWith("cuda") && backends.includes("nccl"))) {
    throw new CsrmError(
      `training in ${size} processes needs Gloo, which this addon was built without; with Debian's libtorch: ` +
        "apt-get install libgloo-dev, then node scripts/setup.mjs (PyTorch's own packages lack Gloo's headers)",
      { code: "processes" },
    );
  }
  if (master) return master;
  throw new CsrmError(`MASTER_ADDR and MASTER_PORT are not set, so these ${size} processes cannot find each other`, {
    code: "environment",
  });
}

/** "cuda" is the GPU of the process's number on its machine. */
function ownDevice(device: string, { localRank }: World): string {
  return device === "cuda" ? `cuda:${localRank}` : device;
}

function assertSameRecipe(recipe: Recipe): void {
  const all = processes().exchange(JSON.parse(JSON.stringify(recipe)) as Record<string, unknown>);
  for (const [rank, other] of all.entries()) {
    const differences = diffRecipes(all[0]!, other);
    if (differences.length === 0) continue;
    throw new CsrmError(
      `processes 0 and ${rank} were given different recipes:\n${differences.map((line) => `  ${line}`).join("\n")}\n` +
        "run the same command in all",
      { code: "config" },
    );
  }
}

/** @throws CsrmError where a launcher has started several processes of a command that works in one */
export function requireOneProcess(command: string): void {
  const { rank, size } = readWorld();
  if (size === 1) return;
  throw new CsrmError(
    `${command} works in one process, and the environment tells of ${size}, this being number ${rank}; run it without a launcher`,
    { code: "environment" },
  );
}
