/**
 * The seven classes of the toy world. Bodies come in pairs of much the same usual material (cow and dog, cat and fish, bird and lizard;
 * the truck shares its paint with containers that belong to no class), so that only small marks tell the classes apart for certain.
 */
import type { Rng } from "../rng.ts";
import { drawBird, drawFish, drawLizard } from "./finned-and-feathered.ts";
import type { Pen } from "./pen.ts";
import { drawCat, drawCow, drawDog } from "./quadrupeds.ts";
import { drawTruck } from "./truck.ts";

export type Biome = "meadow" | "water" | "sand" | "town" | "forest";
export const BIOMES: readonly Biome[] = ["meadow", "water", "sand", "town", "forest"];

export interface Creature {
  name: string;
  /** Draws the object around the origin, facing right, with a pose and colours drawn from rng. */
  draw: (pen: Pen, rng: Rng) => void;
  /** Where most of its pictures are taken. */
  home: Biome;
  /** The class that most often stands beside it; null = any. */
  companion: string | null;
  /** Objects that swim or fly float freely; the others stand on the ground. */
  floats: boolean;
  /** Largest rotation of the whole object, radians. */
  tilt: number;
}

/** In the order of the class ids 1..7. */
export const CREATURES: readonly Creature[] = [
  { name: "cow", draw: drawCow, home: "meadow", companion: "dog", floats: false, tilt: 0.16 },
  { name: "dog", draw: drawDog, home: "meadow", companion: "cow", floats: false, tilt: 0.2 },
  { name: "cat", draw: drawCat, home: "forest", companion: "lizard", floats: false, tilt: 0.18 },
  { name: "fish", draw: drawFish, home: "water", companion: "bird", floats: true, tilt: 0.5 },
  { name: "bird", draw: drawBird, home: "water", companion: "fish", floats: true, tilt: 0.3 },
  { name: "lizard", draw: drawLizard, home: "sand", companion: "cat", floats: false, tilt: 0.35 },
  { name: "truck", draw: drawTruck, home: "town", companion: null, floats: false, tilt: 0.1 },
];
