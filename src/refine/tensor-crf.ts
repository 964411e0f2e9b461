/**
 * Mean-field inference of the dense CRF wherever the images and energies are, in tensor operators or, where a GPU's compiler is at hand,
 * with kernels for the lattice; denseCrf uses it on GPUs.
 */
import { expected } from "../errors.ts";
import { arange, cat, full, scope, stack, type Tensor, tensor, where, zeros } from "../torch/index.ts";
import { assertCrfParams, type CrfParams } from "./crf-params.ts";
import { buildLattice, filter, type Lattice, type LatticeMeans, latticeMeans } from "./lattice.ts";
import { mostGroups } from "./lattice-numbering.ts";

/** Pixels that are worked on at once: some 3 GiB at the peak, with two labelings of three labels. */
const CHUNK = 2 ** 22;

/**
 * @param images [B, H, W, 3] uint8 on the energies' device
 * @param unary [B, U, L, H, W] float32
 * @param counts how many of the labels each image has
 * @returns Q in the shape of `unary`
 * @throws CsrmError for other shapes and types
 */
export function tensorCrf(
  images: Tensor,
  unary: Tensor,
  counts: readonly number[],
  params: CrfParams,
  by: LatticeMeans = latticeMeans(unary.device),
): Tensor {
  return scope(() => {
    const [batch, , , height, width] = unary.shape as [number, number, number, number, number];
    if (batch === 0) return unary.clone();
    assertInput(images, unary, counts, params);
    const gaussian = params.gaussianCompat > 0 ? gaussianLattice(unary, params, by) : null;
    const together = mostGroups(extentsOf(height, width, params));
    const run = Math.max(1, Math.min(together, Math.floor(CHUNK / (height * width))));
    const parts: Tensor[] = [];
    for (let start = 0; start < batch; start += run) {
      const length = Math.min(run, batch - start);
      const shown = images.narrow(0, start, length);
      const energies = unary.narrow(0, start, length);
      parts.push(
        scope(() => meanField(shown, energies, counts.slice(start, start + length), { params, gaussian, by })),
      );
    }
    return parts.length === 1 ? parts[0]! : cat(parts);
  });
}

export interface TensorCrfLabelsOptions {
  /** [B, H, W, 3] uint8, on the labels' device. */
  images: Tensor;
  /** [B, U, H, W] uint8 class ids. */
  labels: Tensor;
  /** The class ids of each image; on ties the earlier one wins. */
  classes: readonly (readonly number[])[];
  gtProb: number;
  params: CrfParams;
  by?: LatticeMeans;
}

/**
 * From hard labelings to the refined ones.
 * @returns class ids in the shape of `labels`, uint8
 * @throws CsrmError for labels that are not among their image's classes
 */
export function tensorCrfLabels({ images, labels, classes, gtProb, params, by }: TensorCrfLabelsOptions): Tensor {
  return scope(() => {
    const { device } = labels;
    if (labels.dtype !== "uint8") throw expected("uint8 labels", "the CRF", labels.dtype);
    if (!(gtProb > 0 && gtProb < 1)) throw expected("a number between 0 and 1", "gtProb", gtProb);
    const isId = (id: number) => Number.isInteger(id) && id >= 0 && id <= 255;
    if (classes.length !== labels.shape[0] || !classes.every((own) => own.length > 0 && own.every(isId))) {
      throw expected("at least one class id in 0..255 for each image", "the CRF", classes);
    }
    const counts = classes.map((own) => own.length);
    const longest = Math.max(...counts);
    // No label is −1, so places beyond an image's classes are never the given label.
    const rows = classes.map((own) => [...own, ...new Array<number>(longest - own.length).fill(-1)]);
    const ids = tensor(rows, { dtype: "int64" }).to({ device }); // [B, L]
    const given = labels.unsqueeze(2).eq(ids.reshape([classes.length, 1, longest, 1, 1])); // [B, U, L, H, W]
    if (given.sum().item() !== labels.numel) throw expected("labels among the classes", "each image", classes);
    const others = counts.map((count) => -Math.log((1 - gtProb) / Math.max(1, count - 1)));
    const other = tensor(others).to({ device }).reshape([classes.length, 1, 1, 1, 1]);
    const unary = where(given, full([], -Math.log(gtProb), { device }), other);
    const best = tensorCrf(images, unary, counts, params, by).argmax(2); // [B, U, H, W]
    return ids.gather(1, best.flatten(1)).reshape(labels.shape).to("uint8");
  });
}

interface Kernels {
  params: CrfParams;
  /** Of one image's positions, the same for all. */
  gaussian: Lattice | null;
  by: LatticeMeans;
}

function meanField(images: Tensor, unary: Tensor, counts: readonly number[], kernels: Kernels): Tensor {
  const { params, gaussian, by } = kernels;
  const [batch, sets, labels, height, width] = unary.shape as [number, number, number, number, number];
  const pixels = height * width;
  const channels = sets * (labels - 1);
  const absent = labelsBeyond(counts, labels, unary.device);
  const energies = unary.reshape([batch, sets, labels, pixels]).neg().maskedFill(absent, Number.NEGATIVE_INFINITY);
  let q = energies.softmax(2);
  if (channels > 0 && params.iterations > 0) {
    const bilateral = params.bilateralCompat > 0 ? bilateralLattice(images, params, by) : null;
    for (let i = 0; i < params.iterations; i++) {
      q = scope(() => {
        // Only differences to the first label matter to a softmax, and filters are linear.
        const differences = q
          .narrow(2, 1, labels - 1)
          .sub(q.narrow(2, 0, 1))
          .reshape([batch, channels, pixels]);
        const messages = zeros([batch, channels, pixels], { device: unary.device });
        if (bilateral) {
          const rows = differences.transpose(0, 1).reshape([channels, batch * pixels]);
          messages.add_(filter(bilateral, rows, by).reshape([channels, batch, pixels]).transpose(0, 1));
        }
        if (gaussian) {
          const rows = differences.reshape([batch * channels, pixels]);
          messages.add_(filter(gaussian, rows, by).reshape([batch, channels, pixels]));
        }
        const logits = energies.clone();
        logits.narrow(2, 1, labels - 1).add_(messages.reshape([batch, sets, labels - 1, pixels]));
        return logits.softmax(2);
      });
    }
  }
  return q.reshape(unary.shape);
}

/** [B, 1, L, 1] bool: labels that an image does not have. */
function labelsBeyond(counts: readonly number[], labels: number, device: string): Tensor {
  const limits = stack(counts.map((count) => arange(0, labels).ge(count)));
  return limits.reshape([counts.length, 1, labels, 1]).to({ device });
}

/** The largest features of the appearance kernel. */
function extentsOf(height: number, width: number, { bilateralSxy: sxy, bilateralSrgb: srgb }: CrfParams): number[] {
  return [(width - 1) / sxy, (height - 1) / sxy, ...[255, 255, 255].map((most) => most / srgb)];
}

/** The bounds of the C++ operator. */
function assertInput(images: Tensor, unary: Tensor, counts: readonly number[], params: CrfParams): void {
  const [batch, , labels, height, width] = unary.shape as [number, number, number, number, number];
  const shown = ({ dtype, shape }: Tensor) => `${dtype} [${shape.join(", ")}]`;
  const wanted = [batch, height, width, 3];
  if (images.dtype !== "uint8" || images.shape.join() !== wanted.join()) {
    throw expected(`uint8 images [${wanted.join(", ")}]`, "the CRF", shown(images));
  }
  if (unary.dtype !== "float32") throw expected("float32 energies", "the CRF", shown(unary));
  const fits = (count: number) => Number.isInteger(count) && count >= 1 && count <= labels;
  if (counts.length !== batch || !counts.every(fits)) {
    throw expected(`${batch} label counts in 1..${labels}`, "the CRF", counts);
  }
  assertCrfParams(params);
  if (!unary.isfinite().all().item()) throw expected("finite energies", "the CRF", "NaN or infinity");
}

/** x and y of every pixel, row by row, divided by the width: [H·W] each. */
function positions(height: number, width: number, sxy: number, device: string): [x: Tensor, y: Tensor] {
  const along = (length: number) => arange(0, length, { dtype: "float32", device }).div(sxy);
  const shape = [height, width];
  return [along(width).expand(shape).reshape([-1]), along(height).unsqueeze(1).expand(shape).reshape([-1])];
}

function gaussianLattice(unary: Tensor, params: CrfParams, by: LatticeMeans): Lattice {
  const { gaussianSxy: sxy, gaussianCompat: weight } = params;
  const [height, width] = [unary.size(-2), unary.size(-1)];
  return scope(() => {
    const features = stack(positions(height, width, sxy, unary.device), 1);
    return buildLattice({ features, extents: [(width - 1) / sxy, (height - 1) / sxy], weight, by });
  });
}

function bilateralLattice(images: Tensor, params: CrfParams, by: LatticeMeans): Lattice {
  const { bilateralSxy: sxy, bilateralSrgb: srgb, bilateralCompat: weight } = params;
  const [count, height, width] = images.shape as [number, number, number];
  return scope(() => {
    const where = stack(positions(height, width, sxy, images.device), 1); // [P, 2]
    const colours = images
      .reshape([count * height * width, 3])
      .to("float32")
      .div(srgb);
    const features = cat([where.expand([count, -1, -1]).reshape([-1, 2]), colours], 1);
    const extents = extentsOf(height, width, params);
    return buildLattice({ features, extents, weight, groups: count, by });
  });
}
