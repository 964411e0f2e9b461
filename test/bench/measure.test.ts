import { describe, expect, it } from "vitest";
import { against } from "../../bench/lib/against.ts";
import { inTurn, measure, median, ratioOf, timingOf } from "../../bench/measure.ts";

describe("statistics", () => {
  it("takes the middle value, or the mean of the two in the middle, and leaves the list as it is", () => {
    const values = [5, 1, 3];
    expect(median(values)).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(values).toEqual([5, 1, 3]);
    expect(timingOf(values)).toEqual({ median: 3, min: 1, max: 5, runs: 3 });
  });

  it("forms ratios round by round, so that what slows a whole round down cancels", () => {
    expect(ratioOf([2, 20, 4], [1, 10, 2])).toEqual({ median: 2, min: 2, max: 2, runs: 3 });
    expect(() => ratioOf([1, 2], [1])).toThrow("2 rounds of one side, 1 of the other");
  });

  it("runs the sides in turn", async () => {
    const order: string[] = [];
    const side = (name: string) => () => {
      order.push(name);
      return order.length;
    };
    const numbers = await inTurn(2, { a: side("a"), b: side("b") });
    expect(order).toEqual(["a", "b", "a", "b"]);
    expect(numbers).toEqual({ a: [1, 3], b: [2, 4] });
  });

  it("does not count the first run of a body", () => {
    let calls = 0;
    expect(measure(() => calls++, { runs: 3 }).runs).toBe(3);
    expect(calls).toBe(4);
  });
});

describe("a row of csrm and its peer", () => {
  const numbers = (...list: number[]) => {
    let at = 0;
    return () => list[at++]!;
  };

  it("leaves the first run of both out", async () => {
    const row = await against(2, numbers(100, 2, 4), numbers(100, 1, 1));
    expect(row.value).toEqual({ median: 3, min: 2, max: 4, runs: 2 });
    expect(row.peer).toEqual({ median: 1, min: 1, max: 1, runs: 2 });
    expect(row.ratio?.median).toBe(3);
  });

  it("says why there is no peer, and gives no ratio", async () => {
    const row = await against(2, numbers(100, 2, 4), "not installed: …");
    expect(row).toEqual({ value: { median: 3, min: 2, max: 4, runs: 2 }, peer: "not installed: …" });
  });
});
