/** The teacher: an exponential moving average of what training changes in the student. What is frozen stays as it is. */

import { expected } from "../errors.ts";
import { noGrad, op, type Tensor } from "../torch/index.ts";
import { BatchNorm2d, type Module } from "../torch/nn/index.ts";

const multiplyAll = op("aten::_foreach_mul_.Scalar");
const addAll = op("aten::_foreach_add_.List");

/** What is averaged: names and tensors, as a network's `namedParameters()` gives them. */
export interface Averaged {
  namedParameters(): Map<string, Tensor>;
}

/**
 * θ_t ← d·θ_t + (1 − d)·θ_s for every parameter that the student trains, two fused operators in all. d = 0 copies.
 * @param decay d, 0..1
 * @throws CsrmError when the two networks differ in a name or a shape
 */
export function updateTeacher(teacher: Averaged, student: Averaged, decay: number): void {
  if (!(decay >= 0 && decay <= 1)) throw expected("a number in 0..1", "the teacher's decay", decay);
  const own = teacher.namedParameters();
  const averages: Tensor[] = [];
  const sources: Tensor[] = [];
  for (const [name, source] of student.namedParameters()) {
    if (!source.requiresGrad) continue;
    const average = own.get(name);
    if (average?.shape.join() !== source.shape.join()) {
      throw expected(`a parameter of shape [${source.shape}]`, `the teacher's ${name}`, average?.shape);
    }
    averages.push(average);
    sources.push(source);
  }
  if (averages.length === 0) return;
  noGrad(() => {
    if (decay === 0) {
      for (const [i, average] of averages.entries()) average.copy_(sources[i]!);
      return;
    }
    multiplyAll(averages, decay);
    addAll(averages, sources, 1 - decay);
  });
}

/**
 * The same for the running statistics of batch normalisation that is not frozen: without them a teacher of new weights would
 * normalise by those of the start. Their counters are copied.
 */
export function updateTeacherStatistics(teacher: Module, student: Module, decay: number): void {
  const own = teacher.namedModules();
  noGrad(() => {
    for (const [name, source] of student.namedModules()) {
      if (!(source instanceof BatchNorm2d) || source.frozen) continue;
      const average = own.get(name) as BatchNorm2d;
      for (const key of ["running_mean", "running_var"] as const) {
        if (decay === 0) average[key].copy_(source[key]);
        else average[key].mul_(decay).add_(source[key], 1 - decay);
      }
      average.num_batches_tracked.copy_(source.num_batches_tracked);
    }
  });
}
