/** What the teacher's segmentation says where the tags rule classes out. */
import { describe, expect, it } from "vitest";
import { type AbsentClasses, teacherLabels } from "../../src/losses/teacher-labels.ts";
import { scope, tensor } from "../../src/torch/index.ts";

/** Background and three classes in one pixel: e^x / 20 each. */
const parts = [6, 3, 10, 1];
const logits = () => tensor(parts.map(Math.log), { shape: [1, 4, 1, 1] });

function taught(tags: number[], absent?: AbsentClasses) {
  return scope(() => {
    const { labels, confidence } = teacherLabels(logits(), tensor([tags]), absent);
    return [labels.item(), confidence.item()] as const;
  });
}

describe("classes that the tags rule out", () => {
  it("are dropped: the background may win what a wrong class had", () => {
    const [label, confidence] = taught([1, 0, 1]);
    expect(label).toBe(0);
    expect(confidence).toBeCloseTo(6 / 10, 5);
  });

  it("are merged: what is not background goes to the tagged classes in their proportions", () => {
    const [label, confidence] = taught([1, 0, 1], "merge");
    expect(label).toBe(1);
    expect(confidence).toBeCloseTo((14 / 20) * (3 / 4), 5);
  });

  it("make no difference where every class may be there", () => {
    for (const tags of [
      [1, 1, 1],
      [-1, -1, -1],
    ]) {
      expect(taught(tags, "merge")[0]).toBe(2);
      expect(taught(tags, "merge")[1]).toBeCloseTo(taught(tags)[1], 5);
    }
  });

  it("are merged however far below the background the tagged ones are", () => {
    const far = () => tensor([60, -60, 130], { shape: [1, 3, 1, 1] });
    scope(() => {
      const { labels, confidence } = teacherLabels(far(), tensor([[1, 0]]), "merge");
      expect([labels.item(), confidence.item()]).toEqual([1, 1]);
    });
  });

  it("leave the background alone where no class is tagged", () => {
    for (const absent of ["drop", "merge"] as const) expect(taught([0, 0, 0], absent)).toEqual([0, 1]);
  });
});
