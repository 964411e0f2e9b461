/** The door to every operator of the dispatcher: `op("aten::add.Tensor")` is a function typed by the operator's schema. */
import { CsrmError, messageOf } from "../errors.ts";
import { type Handle, type NativeOperator, native } from "./native.ts";
import type { OperatorTable } from "./ops.generated.ts";
import { Tensor } from "./tensor.ts";

// biome-ignore lint/suspicious/noExplicitAny: operators outside the generated table take what their schema says, checked when called.
type AnyOperator = (...args: any[]) => any;

/**
 * Finds an operator by its full name, "namespace::name.overload" (nothing after the dot: the default overload).
 * Arguments follow the schema's order; `undefined` means the schema's default, `null` means None. In-place operators return
 * the tensor they were given. Look an operator up once and keep the function: calling it is cheap, finding it less so.
 * @throws CsrmError for a name the library does not know, naming near ones
 */
export function op<K extends keyof OperatorTable>(name: K): OperatorTable[K];
export function op(name: string): AnyOperator;
export function op(name: string): AnyOperator {
  const { call, tensors, results, returned } = find(name);
  const invoke = (args: unknown[]): unknown => {
    const handles = withHandles(args, name, tensors);
    try {
      return call(...handles);
    } catch (error) {
      throw failure(error);
    }
  };

  if (results.length === 0) return (...args) => void invoke(args);
  if (results.length === 1) {
    const same = returned[0]!;
    if (same >= 0) {
      return (...args) => {
        invoke(args);
        return changed(args[same]);
      };
    }
    if (results[0] === 1) return (...args) => Tensor.wrap(invoke(args) as Handle);
    if (results[0] === 2) return (...args) => (invoke(args) as Handle[]).map((handle) => Tensor.wrap(handle));
    return (...args) => invoke(args);
  }
  return (...args) => {
    const values = invoke(args) as unknown[];
    return values.map((value, i) => {
      if (returned[i]! >= 0) return changed(args[returned[i]!]);
      if (results[i] === 1) return value === 0 ? null : Tensor.wrap(value as Handle);
      if (results[i] === 2) return (value as Handle[]).map((handle) => Tensor.wrap(handle));
      return value;
    });
  };
}

/** The in-place operators' names. */
type InPlace = { [K in keyof OperatorTable]: K extends `${string}_` ? K : never }[keyof OperatorTable];

/**
 * An in-place operator that does its work in Node's thread pool, without a graph. The promise settles when it is done; until then nobody may
 * read or change what it writes to. Handles may be disposed before, since the work keeps their memory.
 */
export function opLater<K extends InPlace>(name: K): (...args: Parameters<OperatorTable[K]>) => Promise<void> {
  const { later, tensors } = find(name);
  return async (...args) => {
    const handles = withHandles(args, name, tensors);
    try {
      await later(...handles);
    } catch (error) {
      throw failure(error);
    }
  };
}

/** Whether the loaded libtorch (or our own addon) has the operator. */
export function hasOp(name: string): boolean {
  return native.findOperator(name) !== null;
}

function find(name: string): NativeOperator {
  const found = native.findOperator(name);
  if (!found) throw unknownOperator(name);
  return found;
}

/** A copy of the arguments with handles in the tensors' places. */
function withHandles(args: readonly unknown[], name: string, tensors: readonly number[]): unknown[] {
  const handles = args.slice();
  for (let i = 0; i < handles.length; i++) {
    const value = handles[i];
    if (value === undefined || value === null || tensors[i] === 0) continue;
    handles[i] = tensors[i] === 1 ? handleOf(value, name, i) : handlesOf(value, name, i);
  }
  return handles;
}

function failure(error: unknown): CsrmError {
  return new CsrmError(messageOf(error), { code: "operator", cause: error });
}

/** An argument that the operator wrote to. */
function changed(argument: unknown): unknown {
  if (argument instanceof Tensor) argument.forgetProperties();
  return argument;
}

function handleOf(value: unknown, name: string, index: number): Handle {
  if (value instanceof Tensor) return value.handle;
  throw new CsrmError(`${name}: expected a Tensor as argument ${index}, got ${kindOf(value)}`, { code: "operator" });
}

function handlesOf(value: unknown, name: string, index: number): (Handle | null)[] {
  if (!Array.isArray(value)) {
    throw new CsrmError(`${name}: expected an array of Tensors as argument ${index}, got ${kindOf(value)}`, {
      code: "operator",
    });
  }
  return value.map((item) => (item === null || item === undefined ? null : handleOf(item, name, index)));
}

function kindOf(value: unknown): string {
  return typeof value === "object" ? (value?.constructor?.name ?? "null") : `${typeof value} ${String(value)}`;
}

function unknownOperator(name: string): CsrmError {
  const stem = name.split(".")[0]!;
  const near = native.operatorNames().filter((known) => known.split(".")[0] === stem);
  const hint = near.length > 0 ? `; it has ${near.slice(0, 12).join(", ")}` : "";
  return new CsrmError(`no operator ${name} in this libtorch (${native.versions().libtorch})${hint}`, {
    code: "operator",
  });
}
