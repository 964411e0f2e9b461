/** Cow, dog and cat: one four-legged body plan with jointed legs and neck; heads and tails tell them apart. */
import type { Rng } from "../rng.ts";
import { coat, drawEye } from "./anatomy.ts";
import { PART } from "./canvas.ts";
import { type Pen, type Point, polar, type Shader } from "./pen.ts";
import { darker, hide, plain, stripes } from "./textures.ts";

interface Trunk {
  /** Where the head sits and which way it looks (radians). */
  head: Point;
  gaze: number;
  rump: Point;
}

interface Build {
  skin: Shader;
  girth: number;
  neckLength: number;
}

function drawTrunk(pen: Pen, rng: Rng, build: Build): Trunk {
  const { skin, girth } = build;
  const sag = rng.range(-0.03, 0.03);
  const half = rng.range(0.3, 0.44);
  const hips: Point = [-half, sag];
  const shoulders: Point = [half - 0.04, -sag];
  const shade = darker(skin, 0.78);
  const stance = rng.range(0.26, 0.36);
  const leg = (hip: Point, shader: Shader) => {
    const thigh = Math.PI / 2 + rng.range(-0.5, 0.5);
    const knee = polar(hip, thigh, stance / 2);
    const foot = polar(knee, thigh + rng.range(-0.45, 0.45), stance / 2);
    pen.chain([hip, knee, foot], [girth * 0.42, girth * 0.3, girth * 0.26], shader, PART.body);
  };
  leg([hips[0] + 0.1, hips[1] + 0.1], shade);
  leg([shoulders[0] - 0.1, shoulders[1] + 0.1], shade);
  const nape: Point = [shoulders[0] + 0.07, shoulders[1] - 0.06];
  const lift = rng.range(-1.15, 0.35);
  const head = polar(nape, lift, build.neckLength);
  pen.capsule({ from: nape, to: head, radii: [girth * 0.75, girth * 0.45] }, skin, PART.body);
  pen.capsule({ from: hips, to: shoulders, radii: [girth, girth * 1.05] }, skin, PART.body);
  leg([hips[0] - 0.02, hips[1] + 0.1], skin);
  leg([shoulders[0] + 0.03, shoulders[1] + 0.1], skin);
  return { head, gaze: lift * 0.35 + rng.range(0, 0.5), rump: [hips[0] - girth * 0.8, hips[1] - girth * 0.3] };
}

/** A dark head with a pink muzzle and ivory horns. */
export function drawCow(pen: Pen, rng: Rng): void {
  const trunk = drawTrunk(pen, rng, { skin: coat(rng, hide, stripes), girth: rng.range(0.16, 0.2), neckLength: 0.26 });
  const face = plain(rng, [92, 52, 44]);
  const ivory = plain(rng, [244, 232, 190], 0.05);
  const pink = plain(rng, [236, 138, 150], 0.06);
  const { head, gaze } = trunk;
  const crown = polar(head, gaze - 1.9, 0.08);
  for (const side of [-0.55, 0.35]) {
    const base = polar(crown, gaze + side, 0.03);
    const bend = polar(base, gaze - 1.4 + side, 0.08);
    pen.chain([base, bend, polar(bend, gaze - 0.9 + side * 0.4, 0.07)], [0.032, 0.026, 0.012], ivory, PART.mark);
  }
  const nose = polar(head, gaze + 0.35, 0.15);
  pen.capsule({ from: head, to: nose, radii: [0.105, 0.075] }, face, PART.mark);
  pen.ellipse({ at: polar(nose, gaze + 0.35, 0.035), radii: [0.062, 0.078], turn: gaze + 0.35 }, pink, PART.mark);
  drawEye(pen, polar(head, gaze - 0.7, 0.055), { radius: 0.024, iris: [250, 246, 236] });
}

/** A white head with black floppy ears, a red collar and a thin wagging tail. */
export function drawDog(pen: Pen, rng: Rng): void {
  const trunk = drawTrunk(pen, rng, { skin: coat(rng, hide, stripes), girth: rng.range(0.15, 0.18), neckLength: 0.25 });
  const white = plain(rng, [240, 238, 232], 0.06);
  const black = plain(rng, [38, 36, 44], 0.2);
  const red = plain(rng, [214, 40, 52], 0.06);
  const { head, gaze, rump } = trunk;
  const wag = rng.range(-2.6, -1.5);
  const bend = polar(rump, wag, 0.13);
  pen.chain([rump, bend, polar(bend, wag + rng.range(-0.8, 0.8), 0.12)], [0.035, 0.028, 0.02], black, PART.mark);
  const throat = polar(head, gaze + 2.3, 0.06);
  pen.capsule(
    { from: polar(throat, gaze - 1.4, 0.09), to: polar(throat, gaze + 1.7, 0.09), radii: [0.038, 0.038] },
    red,
    PART.mark,
  );
  const nose = polar(head, gaze + 0.2, 0.17);
  pen.capsule({ from: head, to: nose, radii: [0.115, 0.055] }, white, PART.mark);
  pen.ellipse({ at: polar(nose, gaze, 0.04), radii: [0.03, 0.028] }, black, PART.mark);
  const ear = polar(head, gaze - 2.1, 0.07);
  pen.capsule({ from: ear, to: polar(ear, gaze + rng.range(1.5, 2.3), 0.12), radii: [0.035, 0.055] }, black, PART.mark);
  drawEye(pen, polar(head, gaze - 0.75, 0.06), { radius: 0.022, iris: [60, 120, 200] });
}

/** A round pale face with green eyes and black-rimmed ears, a ringed tail. */
export function drawCat(pen: Pen, rng: Rng): void {
  const skin = coat(rng, stripes, hide);
  const trunk = drawTrunk(pen, rng, { skin, girth: rng.range(0.15, 0.18), neckLength: 0.2 });
  const pale = plain(rng, [250, 232, 204], 0.06);
  const black = plain(rng, [44, 34, 36], 0.2);
  const { head, gaze, rump } = trunk;
  const swing = rng.range(2.3, 3.9);
  const joints: Point[] = [rump];
  for (let i = 0, angle = swing; i < 3; i++, angle += rng.range(-0.7, 0.7)) joints.push(polar(joints[i]!, angle, 0.11));
  pen.chain(joints, [0.045, 0.04, 0.038, 0.035], skin, PART.body);
  pen.ellipse({ at: joints[3]!, radii: [0.05, 0.045] }, black, PART.mark);
  for (const side of [-2.1, -0.7]) {
    const ear = polar(head, gaze + side, 0.125);
    pen.ellipse({ at: ear, radii: [0.052, 0.052] }, black, PART.mark);
    pen.ellipse({ at: ear, radii: [0.026, 0.026] }, pale, PART.mark);
  }
  pen.ellipse({ at: head, radii: [0.145, 0.13], turn: gaze }, pale, PART.mark);
  const brow = plain(rng, [214, 128, 50]);
  pen.ellipse({ at: polar(head, gaze - 1.45, 0.075), radii: [0.09, 0.045], turn: gaze }, brow, PART.mark);
  drawEye(pen, polar(head, gaze - 0.5, 0.075), { radius: 0.03, iris: [70, 190, 70] });
  drawEye(pen, polar(head, gaze - 2.4, 0.06), { radius: 0.03, iris: [70, 190, 70] });
  pen.ellipse({ at: polar(head, gaze + 0.55, 0.06), radii: [0.035, 0.025] }, plain(rng, [206, 96, 106]), PART.mark);
}
