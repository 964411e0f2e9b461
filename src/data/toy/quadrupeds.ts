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
  /** Of the feet, where they are a mark of the class. */
  paws?: Shader;
  girth: number;
  neckLength: number;
}

function drawTrunk(pen: Pen, rng: Rng, build: Build): Trunk {
  const { skin, paws, girth } = build;
  const sag = rng.range(-0.03, 0.03);
  const half = rng.range(0.3, 0.44);
  const hips: Point = [-half, sag];
  const shoulders: Point = [half - 0.04, -sag];
  const shade = darker(skin, 0.88);
  const stance = rng.range(0.26, 0.36);
  const leg = (hip: Point, shader: Shader) => {
    const thigh = Math.PI / 2 + rng.range(-0.5, 0.5);
    const knee = polar(hip, thigh, stance / 2);
    const foot = polar(knee, thigh + rng.range(-0.45, 0.45), stance / 2);
    pen.chain([hip, knee, foot], [girth * 0.42, girth * 0.3, girth * 0.26], shader, PART.body);
    if (paws) pen.ellipse({ at: foot, radii: [girth * 0.34, girth * 0.3] }, paws, PART.mark);
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

/** Ivory horns, a pink muzzle and a pink udder. */
export function drawCow(pen: Pen, rng: Rng): void {
  const skin = coat(rng, hide, stripes);
  const trunk = drawTrunk(pen, rng, { skin, girth: rng.range(0.16, 0.2), neckLength: 0.26 });
  const ivory = plain(rng, [244, 232, 190], 0.05);
  const pink = plain(rng, [236, 138, 150], 0.06);
  const { head, gaze, rump } = trunk;
  pen.ellipse({ at: [rump[0] + 0.27, rump[1] + 0.24], radii: [0.085, 0.06] }, pink, PART.mark);
  const crown = polar(head, gaze - 1.9, 0.08);
  for (const side of [-0.55, 0.35]) {
    const base = polar(crown, gaze + side, 0.03);
    const bend = polar(base, gaze - 1.4 + side, 0.08);
    pen.chain([base, bend, polar(bend, gaze - 0.9 + side * 0.4, 0.07)], [0.04, 0.034, 0.018], ivory, PART.mark);
  }
  const nose = polar(head, gaze + 0.35, 0.15);
  pen.capsule({ from: head, to: nose, radii: [0.105, 0.075] }, skin, PART.body);
  pen.ellipse({ at: polar(nose, gaze + 0.35, 0.035), radii: [0.07, 0.088], turn: gaze + 0.35 }, pink, PART.mark);
  drawEye(pen, polar(head, gaze - 0.7, 0.055), { radius: 0.024, iris: [250, 246, 236] });
}

/** Black floppy ears and paws, a red collar and a thin wagging tail; the patches are grey. */
export function drawDog(pen: Pen, rng: Rng): void {
  const skin = coat(rng, (draw) => hide(draw, [150, 150, 156]), stripes);
  const black = plain(rng, [38, 36, 44], 0.2);
  const trunk = drawTrunk(pen, rng, { skin, paws: black, girth: rng.range(0.15, 0.18), neckLength: 0.25 });
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
  pen.capsule({ from: head, to: nose, radii: [0.115, 0.06] }, skin, PART.body);
  pen.ellipse({ at: polar(nose, gaze, 0.04), radii: [0.03, 0.028] }, black, PART.mark);
  const ear = polar(head, gaze - 2.1, 0.07);
  pen.capsule({ from: ear, to: polar(ear, gaze + rng.range(1.5, 2.3), 0.12), radii: [0.04, 0.065] }, black, PART.mark);
  drawEye(pen, polar(head, gaze - 0.75, 0.06), { radius: 0.022, iris: [60, 120, 200] });
}

/** A round face with green eyes and black-rimmed ears, a tail with a black tip. */
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
  pen.ellipse({ at: joints[3]!, radii: [0.06, 0.055] }, black, PART.mark);
  for (const side of [-2.1, -0.7]) {
    const ear = polar(head, gaze + side, 0.125);
    pen.ellipse({ at: ear, radii: [0.06, 0.06] }, black, PART.mark);
    pen.ellipse({ at: ear, radii: [0.026, 0.026] }, pale, PART.mark);
  }
  pen.ellipse({ at: head, radii: [0.145, 0.13], turn: gaze }, skin, PART.body);
  pen.ellipse({ at: polar(head, gaze + 0.4, 0.07), radii: [0.085, 0.065], turn: gaze }, pale, PART.mark);
  drawEye(pen, polar(head, gaze - 0.5, 0.075), { radius: 0.03, iris: [70, 190, 70] });
  drawEye(pen, polar(head, gaze - 2.4, 0.06), { radius: 0.03, iris: [70, 190, 70] });
  pen.ellipse({ at: polar(head, gaze + 0.55, 0.06), radii: [0.035, 0.025] }, plain(rng, [206, 96, 106]), PART.mark);
}
