/**
 * Which process of how many this one is, from the environment that launchers set: torchrun's and Kubernetes' PyTorchJob's variables
 * (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT), or those of a SLURM step (`srun`).
 */
import { CsrmError, expected } from "./errors.ts";

export interface World {
  /** 0 … size − 1; rank 0 logs and writes what is written once. */
  rank: number;
  /** Processes in all; 1 without a launcher. */
  size: number;
  /** This process' number on its machine, 0 … localSize − 1: the GPU it takes. */
  localRank: number;
  /** Processes on this machine; they share its cores. */
  localSize: number;
  /** Where the processes meet: rank 0's machine and a free port of it. Null when nobody said; needed by training only. */
  master: { address: string; port: number } | null;
}

export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Reads the launcher's variables. A SLURM job script that runs csrm without `srun` is one process, so only a step's variables count.
 * @throws CsrmError for values that are not whole numbers, a rank outside its world, or half of RANK and WORLD_SIZE
 */
export function readWorld(env: Variables = process.env): World {
  const slurm = env.WORLD_SIZE === undefined && env.RANK === undefined && env.SLURM_STEP_NUM_TASKS !== undefined;
  if (!slurm && (env.RANK === undefined) !== (env.WORLD_SIZE === undefined)) {
    const [set, missing] = env.RANK === undefined ? ["WORLD_SIZE", "RANK"] : ["RANK", "WORLD_SIZE"];
    throw new CsrmError(`${set} is ${env[set]} in the environment, but ${missing} is not set; set both or neither`, {
      code: "environment",
    });
  }
  const size = count(env, slurm ? "SLURM_STEP_NUM_TASKS" : "WORLD_SIZE", 1);
  const rank = index(env, slurm ? "SLURM_PROCID" : "RANK", { below: size, otherwise: 0 });
  const localSize = slurm ? slurmLocalSize(env, size) : count(env, "LOCAL_WORLD_SIZE", env.LOCAL_RANK ? size : 1);
  const localRank = index(env, slurm ? "SLURM_LOCALID" : "LOCAL_RANK", { below: localSize, otherwise: 0 });
  return { rank, size, localRank, localSize, master: master(env, slurm) };
}

/** The positions of a list that a rank works on: every size-th, so that all have equally much to do. */
export function shardOf<Item>(items: readonly Item[], { rank, size }: Pick<World, "rank" | "size">): Item[] {
  return items.filter((_, position) => position % size === rank);
}

function master(env: Variables, slurm: boolean): World["master"] {
  // With this variable torchrun itself serves at the port, in a protocol of its own version; ours is the next one.
  const taken = env.TORCHELASTIC_USE_AGENT_STORE === "True" ? 1 : 0;
  const address = env.MASTER_ADDR ?? (slurm ? firstHost(env.SLURM_STEP_NODELIST ?? env.SLURM_NODELIST) : undefined);
  if (!address) return null;
  if (env.MASTER_PORT !== undefined) return { address, port: port(env.MASTER_PORT) + taken };
  // Every task of a step computes the same number; jobs that share a node get different ones.
  if (slurm) return { address, port: 20_000 + (whole(env.SLURM_JOB_ID ?? "0", "SLURM_JOB_ID") % 10_000) };
  throw new CsrmError(`MASTER_ADDR is ${address} in the environment, but MASTER_PORT is not set; set both`, {
    code: "environment",
  });
}

/** The first name of SLURM's compressed lists: "node[03-05,9],big1" → "node03". */
export function firstHost(list: string | undefined): string | undefined {
  const found = /^([^,[]+)(?:\[([^\],-]+))?/.exec(list ?? "");
  return found ? found[1] + (found[2] ?? "") : undefined;
}

/** "2(x3),1" lists tasks a node, in the order of the nodes; a task's own node is SLURM_NODEID. */
function slurmLocalSize(env: Variables, size: number): number {
  const text = env.SLURM_STEP_TASKS_PER_NODE ?? env.SLURM_TASKS_PER_NODE;
  if (text === undefined) return size;
  const nodes = text.split(",").flatMap((part) => {
    const found = /^(\d+)(?:\(x(\d+)\))?$/.exec(part.trim());
    if (!found) throw expected("tasks a node as SLURM writes them, e.g. 2(x3),1,", "SLURM_STEP_TASKS_PER_NODE", text);
    return new Array<number>(Number(found[2] ?? 1)).fill(Number(found[1]));
  });
  const node = index(env, "SLURM_NODEID", { below: nodes.length, otherwise: 0 });
  return nodes[node]!;
}

function whole(text: string, name: string): number {
  if (!/^\d{1,9}$/.test(text.trim())) throw expected("a whole number from 0", `${name} in the environment`, text);
  return Number(text);
}

function count(env: Variables, name: string, otherwise: number): number {
  const text = env[name];
  if (text === undefined) return otherwise;
  const value = whole(text, name);
  if (value === 0) throw expected("a whole number from 1", `${name} in the environment`, text);
  return value;
}

function index(env: Variables, name: string, { below, otherwise }: { below: number; otherwise: number }): number {
  const text = env[name];
  if (text === undefined) return otherwise;
  const value = whole(text, name);
  if (value >= below) throw expected(`a whole number below ${below}`, `${name} in the environment`, text);
  return value;
}

function port(text: string): number {
  const value = whole(text, "MASTER_PORT");
  if (value < 1 || value > 65_535) throw expected("a port, 1..65535,", "MASTER_PORT in the environment", text);
  return value;
}
