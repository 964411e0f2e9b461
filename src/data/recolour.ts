/** A training picture's colours changed and blurred, on bytes and with Pillow's roundings, in Node's thread pool (native/kernels/recolour.cc). */
import { fromTypedArray, opLater } from "../torch/index.ts";
import type { Draws } from "./augment.ts";
import type { ColourChange } from "./colour.ts";

/** In the operator's order. */
const KINDS: readonly ColourChange["kind"][] = ["brightness", "contrast", "saturation", "hue"];
const inPool = opLater("csrm::recolour_");

/**
 * Colour changes, then the blur, in place, as the authors order them.
 * @param pixels height × width × 3 bytes; nobody else's until it is done
 */
export async function recolour(
  pixels: Uint8Array,
  { height, width, draws }: { height: number; width: number; draws: Pick<Draws, "colours" | "blur"> },
): Promise<void> {
  const { colours, blur } = draws;
  if (colours.length === 0 && blur === 0) return;
  const shared = fromTypedArray(pixels, [height, width, 3]);
  const kinds = colours.map(({ kind }) => KINDS.indexOf(kind));
  const amounts = colours.map(({ amount }) => amount);
  const done = inPool(shared, kinds, amounts, blur);
  // The work keeps the memory; a handle that lived on would count among the step's tensors.
  shared.dispose();
  await done;
}
