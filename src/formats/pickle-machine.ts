/** The state a pickle works on: its stack, its memo, and the allow-list through which named objects are rebuilt. */

import { messageOf } from "../errors.ts";
import type { PickleCursor } from "./pickle-cursor.ts";

/** A named Python object that a pickle may refer to: what calling it, e.g. `numpy.dtype("f4")`, builds here. */
export interface PickleGlobal {
  /** @throws anything; it becomes an error that names the file. Absent: the object may be mentioned but not called. */
  call?(args: unknown[]): unknown;
}

/** Something a PickleGlobal built whose state the pickle sets afterwards (`__setstate__`). */
export abstract class PickleObject {
  abstract setState(state: unknown): void;
}

export interface UnpickleOptions {
  /** The file's name, for messages. */
  name: string;
  /** Allowed objects by "module.name"; all others are an error. */
  globals: Readonly<Record<string, PickleGlobal>>;
  /** What to put in place of persistent ids, as checkpoint archives use them for storages; absent: an error. */
  persistentLoad?(id: unknown): unknown;
  /** What to do about an object that is not allowed, when that is known; ends the message. */
  advice?(path: string): string | undefined;
}

const MARK = Symbol("mark");

/** Containers that a pickle may build, and one more for so many bytes: millions of empty ones fit a small packed file and take gigabytes. */
const CONTAINERS = { most: 1_000_000, bytes: 8 };

/** The stack machine of a pickle; every method that finds its input malformed throws an error naming the file. */
export class PickleMachine {
  readonly input: PickleCursor;
  readonly options: UnpickleOptions;
  readonly #stack: unknown[] = [];
  readonly #memo = new Map<number, unknown>();
  #containers = 0;

  constructor(input: PickleCursor, options: UnpickleOptions) {
    this.input = input;
    this.options = options;
  }

  push(value: unknown): void {
    if (typeof value === "object" && value !== null) this.#count();
    this.#stack.push(value);
  }

  #count(): void {
    const most = CONTAINERS.most + this.input.length / CONTAINERS.bytes;
    if (++this.#containers > most) throw this.input.fail(`it builds more than ${Math.floor(most)} lists and tables`);
  }

  pop(): unknown {
    const value = this.top();
    this.#stack.pop();
    return value;
  }

  top(): unknown {
    const value = this.#stack.at(-1);
    if (this.#stack.length === 0 || value === MARK) throw this.input.fail("a value is missing");
    return value;
  }

  mark(): void {
    this.#count();
    this.#stack.push(MARK);
  }

  /** Takes everything above the last mark, and the mark. */
  popToMark(): unknown[] {
    const at = this.#stack.lastIndexOf(MARK);
    if (at < 0) throw this.input.fail("a mark is missing");
    return this.#stack.splice(at).slice(1);
  }

  /** Drops the top, which may be a mark. */
  drop(): void {
    if (this.#stack.length === 0) throw this.input.fail("a value is missing");
    this.#stack.pop();
  }

  memoize(key = this.#memo.size): void {
    this.#memo.set(key, this.top());
  }

  recall(key: number): void {
    if (!this.#memo.has(key)) throw this.input.fail(`it refers to value ${key}, which was not stored`);
    this.push(this.#memo.get(key));
  }

  pushGlobal(path: string): void {
    const { globals } = this.options;
    if (!Object.hasOwn(globals, path)) {
      const advice = this.options.advice?.(path);
      throw this.input.fail(
        `it asks for the Python object "${path}", which is not plain data and is not loaded${advice ? `; ${advice}` : ""}`,
      );
    }
    this.push(new GlobalRef(path, globals[path]!));
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!(callee instanceof GlobalRef) || !Array.isArray(args)) throw this.input.fail("a call is malformed");
    if (!callee.global.call) throw this.input.fail(`"${callee.path}" may not be called`);
    try {
      this.push(callee.global.call(args));
    } catch (error) {
      throw this.input.fail(`"${callee.path}" cannot be rebuilt (${messageOf(error)})`);
    }
  }

  build(): void {
    const state = this.pop();
    const target = this.top();
    // Attributes that a program hung on an (ordered) dictionary are not data.
    if (target instanceof Map) return;
    if (!(target instanceof PickleObject)) throw this.input.fail("it sets the state of something that has none");
    try {
      target.setState(state);
    } catch (error) {
      throw this.input.fail(`a state cannot be set (${messageOf(error)})`);
    }
  }

  append(values: unknown[]): void {
    const list = this.top();
    if (list instanceof Set) for (const value of values) list.add(value);
    else if (Array.isArray(list)) for (const value of values) list.push(value);
    else throw this.input.fail("it appends to something that is not a list");
  }

  setItems(pairs: unknown[]): void {
    const map = this.top();
    if (!(map instanceof Map) || pairs.length % 2) throw this.input.fail("dictionary entries are malformed");
    for (let i = 0; i < pairs.length; i += 2) map.set(pairs[i], pairs[i + 1]);
  }

  persistent(id: unknown): void {
    if (!this.options.persistentLoad) throw this.input.fail("it refers to data outside of it");
    try {
      this.push(this.options.persistentLoad(id));
    } catch (error) {
      throw this.input.fail(messageOf(error));
    }
  }

  text(value: unknown): string {
    if (typeof value !== "string") throw this.input.fail("the name of an object is not a text");
    return value;
  }
}

/** An allowed object as a value. */
export class GlobalRef {
  readonly path: string;
  readonly global: PickleGlobal;
  constructor(path: string, global: PickleGlobal) {
    this.path = path;
    this.global = global;
  }
}
