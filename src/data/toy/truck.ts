/** The truck: a painted cab and one or two hinged trailers; wheels, window and lamp are its marks. */
import type { Rng } from "../rng.ts";
import { PART } from "./canvas.ts";
import { type Pen, type Point, polar } from "./pen.ts";
import { panel, plain } from "./textures.ts";

/** A frame whose origin is the middle of a vehicle's floor, rotated by `turn`. */
function frame(origin: Point, turn: number): (x: number, y: number) => Point {
  const cos = Math.cos(turn);
  const sin = Math.sin(turn);
  return (x, y) => [origin[0] + x * cos - y * sin, origin[1] + x * sin + y * cos];
}

export function drawTruck(pen: Pen, rng: Rng): void {
  const tyre = plain(rng, [34, 34, 40], 0.2);
  const hub = plain(rng, [226, 228, 236], 0.05);
  const radius = rng.range(0.075, 0.09);
  const wheel = (at: Point) => {
    pen.ellipse({ at, radii: [radius, radius] }, tyre, PART.mark);
    pen.ellipse({ at, radii: [radius * 0.5, radius * 0.5] }, hub, PART.mark);
  };
  const cabPaint = panel(rng);
  const cabLength = rng.range(0.26, 0.34);
  const cabHeight = rng.range(0.34, 0.44);
  const cab = frame([0.34, 0.14], rng.range(-0.12, 0.12));
  const hitch = cab(-cabLength / 2 - 0.02, 0);
  const loads = rng.next() < 0.5 ? 2 : 1;
  let joint = hitch;
  for (let i = 0, turn = 0; i < loads; i++) {
    const length = loads === 1 ? rng.range(0.48, 0.62) : rng.range(0.36, 0.46);
    const height = rng.range(0.24, 0.36);
    turn += rng.range(-0.16, 0.16);
    const middle = polar(joint, turn + Math.PI, length / 2 + 0.02);
    const load = frame(middle, turn);
    const paint = panel(rng);
    pen.polygon(
      [load(-length / 2, 0.02), load(-length / 2, -height), load(length / 2, -height), load(length / 2, 0.02)],
      paint,
      PART.body,
    );
    wheel(load(-length * 0.28, 0.03));
    if (loads === 1) wheel(load(length * 0.22, 0.03));
    joint = load(-length / 2 - 0.02, 0);
  }
  const half = cabLength / 2;
  pen.polygon(
    [
      cab(-half, 0.02),
      cab(-half, -cabHeight),
      cab(half * 0.45, -cabHeight),
      cab(half, -cabHeight * 0.5),
      cab(half, 0.02),
    ],
    cabPaint,
    PART.body,
  );
  const glass = plain(rng, [196, 232, 250], 0.05);
  pen.polygon(
    [
      cab(-half * 0.15, -cabHeight * 0.52),
      cab(-half * 0.15, -cabHeight * 0.88),
      cab(half * 0.38, -cabHeight * 0.88),
      cab(half * 0.82, -cabHeight * 0.52),
    ],
    glass,
    PART.mark,
  );
  wheel(cab(half * 0.2, 0.03));
  pen.ellipse({ at: cab(half * 0.95, -0.06), radii: [0.03, 0.04] }, plain(rng, [255, 238, 120], 0.02), PART.mark);
}
