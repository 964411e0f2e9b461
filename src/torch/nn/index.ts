/** Network layers with PyTorch's semantics and state-dict names. */
export { GELU, Identity, ReLU, ReLU6 } from "./activation.ts";
export { Conv2d, type Conv2dOptions, type Padding } from "./conv.ts";
export { type AfterNorm, convNorm } from "./conv-norm.ts";
export { Dropout } from "./dropout.ts";
export { type Initialiser, initialise, kaimingNormal, normalInit, uniformInit, withoutInit } from "./init.ts";
export { Linear, type LinearOptions } from "./linear.ts";
export { type Layer, Module, type ModuleToOptions } from "./module.ts";
export { BatchNorm2d, type BatchNorm2dOptions, GroupNorm, LayerNorm } from "./norm.ts";
export { buffer, parameter } from "./parameter.ts";
export { AvgPool2d, GlobalAvgPool2d, MaxPool2d, type PoolOptions } from "./pool.ts";
export { ModuleList, Sequential } from "./sequential.ts";
export { compareKeys, type LoadOptions, type LoadReport, type Shapes, type StateDict } from "./state-dict.ts";
