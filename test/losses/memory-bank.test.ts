import { describe, expect, it } from "vitest";
import { MemoryBank } from "../../src/losses/memory-bank.ts";
import { liveTensors, tensor } from "../../src/torch/index.ts";
import { losses } from "./fixture.ts";

/** Rows of two channels that can be told apart: [v, −v]. */
const rows = (values: number[]) =>
  tensor(Float32Array.from(values.flatMap((v) => [v, -v])), { shape: [values.length, 2] });
const held = (bank: MemoryBank, c: number) =>
  bank
    .rows(c)
    .toArray()
    .filter((_, i) => i % 2 === 0);

const small = () => new MemoryBank({ classes: 3, channels: 2, foreground: 7, background: 4 });

describe("the memory bank", () => {
  it("keeps what the reference's first-in-first-out list keeps", () => {
    const bank = new MemoryBank({ classes: 2, channels: 2, foreground: losses.fifo_bank.cap, background: 1 });
    for (const step of losses.fifo_bank.steps) {
      bank.push(1, rows(step.push));
      expect(held(bank, 1)).toEqual(step.bank_after);
      expect(bank.size(1)).toBe(step.bank_after.length);
    }
    expect(bank.size(0)).toBe(0);
  });

  it("has its own capacity for the background, and classes do not touch each other", () => {
    const bank = small();
    for (const c of [0, 1, 2]) bank.push(c, rows([1, 2, 3, 4, 5, 6, 7, 8, 9].map((v) => v + 10 * c)));
    expect(held(bank, 0)).toEqual([6, 7, 8, 9]);
    expect(held(bank, 1)).toEqual([13, 14, 15, 16, 17, 18, 19]);
    expect(held(bank, 2)).toEqual([23, 24, 25, 26, 27, 28, 29]);
  });

  it("gathers rows of several classes by slot", () => {
    const bank = small();
    bank.push(0, rows([1, 2]));
    bank.push(2, rows([5, 6, 7]));
    const picked = bank.gather(
      [2, 0],
      tensor(
        [
          [2, 0, 2],
          [1, 1, 0],
        ],
        { dtype: "int64" },
      ),
    );
    expect(picked.shape).toEqual([2, 3, 2]);
    expect(picked.select(2, 0).toArray()).toEqual([7, 5, 7, 2, 2, 1]);
  });

  it("comes back from its state with every row in its slot, and goes on alike", () => {
    const bank = small();
    bank.push(0, rows([1, 2, 3, 4, 5, 6]));
    bank.push(1, rows([7]));
    const state = bank.state();
    expect(state.tensors.get("rows")!.shape).toEqual([5, 2]);
    const copy = small();
    copy.push(2, rows([99]));
    copy.restore({ tensors: state.tensors, json: JSON.parse(JSON.stringify(state.json)) });
    const slots = tensor([[0, 1, 2, 3]], { dtype: "int64" });
    expect(copy.gather([0], slots).toArray()).toEqual(bank.gather([0], slots).toArray());
    for (const each of [bank, copy]) each.push(0, rows([8]));
    for (const c of [0, 1, 2]) expect(held(copy, c)).toEqual(held(bank, c));
  });

  it("refuses a state of another shape and rows of another width", () => {
    const bank = small();
    const other = new MemoryBank({ classes: 3, channels: 2, foreground: 8, background: 4 });
    expect(() => other.restore(bank.state())).toThrow(/expected capacities/);
    expect(() => bank.push(1, tensor([[1, 2, 3]]))).toThrow(/expected rows of shape \[n, 2\]/);
    expect(() => bank.push(3, rows([1]))).toThrow(/expected a class 0\.\.2/);
    expect(() => new MemoryBank({ classes: 2, channels: 2, foreground: 0, background: 4 })).toThrow(/foreground/);
  });

  it("neither grows nor leaks while rows stream through it", () => {
    const bank = small();
    const stream = rows([1, 2, 3, 4, 5]);
    bank.push(1, stream);
    const before = liveTensors();
    for (let i = 0; i < 50; i++) bank.push(1, stream);
    expect(liveTensors()).toBe(before);
    expect(bank.size(1)).toBe(7);
  });
});
