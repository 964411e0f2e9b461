/** Who is in a scene and where: the cast by co-occurrence, and each object's pose, size and place. */
import { Rng } from "../rng.ts";
import { Canvas, SUPERSAMPLE } from "./canvas.ts";
import { CREATURES } from "./creatures.ts";
import { Pen, type Placement } from "./pen.ts";

/** One object, placed. */
export interface Actor {
  label: number;
  placement: Placement;
  /** Names the random stream of its pose, so that it can be drawn again exactly. */
  pose: number;
  /** Left, top, right, bottom in pixels. */
  box: readonly [number, number, number, number];
  /** Lowest point in pixels: objects lower in the picture stand nearer. */
  base: number;
  /** Samples of a Canvas that it would cover if nothing hid it and the picture went on beyond its edges, and its marks would. */
  samples: { all: number; marks: number };
}

/** How often the second object is the first one's usual companion. */
const COMPANY = 0.6;

/** Class ids of a picture's objects. First classes take turns within blocks of seven, so that every split is balanced. */
export function cast(scene: { seed: number; split: string; index: number }): number[] {
  const { seed, split, index } = scene;
  const count = CREATURES.length;
  const order = CREATURES.map((_, position) => position + 1);
  new Rng("toy-turns", seed, split, Math.floor(index / count)).shuffle(order);
  const rng = new Rng("toy-cast", seed, split, index);
  const classes = [order[index % count]!];
  const draw = rng.next();
  const objects = draw < 0.42 ? 1 : draw < 0.82 ? 2 : 3;
  const companion = CREATURES.findIndex((creature) => creature.name === CREATURES[classes[0]! - 1]!.companion) + 1;
  if (objects > 1) classes.push(companion > 0 && rng.next() < COMPANY ? companion : rng.int(count) + 1);
  if (objects > 2) classes.push(rng.next() < 0.4 ? classes[0]! : rng.int(count) + 1);
  return classes;
}

/** Area of one object as a fraction of the picture, by the number of objects in it. */
const AREAS: Record<number, readonly [number, number]> = { 1: [0.24, 0.5], 2: [0.15, 0.3], 3: [0.1, 0.18] };

/** Side of the canvas on which an object's shape is measured, and pixels per object unit there. */
const RULER = { side: 80, scale: 40 } as const;

/** Draws pose, size and place of an object; `others` are those already placed, which it avoids. */
export function measureActor(
  rng: Rng,
  plan: { label: number; count: number; size: number; horizon: number; others: readonly Actor[] },
): Actor {
  const creature = CREATURES[plan.label - 1]!;
  const pose = rng.uint32();
  const posture = { turn: rng.range(-creature.tilt, creature.tilt), mirror: rng.next() < 0.5 };
  const ruler = new Canvas(RULER.side, 1);
  const middle = RULER.side / 2;
  creature.draw(
    new Pen(ruler, { at: [middle, middle], scale: RULER.scale, ...posture }, { label: plan.label, owner: 1 }),
    new Rng(pose),
  );
  const shape = extent(ruler);
  const [low, high] = AREAS[plan.count]!;
  const area = rng.range(low, high) * plan.size * plan.size;
  // A long thin object of the wanted area could be wider than the picture: it is then drawn smaller.
  const limit = (plan.size * 1.15) / Math.max(shape.width, shape.height);
  const zoom = Math.min(Math.sqrt(area / shape.area), limit);
  const width = shape.width * zoom;
  const height = shape.height * zoom;
  const gain = (zoom * SUPERSAMPLE) ** 2;
  const samples = { all: shape.area * gain, marks: shape.marks * gain };
  let best: Actor | null = null;
  let least = Number.POSITIVE_INFINITY;
  for (let trial = 0; trial < 8; trial++) {
    const left = place(rng, width, plan.size);
    const top = creature.floats ? place(rng, height, plan.size) : stand(rng, height, plan);
    const box = [left, top, left + width, top + height] as const;
    const clash = plan.others.reduce((sum, other) => sum + overlap(box, other.box), 0);
    if (clash >= least) continue;
    least = clash;
    const at = [left - (shape.left - middle) * zoom, top - (shape.top - middle) * zoom] as const;
    const placement = { at, scale: RULER.scale * zoom, ...posture };
    best = { label: plan.label, placement, pose, box, base: top + height, samples };
  }
  return best!;
}

/** Paints a placed object and its shadow. */
export function drawActor(canvas: Canvas, actor: Actor, owner: number): void {
  const creature = CREATURES[actor.label - 1]!;
  const { placement, box } = actor;
  if (!creature.floats) {
    const flat: Placement = { at: [(box[0] + box[2]) / 2, box[3]], scale: box[2] - box[0], turn: 0, mirror: false };
    new Pen(canvas, flat, { label: 0, owner: 0 }).shadow({ at: [0.04, -0.02], radii: [0.6, 0.13] }, 0.45);
  }
  creature.draw(new Pen(canvas, placement, { label: actor.label, owner }), new Rng(actor.pose));
}

/** An offset that keeps at most a tenth of the length outside the picture, unless the object is longer than the picture. */
function place(rng: Rng, length: number, size: number): number {
  const outside = 0.1 * length;
  return rng.range(-outside, Math.max(size - length + outside, -outside));
}

/** A top edge such that the feet stand below the horizon. */
function stand(rng: Rng, height: number, plan: { size: number; horizon: number }): number {
  const floor = rng.range(Math.min(0.9, Math.max(plan.horizon + 0.12, 0.5)), 1.04) * plan.size;
  return Math.max(floor - height, -0.1 * height);
}

function overlap(a: Actor["box"], b: Actor["box"]): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  return width > 0 && height > 0 ? width * height : 0;
}

interface Extent {
  left: number;
  top: number;
  width: number;
  height: number;
  area: number;
  marks: number;
}

/** Bounding box and area of what was painted. */
function extent(canvas: Canvas): Extent {
  const { all, marks } = canvas.countOwners();
  let [left, top, right, bottom] = [canvas.side, canvas.side, 0, 0];
  for (let y = 0; y < canvas.side; y++) {
    for (let x = 0; x < canvas.side; x++) {
      if (canvas.owners[y * canvas.side + x] === 0) continue;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y + 1);
    }
  }
  return { left, top, width: right - left, height: bottom - top, area: all[1]!, marks: marks[1]! };
}
