/** The base of every network part: parameters, buffers and children are found among its own properties, named as in PyTorch. */
import { type DType, type MemoryFormat, noGrad, scope, type Tensor } from "../index.ts";
import { kindOf } from "./parameter.ts";
import { type LoadOptions, type LoadReport, loadInto, type StateDict } from "./state-dict.ts";

export interface ModuleToOptions {
  device?: string;
  /** Applies to floating-point tensors only; integer buffers keep theirs. */
  dtype?: DType;
  /** Applies to tensors of four dimensions (convolution weights). */
  memoryFormat?: MemoryFormat;
}

/** A module that maps one tensor to one tensor. */
export type Layer = Module & { forward(x: Tensor): Tensor };

/**
 * A named tree of parameters and buffers with a forward function. Names are property names joined by dots; the order is
 * PyTorch's: own parameters, own buffers, then children, each in the order of declaration.
 */
export abstract class Module {
  /** Whether dropout drops and batch normalisation uses the batch's statistics. Set through train() and eval(). */
  training = true;

  abstract forward(...args: never[]): unknown;

  /** Direct children by name. */
  namedChildren(): [string, Module][] {
    return Object.entries(this).filter((entry): entry is [string, Module] => entry[1] instanceof Module);
  }

  /** This module ("" as name) and everything below it, parents first. */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>([["", this]]);
    for (const [name, child] of this.namedChildren()) {
      for (const [path, module] of child.namedModules()) found.set(path === "" ? name : `${name}.${path}`, module);
    }
    return found;
  }

  /** Trainable and frozen parameters by dotted name. */
  namedParameters(): StateDict {
    return this.collect(["parameter"]);
  }

  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** Saved but untrained tensors (running statistics) by dotted name. */
  namedBuffers(): StateDict {
    return this.collect(["buffer"]);
  }

  buffers(): Tensor[] {
    return [...this.namedBuffers().values()];
  }

  /** Parameters and buffers by dotted name: the module's own tensors, not copies. */
  stateDict(): StateDict {
    return this.collect(["parameter", "buffer"]);
  }

  /**
   * Copies tensors into parameters and buffers by name, in place.
   * @throws CsrmError (code "weights") listing missing, unexpected and misshapen keys, before anything is copied
   */
  loadStateDict(source: StateDict, options: LoadOptions = {}): LoadReport {
    return loadInto(this.stateDict(), source, options);
  }

  /** Copies every parameter and buffer of a module of the same structure into this one. Returns this. */
  copyFrom(other: Module): this {
    this.loadStateDict(other.stateDict());
    return this;
  }

  /** Switches this module and everything below it to training (or evaluation) behaviour. Returns this. */
  train(mode = true): this {
    return this.apply((module) => {
      module.training = mode;
    });
  }

  eval(): this {
    return this.train(false);
  }

  /** Calls a function on this module and on everything below it. Returns this. */
  apply(visit: (module: Module) => void): this {
    for (const module of this.namedModules().values()) visit(module);
    return this;
  }

  /** Moves or converts all tensors in place (handles stay valid, so optimisers and maps that hold them do too). Returns this. */
  to(options: ModuleToOptions): this {
    noGrad(() =>
      scope(() => {
        for (const tensor of this.stateDict().values()) {
          const floating = tensor.dtype.includes("float");
          const memoryFormat = tensor.ndim === 4 ? options.memoryFormat : undefined;
          const dtype = floating ? options.dtype : undefined;
          tensor.setData_(tensor.to({ device: options.device, dtype, memoryFormat }));
        }
      }),
    );
    return this;
  }

  /** Frees every parameter and buffer now; the module cannot be used afterwards. */
  dispose(): void {
    for (const tensor of this.stateDict().values()) tensor.dispose();
  }

  private collect(kinds: readonly string[]): StateDict {
    const found: StateDict = new Map();
    for (const kind of kinds) {
      for (const [name, value] of Object.entries(this)) if (kindOf(value) === kind) found.set(name, value as Tensor);
    }
    for (const [name, child] of this.namedChildren()) {
      for (const [path, tensor] of child.collect(kinds)) found.set(`${name}.${path}`, tensor);
    }
    return found;
  }
}
