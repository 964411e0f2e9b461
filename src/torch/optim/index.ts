/** Optimisers with fused updates, gradient clipping and loss scaling. */
export { AdamW, type AdamWOptions } from "./adamw.ts";
export { clipGradNorm } from "./clip.ts";
export { LossScaler, type LossScalerOptions, type LossScalerState } from "./loss-scaler.ts";
export { Optimizer, type ParameterGroup } from "./optimizer.ts";
export { SGD, type SGDOptions } from "./sgd.ts";
