/** Fish, bird and lizard: bodies strung along a bending spine; fins, beak, crest and frill tell them apart. */
import type { Rng } from "../rng.ts";
import { coat, drawEye, spine } from "./anatomy.ts";
import { PART } from "./canvas.ts";
import { type Pen, type Point, polar, type Shader } from "./pen.ts";
import { darker, plain, scales, stripes } from "./textures.ts";

/** Yellow fins with blue edges and a big eye. */
export function drawFish(pen: Pen, rng: Rng): void {
  const skin = coat(rng, stripes, scales);
  const yellow = plain(rng, [250, 214, 50], 0.1);
  const blue = plain(rng, [66, 88, 214], 0.1);
  const bend = rng.range(-0.3, 0.3);
  const joints = spine([0.4, 0], { angle: Math.PI - bend * 1.5, bend, step: 0.165, count: 5 });
  const depth = rng.range(0.92, 1.1);
  const tail = joints[5]!;
  const course = Math.PI + bend * 3;
  const spread = rng.range(0.55, 0.8);
  const upper = polar(tail, course + spread, 0.2);
  const lower = polar(tail, course - spread, 0.2);
  const root = polar(tail, course + Math.PI, 0.05);
  pen.polygon([root, upper, polar(tail, course, 0.08), lower], yellow, PART.mark);
  pen.capsule({ from: upper, to: polar(upper, course + 0.4, 0.03), radii: [0.03, 0.02] }, blue, PART.mark);
  pen.capsule({ from: lower, to: polar(lower, course - 0.4, 0.03), radii: [0.03, 0.02] }, blue, PART.mark);
  const back = joints[2]!;
  const top = polar(back, -Math.PI / 2, 0.16 * depth);
  const lean = rng.range(0.3, 0.8);
  const crestTip = polar(top, -Math.PI / 2 - lean, 0.13);
  pen.polygon([polar(top, 0.2, 0.1), crestTip, polar(top, Math.PI - 0.2, 0.13)], yellow, PART.mark);
  const girths = [0.11, 0.165, 0.175, 0.15, 0.1, 0.055];
  pen.chain(
    joints,
    girths.map((girth) => girth * depth),
    skin,
    PART.body,
  );
  pen.polygon(
    [joints[1]!, polar(joints[2]!, Math.PI / 2 + lean, 0.15), polar(joints[2]!, Math.PI / 2 - 0.3, 0.05)],
    yellow,
    PART.mark,
  );
  drawEye(pen, polar(joints[0]!, -0.9, 0.045), { radius: 0.04, iris: [250, 250, 240] });
}

/** A red crest and a yellow beak, thin orange legs. */
export function drawBird(pen: Pen, rng: Rng): void {
  const feathers = coat(rng, scales, stripes);
  const wing = darker(feathers, 0.88);
  const red = plain(rng, [224, 44, 60], 0.08);
  const beak = plain(rng, [252, 184, 40], 0.06);
  const legs = plain(rng, [236, 130, 40], 0.06);
  const stretched = rng.next() < 0.5;
  const chest: Point = [0.16, 0.02];
  const tail: Point = [-0.26, rng.range(-0.02, 0.08)];
  for (const fan of [-0.3, 0, 0.3]) {
    pen.capsule({ from: tail, to: polar(tail, Math.PI + fan, 0.22), radii: [0.05, 0.035] }, wing, PART.body);
  }
  for (const hip of [-0.06, 0.05]) {
    const knee = polar([hip, 0.17], Math.PI / 2 + rng.range(-0.6, 0.6), 0.12);
    const foot = polar(knee, Math.PI / 2 + rng.range(-0.3, 0.7), 0.1);
    pen.chain([[hip, 0.17], knee, foot], [0.022, 0.018, 0.018], legs, PART.mark);
    pen.capsule({ from: foot, to: [foot[0] + 0.06, foot[1]], radii: [0.018, 0.012] }, legs, PART.mark);
  }
  if (stretched) drawWing(pen, { root: [-0.02, -0.08], angle: rng.range(-2.2, -1.4), reach: 0.4 }, wing);
  const neck = polar(chest, rng.range(-1.1, -0.3), 0.2);
  pen.capsule({ from: chest, to: neck, radii: [0.14, 0.085] }, feathers, PART.body);
  pen.capsule({ from: tail, to: chest, radii: [0.1, 0.19] }, feathers, PART.body);
  const drop = stretched ? rng.range(-2.7, -1.9) : rng.range(2.7, 3.1);
  drawWing(pen, { root: [0.1, -0.04], angle: drop, reach: stretched ? 0.42 : 0.34 }, wing);
  const gaze = rng.range(-0.35, 0.35);
  for (const lift of [-2.3, -1.8, -1.3]) {
    const base = polar(neck, gaze + lift, 0.07);
    pen.capsule({ from: base, to: polar(base, gaze + lift - 0.3, 0.08), radii: [0.042, 0.03] }, red, PART.mark);
  }
  pen.ellipse({ at: neck, radii: [0.1, 0.095] }, feathers, PART.body);
  const mouth = polar(neck, gaze, 0.07);
  pen.polygon(
    [polar(mouth, gaze - 1.6, 0.055), polar(mouth, gaze + 0.1, 0.19), polar(mouth, gaze + 1.6, 0.055)],
    beak,
    PART.mark,
  );
  drawEye(pen, polar(neck, gaze - 0.7, 0.05), { radius: 0.026, iris: [250, 250, 240] });
}

function drawWing(pen: Pen, wing: { root: Point; angle: number; reach: number }, shader: Shader): void {
  const { root, angle, reach } = wing;
  for (const fan of [-0.35, 0, 0.35]) {
    pen.capsule({ from: root, to: polar(root, angle + fan, reach), radii: [0.1, 0.045] }, shader, PART.body);
  }
}

/** A long bending body with sprawled legs; a magenta frill round the neck, spots of it along the back, and a yellow eye. */
export function drawLizard(pen: Pen, rng: Rng): void {
  const skin = coat(rng, scales, stripes);
  const dark = darker(skin, 0.88);
  const frill = plain(rng, [206, 52, 170], 0.14);
  const bend = rng.range(-0.3, 0.3);
  const body = spine([0.3, 0], { angle: Math.PI - bend * 1.2, bend, step: 0.15, count: 4 });
  const course = Math.PI + bend * 2.8;
  const tail = spine(body[4]!, { angle: course, bend: -bend * rng.range(0.6, 1.6), step: 0.12, count: 4 });
  for (const [joint, swing] of [
    [body[1]!, -1],
    [body[1]!, 1],
    [body[3]!, -1],
    [body[3]!, 1],
  ] as const) {
    const thigh = swing * (Math.PI / 2 + rng.range(-0.5, 0.5));
    const knee = polar(joint, thigh, 0.2);
    pen.chain(
      [joint, knee, polar(knee, thigh + swing * rng.range(-0.9, 0.9), 0.13)],
      [0.075, 0.058, 0.045],
      dark,
      PART.body,
    );
  }
  pen.chain(tail, [0.11, 0.085, 0.06, 0.04, 0.022], skin, PART.body);
  pen.chain(body, [0.11, 0.16, 0.175, 0.155, 0.11], skin, PART.body);
  for (const joint of body.slice(1)) pen.ellipse({ at: joint, radii: [0.04, 0.03] }, frill, PART.mark);
  const gaze = -bend * 1.2 + rng.range(-0.3, 0.3);
  const head = polar(body[0]!, gaze, 0.14);
  const nape = polar(head, gaze + Math.PI, 0.06);
  const ruff: Point[] = [];
  for (let i = 0; i <= 10; i++) {
    ruff.push(polar(nape, gaze + Math.PI / 2 + (i / 10) * Math.PI, i % 2 === 0 ? 0.17 : 0.13));
  }
  pen.polygon([...ruff, polar(nape, gaze, 0.06)], frill, PART.mark);
  pen.capsule({ from: nape, to: polar(head, gaze, 0.09), radii: [0.1, 0.065] }, skin, PART.body);
  drawEye(pen, polar(head, gaze - 0.9, 0.035), { radius: 0.026, iris: [255, 206, 40] });
}
