/**
 * Lifetimes. JavaScript's garbage collector does not see how large a tensor is, so tensors made inside `scope` die at its end;
 * a finalizer catches the rest when the collector gets to it.
 */
import { CsrmError } from "../errors.ts";
import { type Handle, native } from "./native.ts";

/** What scopes need to know of a tensor. */
export interface Disposable {
  readonly handle: Handle;
  readonly isDisposed: boolean;
  dispose(): void;
}

const scopes: Set<Disposable>[] = [];

const finalizers = new FinalizationRegistry<Handle>((handle) => native.release(handle));

function leaveToCollector(tensor: Disposable): void {
  finalizers.register(tensor, tensor.handle, tensor);
  native.collectable(tensor.handle);
}

/** Files a new tensor with the innermost scope, or with the finalizer where there is none. */
export function adopt(tensor: Disposable): void {
  const innermost = scopes[scopes.length - 1];
  if (innermost) innermost.add(tensor);
  else leaveToCollector(tensor);
}

/** Forgets a tensor that is being disposed. */
export function disown(tensor: Disposable): void {
  for (let i = scopes.length - 1; i >= 0; i--) if (scopes[i]!.delete(tensor)) return;
  finalizers.unregister(tensor);
}

/**
 * Takes a tensor out of every scope: it lives until it is disposed or collected. For parameters, memory banks and other state.
 * @returns the same tensor
 */
export function keep<T extends Disposable>(tensor: T): T {
  for (let i = scopes.length - 1; i >= 0; i--) {
    if (scopes[i]!.delete(tensor)) {
      leaveToCollector(tensor);
      break;
    }
  }
  return tensor;
}

/**
 * Runs `body` and disposes every tensor made in it, but for those in its result (found in arrays, plain objects and Maps),
 * which pass to the scope around it. Scopes nest.
 * @throws CsrmError if `body` is asynchronous: tensors of other code would be caught in the scope while it waits
 */
export function scope<T>(body: () => T): T {
  const mine = new Set<Disposable>();
  scopes.push(mine);
  let result: T;
  try {
    result = synchronous(body(), "scope()", "use `using` or dispose() in asynchronous code");
  } catch (error) {
    close(mine);
    throw error;
  }
  const kept: Disposable[] = [];
  collect(result, mine, kept, new Set());
  close(mine);
  for (const tensor of kept) adopt(tensor);
  return result;
}

/** What a body returned, if it is done. @throws CsrmError for a promise: what is in force around the body ends before the promise does */
export function synchronous<T>(result: T, name: string, hint: string): T {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {});
  throw new CsrmError(`${name} takes a synchronous function; ${hint}`, { code: "scope" });
}

function close(scope: Set<Disposable>): void {
  scopes.pop();
  for (const tensor of [...scope]) {
    scope.delete(tensor);
    tensor.dispose();
  }
}

function collect(value: unknown, from: Set<Disposable>, into: Disposable[], seen: Set<unknown>): void {
  if (value === null || typeof value !== "object" || seen.has(value)) return;
  seen.add(value);
  if (from.delete(value as Disposable)) {
    into.push(value as Disposable);
    return;
  }
  if (Array.isArray(value)) for (const item of value) collect(item, from, into, seen);
  else if (value instanceof Map) for (const item of value.values()) collect(item, from, into, seen);
  else if (Object.getPrototypeOf(value) === Object.prototype)
    for (const item of Object.values(value)) collect(item, from, into, seen);
}

/** How many tensors JavaScript holds now; a number that grows over training steps is a leak. */
export function liveTensors(): number {
  return native.liveTensors();
}

/** Bytes behind the live tensors; views count as often as they are held. */
export function liveBytes(): number {
  return native.liveBytes();
}
