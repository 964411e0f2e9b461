/**
 * Draws lit ellipses, tapered capsules and polygons onto a Canvas from object coordinates (x right, y down, an object is about
 * one unit long), under a similarity transform.
 */
import type { Canvas, Part } from "./canvas.ts";

export type Point = readonly [number, number];

/** Writes the colour (RGB, 0–255) of the material at object coordinates (u, v). */
export type Shader = (u: number, v: number, out: Float64Array) => void;

/** Where an object stands: its origin in pixels, pixels per object unit, rotation in radians, mirrored left to right or not. */
export interface Placement {
  at: Point;
  scale: number;
  turn: number;
  mirror: boolean;
}

export interface Ink {
  /** Class id; 0 for background. */
  label: number;
  /** Number of the object in the scene; 0 for background. */
  owner: number;
}

/** Tells whether (u, v) is inside; if so it leaves the surface normal's (x, y) in `normal`. */
type Inside = (u: number, v: number, normal: Float64Array) => boolean;

/** The light comes from the upper left, towards the viewer; ambient and diffuse strength. */
const LIGHT = { direction: [-0.42, -0.6, 0.68], ambient: 0.6, diffuse: 0.52 } as const;

/** The point `length` away from `from` in direction `angle` (radians; 0 = right, positive = down). */
export function polar(from: Point, angle: number, length: number): Point {
  return [from[0] + Math.cos(angle) * length, from[1] + Math.sin(angle) * length];
}

export class Pen {
  readonly #canvas: Canvas;
  readonly #ink: Ink;
  readonly #forward: readonly [number, number, number, number];
  readonly #origin: Point;
  readonly #light: Point;
  readonly #scale: number;

  constructor(canvas: Canvas, placement: Placement, ink: Ink) {
    const density = canvas.side / canvas.size;
    const cos = Math.cos(placement.turn);
    const sin = Math.sin(placement.turn);
    const sx = placement.mirror ? -1 : 1;
    this.#canvas = canvas;
    this.#ink = ink;
    this.#scale = placement.scale * density;
    this.#forward = [cos * sx, -sin, sin * sx, cos]; // orthonormal, so its inverse is its transpose
    this.#origin = [placement.at[0] * density, placement.at[1] * density];
    const [lx, ly] = LIGHT.direction;
    const [a, b, c, d] = this.#forward;
    this.#light = [a * lx + c * ly, b * lx + d * ly];
  }

  /** An ellipse of `radii` around `at`, rotated by `turn`. */
  ellipse(shape: { at: Point; radii: Point; turn?: number }, shader: Shader, part: Part): void {
    const [cx, cy] = shape.at;
    const [rx, ry] = shape.radii;
    const cos = Math.cos(shape.turn ?? 0);
    const sin = Math.sin(shape.turn ?? 0);
    const reach = Math.max(rx, ry);
    this.#fill([cx - reach, cy - reach, cx + reach, cy + reach], shader, part, (u, v, normal) => {
      const x = ((u - cx) * cos + (v - cy) * sin) / rx;
      const y = ((v - cy) * cos - (u - cx) * sin) / ry;
      if (x * x + y * y > 1) return false;
      normal[0] = x * cos - y * sin;
      normal[1] = x * sin + y * cos;
      return true;
    });
  }

  /** A capsule from `from` to `to` whose radius goes from radii[0] to radii[1]. */
  capsule(shape: { from: Point; to: Point; radii: Point }, shader: Shader, part: Part): void {
    const [x0, y0] = shape.from;
    const [x1, y1] = shape.to;
    const [r0, r1] = shape.radii;
    const dx = x1 - x0;
    const dy = y1 - y0;
    const inverse = 1 / Math.max(dx * dx + dy * dy, 1e-9);
    const box = [
      Math.min(x0 - r0, x1 - r1),
      Math.min(y0 - r0, y1 - r1),
      Math.max(x0 + r0, x1 + r1),
      Math.max(y0 + r0, y1 + r1),
    ] as const;
    this.#fill(box, shader, part, (u, v, normal) => {
      const t = Math.min(1, Math.max(0, ((u - x0) * dx + (v - y0) * dy) * inverse));
      const radius = r0 + (r1 - r0) * t;
      const nx = (u - x0 - dx * t) / radius;
      const ny = (v - y0 - dy * t) / radius;
      if (nx * nx + ny * ny > 1) return false;
      normal[0] = nx;
      normal[1] = ny;
      return true;
    });
  }

  /** A chain of capsules through `joints`, with one radius a joint. */
  chain(joints: readonly Point[], radii: readonly number[], shader: Shader, part: Part): void {
    for (let i = 1; i < joints.length; i++) {
      this.capsule({ from: joints[i - 1]!, to: joints[i]!, radii: [radii[i - 1]!, radii[i]!] }, shader, part);
    }
  }

  /** A flat polygon (even-odd rule). */
  polygon(points: readonly Point[], shader: Shader, part: Part): void {
    const xs = points.map((point) => point[0]);
    const ys = points.map((point) => point[1]);
    const box = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] as const;
    this.#fill(box, shader, part, (u, v, normal) => {
      let inside = false;
      for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
        const [xi, yi] = points[i]!;
        const [xj, yj] = points[j]!;
        if (yi > v !== yj > v && u < ((xj - xi) * (v - yi)) / (yj - yi) + xi) inside = !inside;
      }
      normal[0] = 0;
      normal[1] = 0;
      return inside;
    });
  }

  /** Darkens the background under an ellipse, softly; keeps all labels. `strength` 0–1 is the darkening at its middle. */
  shadow(shape: { at: Point; radii: Point }, strength: number): void {
    const [cx, cy] = shape.at;
    const [rx, ry] = shape.radii;
    const { rgb, labels } = this.#canvas;
    this.#visit([cx - rx, cy - ry, cx + rx, cy + ry], (sample, u, v) => {
      const x = (u - cx) / rx;
      const y = (v - cy) / ry;
      const far = x * x + y * y;
      if (far > 1 || labels[sample] !== 0) return;
      const keep = 1 - strength * (1 - far);
      for (let channel = 0; channel < 3; channel++) rgb[sample * 3 + channel]! *= keep;
    });
  }

  #fill(box: readonly [number, number, number, number], shader: Shader, part: Part, inside: Inside): void {
    const { rgb, labels, parts, owners } = this.#canvas;
    const { label, owner } = this.#ink;
    const [lx, ly] = this.#light;
    const normal = new Float64Array(2);
    const colour = new Float64Array(3);
    this.#visit(box, (sample, u, v) => {
      if (!inside(u, v, normal)) return;
      shader(u, v, colour);
      const nx = normal[0]!;
      const ny = normal[1]!;
      const nz = Math.sqrt(Math.max(0, 1 - nx * nx - ny * ny));
      const light = LIGHT.ambient + LIGHT.diffuse * Math.max(0, nx * lx + ny * ly + nz * LIGHT.direction[2]);
      rgb[sample * 3] = colour[0]! * light;
      rgb[sample * 3 + 1] = colour[1]! * light;
      rgb[sample * 3 + 2] = colour[2]! * light;
      labels[sample] = label;
      parts[sample] = label === 0 ? 0 : part;
      owners[sample] = owner;
    });
  }

  /** Calls `paint` with every sample of the canvas whose object coordinates may lie in the box [u0, v0, u1, v1]. */
  #visit(box: readonly [number, number, number, number], paint: (sample: number, u: number, v: number) => void): void {
    const [a, b, c, d] = this.#forward;
    const [ox, oy] = this.#origin;
    const { side } = this.#canvas;
    const cu = (box[0] + box[2]) / 2;
    const cv = (box[1] + box[3]) / 2;
    const hu = (box[2] - box[0]) / 2;
    const hv = (box[3] - box[1]) / 2;
    const x = ox + this.#scale * (a * cu + b * cv);
    const y = oy + this.#scale * (c * cu + d * cv);
    const hx = this.#scale * (Math.abs(a) * hu + Math.abs(b) * hv);
    const hy = this.#scale * (Math.abs(c) * hu + Math.abs(d) * hv);
    const left = Math.max(0, Math.floor(x - hx));
    const right = Math.min(side - 1, Math.ceil(x + hx));
    const bottom = Math.min(side - 1, Math.ceil(y + hy));
    for (let row = Math.max(0, Math.floor(y - hy)); row <= bottom; row++) {
      const py = (row + 0.5 - oy) / this.#scale;
      for (let column = left; column <= right; column++) {
        const px = (column + 0.5 - ox) / this.#scale;
        paint(row * side + column, a * px + c * py, b * px + d * py);
      }
    }
  }
}
