/**
 * The tensor library: libtorch's tensors, autograd and operators for TypeScript.
 *
 *     import { randn, scope } from "csrm/torch";
 *     const w = randn([3, 3]).requiresGrad_();
 *     const loss = scope(() => randn([2, 3]).matmul(w).relu().sum());
 *     loss.backward();
 */
export { backward, type GradOptions, grad, gradcheck, isGradEnabled, noGrad } from "./autograd.ts";
export {
  arange,
  type CreateOptions,
  cat,
  empty,
  eye,
  fromTypedArray,
  full,
  ones,
  onesLike,
  rand,
  randint,
  randn,
  randperm,
  stack,
  tensor,
  where,
  zeros,
  zerosLike,
} from "./creation.ts";
export { byFirst, part } from "./distributed/first.ts";
export { postMortem } from "./distributed/post-mortem.ts";
export {
  ConnectionError,
  type JoinOptions,
  joinProcesses,
  ProcessGroup,
  processGroupBackends,
} from "./distributed/process-group.ts";
export { alone, byItself, type Processes, processes, setProcesses } from "./distributed/processes.ts";
export type { Device, DType, MemoryFormat, TypedArray } from "./dtype.ts";
export { type ConvOptions, type CrossEntropyOptions, F, type InterpolateOptions } from "./functional.ts";
export { hasGpuKernels, kernelsTake, whyNoGpuKernels } from "./gpu-kernels.ts";
export { hasOp, op, opLater } from "./op.ts";
export {
  type AutocastOptions,
  autocast,
  cpuHasBf16,
  getThreads,
  manualSeed,
  type Precision,
  type RuntimeInfo,
  rngState,
  runtimeInfo,
  setFlushDenormal,
  setRngState,
  setTf32,
  setThreads,
  withPrecision,
} from "./runtime.ts";
export { keep, liveBytes, liveTensors, scope } from "./scope.ts";
export {
  type InspectedTensors,
  inspectTensors,
  type LoadedTensors,
  loadTensor,
  loadTensors,
  saveTensors,
} from "./serialization.ts";
export { type Dims, type Operand, Tensor, type ToOptions } from "./tensor.ts";
