/** A group of processes over libtorch's c10d: they meet at a TCP store and talk by Gloo (CPU) or NCCL (GPU). */
import { CsrmError, messageOf } from "../../errors.ts";
import { noGrad } from "../autograd.ts";
import { fromTypedArray } from "../creation.ts";
import { type Handle, native } from "../native.ts";
import { op } from "../op.ts";
import { manualSeed, rngState, setRngState } from "../runtime.ts";
import { keep, scope } from "../scope.ts";
import { Tensor } from "../tensor.ts";
import { type Processes, setProcesses } from "./processes.ts";

export interface JoinOptions {
  rank: number;
  size: number;
  /** Rank 0's machine and a free port of it. */
  master: { address: string; port: number };
  /** Seconds to wait for all processes at the start. */
  joinSeconds: number;
  /** Seconds to wait for any of them later: one that is silent for longer ends the job. */
  timeoutSeconds: number;
  /** Network interfaces, separated by commas; default: the one that leads to the master. */
  interfaces?: string;
  /** The GPU that this process computes on, if any. */
  gpu?: number;
}

/** Gradients travel in pieces of about this size, while the rest is computed. */
const BUCKET_BYTES = 4 * 2 ** 20;

const largestOfAll = op("csrm::largest_of_all");

/** The process groups this addon was built with: "gloo" for tensors on CPUs, "nccl" for those on GPUs. */
export function processGroupBackends(): string[] {
  return native.distBackends();
}

/** A process group that does not work any more: a peer is gone, or silent for too long. */
export class ConnectionError extends CsrmError {
  constructor(cause: unknown) {
    super(`the connection to another process failed: ${messageOf(cause)}`, { code: "processes", cause });
  }
}

/** Waits until all processes are there. @throws CsrmError when one does not come, or the address cannot be used */
export async function joinProcesses(options: JoinOptions): Promise<ProcessGroup> {
  const { rank, size, master, joinSeconds, timeoutSeconds, interfaces = "", gpu = -1 } = options;
  try {
    await native.distJoin(rank, size, master.address, master.port, joinSeconds, timeoutSeconds, interfaces, gpu);
  } catch (error) {
    const where = `${master.address}:${master.port}`;
    throw new CsrmError(`process ${rank} of ${size} could not join the others at ${where}: ${messageOf(error)}`, {
      code: "processes",
      cause: error,
    });
  }
  const group = new ProcessGroup(rank, size);
  setProcesses(group);
  return group;
}

export class ProcessGroup implements Processes {
  readonly rank: number;
  readonly size: number;
  /** The generators' states of the draws that all make alike, by device. */
  #shared = new Map<string, Tensor>();
  #learning: readonly object[] = [];

  constructor(rank: number, size: number) {
    this.rank = rank;
    this.size = size;
  }

  sum(x: Tensor): Tensor {
    return noGrad(() =>
      scope(() => {
        const total = x.detach().clone("contiguous");
        connected(() => native.distSum(total.handle));
        return total;
      }),
    );
  }

  gather(x: Tensor): Tensor[] {
    return noGrad(() => connected(() => native.distGather(x.handle)).map((handle: Handle) => Tensor.wrap(handle)));
  }

  exchange<Value>(value: Value): Value[] {
    return scope(() => {
      const bytes = new TextEncoder().encode(JSON.stringify(value) ?? "null");
      const parts = this.gather(fromTypedArray(bytes, [bytes.length]));
      return parts.map((part) => JSON.parse(new TextDecoder().decode(part.toTypedArray())) as Value);
    });
  }

  broadcast(tensors: Iterable<Tensor>): void {
    for (const tensor of tensors) connected(() => native.distBroadcast(tensor.handle, 0));
  }

  max(x: Tensor): Tensor {
    return connected(() => largestOfAll(x));
  }

  /** Names the parameters of each network whose gradients `backward` sums; an empty map lets go of them. */
  watch(learning: ReadonlyMap<object, readonly Tensor[]>): void {
    native.distWatch(
      [...learning.values()].map((parameters) => parameters.map(({ handle }) => handle)),
      BUCKET_BYTES,
    );
    this.#learning = [...learning.keys()];
  }

  backward(total: Tensor, network: object): void {
    const place = this.#learning.indexOf(network);
    if (place < 0) throw new CsrmError("backward for a network that no process watches", { code: "processes" });
    connected(() => native.distBackward(total.handle, place));
  }

  /** From here every process draws its own random numbers; those drawn alike go on from where all are now. @param seed of the job */
  divideRandom(seed: number, devices: readonly string[]): void {
    this.setShared(new Map(devices.map((device) => [device, rngState(device)])));
    // Far apart for neighbouring seeds and ranks, and exact in a double.
    manualSeed((seed % 2 ** 21) + (this.rank + 1) * 2 ** 32);
  }

  /** For checkpoints. */
  get shared(): ReadonlyMap<string, Tensor> {
    return this.#shared;
  }

  /** @param states copied */
  setShared(states: ReadonlyMap<string, Tensor>): void {
    const copies = [...states].map(([device, state]) => [device, keep(state.clone())] as const);
    for (const state of this.#shared.values()) state.dispose();
    this.#shared = new Map(copies);
  }

  alike<Result>(draw: () => Result): Result {
    const own = scope(() => new Map([...this.#shared.keys()].map((device) => [device, rngState(device)])));
    try {
      for (const [device, state] of this.#shared) setRngState(state, device);
      const result = draw();
      scope(() => this.setShared(new Map([...this.#shared.keys()].map((device) => [device, rngState(device)]))));
      return result;
    } finally {
      for (const [device, state] of own) {
        setRngState(state, device);
        state.dispose();
      }
    }
  }

  /** A word for the others, whatever state they are in. */
  tell(key: string, value: string): void {
    connected(() => native.distSet(key, value));
  }

  /** What somebody told; null before that. */
  told(key: string): string | null {
    return connected(() => native.distGet(key));
  }

  /** Ends the connections for sums and gatherings, which the others notice at once; `tell` and `told` go on. */
  disconnect(): void {
    native.distDisconnect();
  }

  /** Ends the group. */
  leave(): void {
    native.distLeave();
    this.setShared(new Map());
  }
}

function connected<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw new ConnectionError(error);
  }
}
