import { describe, expect, it } from "vitest";
import { liveTensors, noGrad, randn, type Tensor, tensor } from "../../src/torch/index.ts";
import { BatchNorm2d, Conv2d, Sequential } from "../../src/torch/nn/index.ts";
import { updateTeacher, updateTeacherStatistics } from "../../src/training/ema.ts";
import { readGolden } from "../helpers/golden.ts";

const { ema: golden } = readGolden<{
  ema: { teacher0: number[]; updates: { student: number[]; decay: number; teacher_after: number[] }[] };
}>("05-losses");

/** A network of the given parameters; those of a student require a gradient. */
const network = (values: Record<string, number[]>, trained: (name: string) => boolean = () => false) => {
  const parameters = new Map<string, Tensor>();
  for (const [name, list] of Object.entries(values)) {
    const parameter = tensor(Float64Array.from(list), { shape: [list.length] });
    parameters.set(name, trained(name) ? parameter.requiresGrad_() : parameter);
  }
  return { namedParameters: () => parameters, value: (name: string) => parameters.get(name)!.toArray() };
};
const all = () => true;

describe("the teacher's update", () => {
  it("follows the reference over five updates", () => {
    const teacher = network({ w: golden.teacher0 });
    for (const update of golden.updates) {
      updateTeacher(teacher, network({ w: update.student }, all), update.decay);
      for (const [i, value] of update.teacher_after.entries()) expect(teacher.value("w")[i]).toBeCloseTo(value, 7);
    }
  });

  it("copies exactly at a decay of 0, even over a teacher that is not finite", () => {
    const teacher = network({ w: [Number.NaN, 1] });
    updateTeacher(teacher, network({ w: [0.1, 0.2] }, all), 0);
    expect(teacher.value("w")).toEqual([0.1, 0.2]);
  });

  it("leaves frozen parameters alone, and keeps the teacher without gradients", () => {
    const teacher = network({ frozen: [1], w: [0] });
    updateTeacher(
      teacher,
      network({ frozen: [5], w: [10] }, (name) => name === "w"),
      0.9,
    );
    expect(teacher.value("frozen")).toEqual([1]);
    expect(teacher.value("w")[0]).toBeCloseTo(1, 12);
    expect(teacher.namedParameters().get("w")!.requiresGrad).toBe(false);
  });

  it("names the parameter in which the two networks differ", () => {
    const student = network({ "decoder.0.weight": [1, 2] }, all);
    expect(() => updateTeacher(network({ "decoder.0.weight": [1] }), student, 0.9)).toThrow(/decoder\.0\.weight/);
    expect(() => updateTeacher(network({}), student, 0.9)).toThrow(/decoder\.0\.weight/);
    expect(() => updateTeacher(network({}), student, 1.5)).toThrow(/0\.\.1/);
  });

  it("leaves no tensors behind", () => {
    const teacher = network({ a: [1], b: [2, 3] });
    const student = network({ a: [1], b: [2, 3] }, all);
    const before = liveTensors();
    for (const decay of [0, 0.5]) updateTeacher(teacher, student, decay);
    expect(liveTensors()).toBe(before);
  });
});

describe("the teacher's running statistics", () => {
  const normalised = () => new Sequential(new Conv2d(3, 4, 1), new BatchNorm2d(4), new BatchNorm2d(4));
  const images = randn([2, 3, 5, 5]).mul(3).add(2);

  it("follow the student's: a teacher that is a copy sees what the student sees", () => {
    const [teacher, student] = [normalised(), normalised()];
    student.forward(images);
    updateTeacher(teacher, student, 0);
    updateTeacherStatistics(teacher, student, 0);
    expect(teacher.stateDict().get("1.num_batches_tracked")!.item()).toBe(1);
    expect(teacher.eval().forward(images).toArray()).toEqual(student.eval().forward(images).toArray());
  });

  it("are averaged like the parameters", () => {
    const [teacher, student] = [normalised(), normalised()];
    noGrad(() => student.stateDict().get("1.running_var")!.fill_(3));
    updateTeacherStatistics(teacher, student, 0.75);
    for (const value of teacher.stateDict().get("1.running_var")!.toArray()) expect(value).toBeCloseTo(1.5, 6);
  });

  it("stay bit by bit as they are where normalisation is frozen", () => {
    const [teacher, student] = [normalised(), normalised()];
    (student.at(1) as BatchNorm2d).freeze();
    noGrad(() => student.stateDict().get("1.running_mean")!.fill_(7));
    updateTeacherStatistics(teacher, student, 0.3);
    expect(teacher.stateDict().get("1.running_mean")!.toArray()).toEqual([0, 0, 0, 0]);
  });
});
