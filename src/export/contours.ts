/**
 * Outlines of regions along the edges of their pixels, so that nothing of a mask is lost: pixel (x, y) is the square from
 * (x, y) to (x + 1, y + 1), and a ring holds exactly the region's pixels, by their centres. Neither COCO's polygons (whose
 * rings are joined, not subtracted) nor labelme's (one ring a shape) can leave out a hole by a ring of its own. So a ring
 * goes into each hole and comes back the same way: a cut without width, which no rule of filling sees.
 */

import type { Regions } from "./regions.ts";

/** Corners x, y, x, y, … of a closed ring, clockwise on the screen; the first is not repeated. */
export type Ring = number[];

/** Sides of a pixel in clockwise order. A crack is one side of one pixel, pixel × 4 + side, walked clockwise. */
const [TOP, RIGHT, BOTTOM, LEFT] = [0, 1, 2, 3] as const;
/** Where the walk goes on each side, and where the region ends: x and y. */
const AHEAD = [[1, 0], [0, 1], [-1, 0], [0, -1]] as const; // biome-ignore format: one line a table
const OUTSIDE = [[0, -1], [1, 0], [0, 1], [-1, 0]] as const; // biome-ignore format: one line a table

/** @returns for each region its rings: one a part that hangs together by sides, in the order of their first pixels */
export function traceRings(map: Regions): Ring[][] {
  const rings: Ring[][] = map.regions.map(() => []);
  const outlines: number[] = [];
  // The holes' first cracks by the crack of another loop behind which the way to them begins.
  const holes = new Map<number, number[]>();
  for (const { first, leftmost, area } of loops(map)) {
    if (area > 0) {
      outlines.push(first);
      continue;
    }
    // The loop left of a hole begins further to the left: from one to the next, the outline is always reached.
    const from = leftEnd(map, leftmost);
    holes.set(from, [...(holes.get(from) ?? []), leftmost]);
  }
  for (const first of outlines) {
    rings[map.ids[first >> 2]! - 1]!.push(withoutStraight(walk(map, first, holes)));
  }
  return rings;
}

interface Loop {
  /** The crack that was met first. */
  first: number;
  /** The leftmost of its cracks that are right sides, of those the topmost. */
  leftmost: number;
  /** Pixels it runs around; negative for a hole. */
  area: number;
}

/** Every closed loop of cracks once, in the order of their first pixels. */
function* loops(map: Regions): Generator<Loop> {
  const { ids } = map;
  const seen = new Uint8Array(ids.length);
  for (let pixel = 0; pixel < ids.length; pixel++) {
    if (ids[pixel] === 0) continue;
    for (const side of [TOP, RIGHT, BOTTOM, LEFT]) {
      if (((seen[pixel]! >> side) & 1) === 0 && isCrack(map, pixel, side)) yield loopFrom(map, pixel * 4 + side, seen);
    }
  }
}

function loopFrom(map: Regions, first: number, seen: Uint8Array): Loop {
  let leftmost = first;
  let [least, top, area] = [Number.POSITIVE_INFINITY, 0, 0];
  let crack = first;
  do {
    const side = crack & 3;
    seen[crack >> 2]! |= 1 << side;
    const [x, y] = startOf(map, crack);
    // Area as the integral of x over y: right sides go down, left sides up.
    if (side === LEFT) area -= x;
    if (side === RIGHT) {
      area += x;
      if (x < least || (x === least && y < top)) [leftmost, least, top] = [crack, x, y];
    }
    crack = next(map, crack);
  } while (crack !== first);
  return { first, leftmost, area };
}

/** The corners of a loop and of all holes that are reached from it. */
function walk(map: Regions, first: number, holes: ReadonlyMap<number, readonly number[]>): Ring {
  const ring: Ring = [];
  const open = [{ first, crack: first, holes: holes.get(first) ?? [], entered: 0 }];
  ring.push(...endOf(map, first));
  for (let loop = open.at(-1); loop !== undefined; loop = open.at(-1)) {
    const hole = loop.holes[loop.entered++];
    if (hole !== undefined) {
      ring.push(...startOf(map, hole), ...endOf(map, hole));
      open.push({ first: hole, crack: hole, holes: holes.get(hole) ?? [], entered: 0 });
      continue;
    }
    loop.crack = next(map, loop.crack);
    if (loop.crack === loop.first) {
      open.pop();
      const around = open.at(-1);
      if (around !== undefined) ring.push(...endOf(map, around.crack));
    } else {
      loop.holes = holes.get(loop.crack) ?? [];
      loop.entered = 0;
      ring.push(...endOf(map, loop.crack));
    }
  }
  return ring;
}

/** Without the corners at which a ring goes straight on. */
function withoutStraight(ring: Ring): Ring {
  const corners = ring.length / 2;
  const heading = (i: number) => {
    const [from, to] = [(i + corners) % corners, (i + 1) % corners];
    return 3 * Math.sign(ring[2 * to]! - ring[2 * from]!) + Math.sign(ring[2 * to + 1]! - ring[2 * from + 1]!);
  };
  const kept: Ring = [];
  for (let i = 0; i < corners; i++) {
    if (heading(i - 1) !== heading(i)) kept.push(ring[2 * i]!, ring[2 * i + 1]!);
  }
  return kept;
}

/** The crack behind this one: right where the region ends ahead, left where it goes on ahead and outside, else straight. */
function next(map: Regions, crack: number): number {
  const [pixel, side] = [crack >> 2, crack & 3];
  const ahead = neighbour(map, pixel, AHEAD[side]!);
  if (ahead < 0) return pixel * 4 + ((side + 1) & 3);
  const beside = neighbour(map, ahead, OUTSIDE[side]!);
  return beside < 0 ? ahead * 4 + side : beside * 4 + ((side + 3) & 3);
}

/** From a right side to the left side at which the region's row of pixels begins. */
function leftEnd(map: Regions, crack: number): number {
  let pixel = crack >> 2;
  for (let left = pixel; left >= 0; left = neighbour(map, pixel, OUTSIDE[LEFT])) pixel = left;
  return pixel * 4 + LEFT;
}

function isCrack(map: Regions, pixel: number, side: number): boolean {
  return neighbour(map, pixel, OUTSIDE[side]!) < 0;
}

/** A pixel beside another in the same region; −1 where there is none. */
function neighbour({ ids, width }: Regions, pixel: number, [dx, dy]: readonly [number, number]): number {
  const x = (pixel % width) + dx;
  const other = pixel + dy * width + dx;
  return x >= 0 && x < width && ids[other] === ids[pixel] ? other : -1;
}

function startOf({ width }: Regions, crack: number): [x: number, y: number] {
  const [pixel, side] = [crack >> 2, crack & 3];
  const [x, y] = [pixel % width, Math.floor(pixel / width)];
  return [x + (side === RIGHT || side === BOTTOM ? 1 : 0), y + (side === BOTTOM || side === LEFT ? 1 : 0)];
}

/** A crack ends where the next side of its pixel begins. */
function endOf(map: Regions, crack: number): [x: number, y: number] {
  return startOf(map, (crack & ~3) | ((crack + 1) & 3));
}
