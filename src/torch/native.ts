/** Loads the native addon and gives its functions their types. Nothing outside src/torch imports this. */
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { CsrmError, messageOf } from "../errors.ts";

/** A tensor as the addon knows it; 0 is "no tensor". */
export type Handle = number;

/** What findOperator tells: the functions and where tensors stand among arguments and results (1 tensor, 2 list, 0 other). */
export interface NativeOperator {
  call: (...args: unknown[]) => unknown;
  /** The same in Node's thread pool. */
  later: (...args: unknown[]) => Promise<unknown>;
  schema: string;
  tensors: number[];
  results: number[];
  /** For every result the index of the argument that comes back (in-place operators), or -1. */
  returned: number[];
}

export interface OperatorDescription {
  parameters: { name: string; type: string; hasDefault: boolean; length: number }[];
  results: string[];
}

interface Native {
  findOperator(name: string): NativeOperator | null;
  describeOperator(name: string): OperatorDescription | null;
  operatorNames(): string[];
  shape(tensor: Handle): number[];
  dtype(tensor: Handle): string;
  device(tensor: Handle): string;
  requiresGrad(tensor: Handle): boolean;
  isChannelsLast(tensor: Handle): boolean;
  item(tensor: Handle): number;
  release(tensor: Handle): void;
  /** From here on the garbage collector decides when the tensor goes. */
  collectable(tensor: Handle): void;
  liveTensors(): number;
  liveBytes(): number;
  fromTypedArray(array: ArrayBufferView, dtype: string, shape: readonly number[]): Handle;
  toArrayBuffer(tensor: Handle, share: boolean): ArrayBuffer;
  backward(outputs: Handle[], gradients: Handle[], retainGraph: boolean, createGraph: boolean): void;
  gradients(
    outputs: Handle[],
    inputs: Handle[],
    gradients: Handle[],
    retainGraph: boolean,
    createGraph: boolean,
  ): Handle[];
  setRequiresGrad(tensor: Handle, value: boolean): void;
  gradOf(tensor: Handle): Handle;
  setGrad(tensor: Handle, gradient: Handle): void;
  /** Sets the mode when given one; returns the mode before. */
  gradMode(enabled?: boolean): boolean;
  versions(): { libtorch: string; config: string; parallel: string; cudaDevices: number };
  threads(count?: number): number;
  manualSeed(seed: number): void;
  rngState(device: string): Handle;
  setRngState(device: string, state: Handle): void;
  autocast(device: string, enabled: boolean, dtype: string): [enabled: boolean, dtype: string];
  flushDenormal(on: boolean): boolean;
  /** Returns what it was. */
  tf32(on: boolean): boolean;
  /** Why no kernel can be compiled for a GPU, or "". */
  noGpuKernels(index: number): string;
  distBackends(): string[];
  distJoin(
    rank: number,
    size: number,
    host: string,
    port: number,
    joinSeconds: number,
    timeoutSeconds: number,
    interfaces: string,
    gpu: number,
  ): Promise<void>;
  distDisconnect(): void;
  distLeave(): void;
  distSet(key: string, value: string): void;
  distGet(key: string): string | null;
  distSum(tensor: Handle): void;
  distBroadcast(tensor: Handle, root: number): void;
  distGather(tensor: Handle): Handle[];
  distWatch(parameters: Handle[][], bucketBytes: number): void;
  distBackward(total: Handle, watched: number): void;
}

function load(): Native {
  // src/torch and dist/torch lie equally deep, so one path serves both.
  const file = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../build/csrm.node");
  if (!existsSync(file)) {
    throw new CsrmError(`the native addon is not built: expected ${file}; run node scripts/setup.mjs`, {
      code: "native",
    });
  }
  // Threads that spin while they wait for the next operator starve everything else on a busy machine, image decoding first.
  process.env.OMP_WAIT_POLICY ??= "passive";
  try {
    return createRequire(import.meta.url)(file) as Native;
  } catch (error) {
    throw new CsrmError(
      `the native addon does not load: ${messageOf(error)}; run node scripts/setup.mjs to build it anew, csrm doctor to see what is wrong`,
      { code: "native", cause: error },
    );
  }
}

export const native: Native = load();
