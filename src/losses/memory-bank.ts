/** The negative keys of paper Eq. 13: one first-in-first-out list of representations a class, in one block of memory that never grows. */

import { expected } from "../errors.ts";
import { cat, type DType, empty, keep, noGrad, scope, type Tensor, tensor } from "../torch/index.ts";

export interface MemoryBankOptions {
  /** K, background included. */
  classes: number;
  /** D, the length of a row. */
  channels: number;
  /** Rows kept of each foreground class, and of the background. */
  foreground: number;
  background: number;
  dtype?: DType;
  device?: string;
}

/** What a checkpoint keeps of a bank: the rows in the order of their slots, and the counters as JSON. */
export interface MemoryBankState {
  tensors: Map<string, Tensor>;
  json: { capacities: number[]; sizes: number[]; heads: number[] };
}

/** Rings of rows; a full ring overwrites its oldest rows. Slots 0..size−1 of a class always hold rows, so that drawing needs no order. */
export class MemoryBank {
  readonly classes: number;
  readonly channels: number;
  readonly #capacities: number[];
  readonly #offsets: number[] = [];
  readonly #sizes: number[];
  /** The slot that the next row goes to. */
  readonly #heads: number[];
  readonly #rows: Tensor;

  constructor({ classes, channels, foreground, background, dtype = "float32", device = "cpu" }: MemoryBankOptions) {
    for (const [name, value] of Object.entries({ classes, channels, foreground, background })) {
      if (!Number.isInteger(value) || value < 1)
        throw expected("a whole number of at least 1", `the bank's ${name}`, value);
    }
    this.classes = classes;
    this.channels = channels;
    this.#capacities = Array.from({ length: classes }, (_, c) => (c === 0 ? background : foreground));
    let total = 0;
    for (const capacity of this.#capacities) {
      this.#offsets.push(total);
      total += capacity;
    }
    this.#sizes = this.#capacities.map(() => 0);
    this.#heads = this.#capacities.map(() => 0);
    this.#rows = keep(empty([total, channels], { dtype, device }));
  }

  /** Rows held of class c. */
  size(c: number): number {
    return this.#sizes[this.#checkClass(c)]!;
  }

  /** Most rows ever held of class c. */
  capacity(c: number): number {
    return this.#capacities[this.#checkClass(c)]!;
  }

  /** Appends rows, the oldest first; of more rows than fit, the last ones stay. @param rows [n, D] */
  push(c: number, rows: Tensor): void {
    const capacity = this.capacity(c);
    if (rows.ndim !== 2 || rows.shape[1] !== this.channels) {
      throw expected(`rows of shape [n, ${this.channels}]`, `class ${c} of the bank`, rows.shape);
    }
    const count = Math.min(rows.shape[0]!, capacity);
    noGrad(() =>
      scope(() => {
        let from = rows.shape[0]! - count;
        while (from < rows.shape[0]!) {
          const head = this.#heads[c]!;
          const length = Math.min(capacity - head, rows.shape[0]! - from);
          this.#rows.narrow(0, this.#offsets[c]! + head, length).copy_(rows.narrow(0, from, length));
          this.#heads[c] = (head + length) % capacity;
          from += length;
        }
      }),
    );
    this.#sizes[c] = Math.min(capacity, this.#sizes[c]! + count);
  }

  /** All rows of class c, the oldest first: [size, D], a copy. */
  rows(c: number): Tensor {
    const size = this.size(c);
    const offset = this.#offsets[c]!;
    return scope(() => {
      if (size < this.#capacities[c]!) return this.#rows.narrow(0, offset, size).clone();
      const head = this.#heads[c]!;
      return cat([this.#rows.narrow(0, offset + head, size - head), this.#rows.narrow(0, offset, head)], 0);
    });
  }

  /**
   * Where rows lie, by slot, for several classes at once.
   * @param classes A class ids
   * @param slots [A, n] int64, in row a each 0 ≤ slot < size(classes[a])
   * @returns [A, n] int64, for `at`
   */
  places(classes: readonly number[], slots: Tensor): Tensor {
    return scope(() => {
      const offsets = BigInt64Array.from(classes, (c) => BigInt(this.#offsets[this.#checkClass(c)]!));
      return slots.add(tensor(offsets, { shape: [classes.length, 1], device: slots.device }));
    });
  }

  /** Rows by place: [..., D], a copy. @param places of any shape, as `places` gives them */
  at(places: Tensor): Tensor {
    return scope(() => this.#rows.indexSelect(0, places.flatten()).reshape([...places.shape, this.channels]));
  }

  /** Rows by slot: [A, n, D], a copy; see `places`. */
  gather(classes: readonly number[], slots: Tensor): Tensor {
    return scope(() => this.at(this.places(classes, slots)));
  }

  /** A copy for a checkpoint: only the rows held. */
  state(): MemoryBankState {
    const held = this.#sizes.map((size, c) => this.#rows.narrow(0, this.#offsets[c]!, size));
    const rows = cat(held, 0);
    for (const part of held) part.dispose();
    return {
      tensors: new Map([["rows", rows]]),
      json: { capacities: [...this.#capacities], sizes: [...this.#sizes], heads: [...this.#heads] },
    };
  }

  /** Goes back to a state of a bank of the same shape; draws by slot then give the same rows as before. */
  restore({ tensors, json }: MemoryBankState): void {
    if (json.capacities.join() !== this.#capacities.join()) {
      throw expected(
        `capacities ${show(this.#capacities)}`,
        "the restored bank",
        json.capacities,
        "use the same contrast.bank",
      );
    }
    const total = json.sizes.reduce((sum, size) => sum + size, 0);
    const rows = tensors.get("rows");
    if (!rows || rows.shape[0] !== total || rows.shape[1] !== this.channels) {
      throw expected(`rows of shape [${total}, ${this.channels}]`, "the restored bank", rows?.shape);
    }
    noGrad(() =>
      scope(() => {
        let from = 0;
        for (const [c, size] of json.sizes.entries()) {
          this.#rows.narrow(0, this.#offsets[c]!, size).copy_(rows.narrow(0, from, size));
          from += size;
          this.#sizes[c] = size;
          this.#heads[c] = json.heads[c]!;
        }
      }),
    );
  }

  /** Frees the memory; the bank is of no use afterwards. */
  dispose(): void {
    this.#rows.dispose();
  }

  #checkClass(c: number): number {
    if (!Number.isInteger(c) || c < 0 || c >= this.classes)
      throw expected(`a class 0..${this.classes - 1}`, "the bank", c);
    return c;
  }
}

function show(capacities: readonly number[]): string {
  return `[${capacities.slice(0, 2).join(", ")}, …] for ${capacities.length} classes`;
}
