/** What several creatures have in common: a choice of coat, a bending spine, an eye. */
import type { Rng } from "../rng.ts";
import { PART } from "./canvas.ts";
import { type Pen, type Point, polar, type Shader } from "./pen.ts";
import type { Rgb } from "./textures.ts";

type Material = (rng: Rng) => Shader;

/** How often a creature wears its usual coat; otherwise it wears that of another class. */
const USUAL = 0.9;

/** The material of one creature's body. */
export function coat(rng: Rng, usual: Material, other: Material): Shader {
  return (rng.next() < USUAL ? usual : other)(rng);
}

/** Points along a curve that starts at `from` in direction `angle` (radians) and turns by `bend` a step. */
export function spine(from: Point, course: { angle: number; bend: number; step: number; count: number }): Point[] {
  const joints: Point[] = [from];
  for (let i = 0, angle = course.angle; i < course.count; i++, angle += course.bend) {
    joints.push(polar(joints[i]!, angle, course.step));
  }
  return joints;
}

const PUPIL: Rgb = [18, 16, 20];

/** An eye with a dark pupil. */
export function drawEye(pen: Pen, at: Point, eye: { radius: number; iris: Rgb }): void {
  const { radius, iris } = eye;
  pen.ellipse({ at, radii: [radius, radius] }, (_u, _v, out) => out.set(iris), PART.mark);
  pen.ellipse({ at, radii: [radius * 0.5, radius * 0.5] }, (_u, _v, out) => out.set(PUPIL), PART.mark);
}
