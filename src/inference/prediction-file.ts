/**
 * One image's prediction as an .npz file. `keys` and `cam` are what other programs read; the rest lets label maps be
 * made later, at any threshold and at the image's size, without the network.
 */
import { openBytes } from "../byte-source.ts";
import { CsrmError, expected } from "../errors.ts";
import { readFileBytes, writeFileAtomic } from "../files.ts";
import { readNpy } from "../formats/npy.ts";
import { readNpz, writeNpz } from "../formats/npz.ts";
import type { NumpyArray } from "../formats/numpy-array.ts";
import { openZip } from "../formats/zip.ts";
import type { Planes, Prediction } from "./predictor.ts";
import type { Size } from "./resize.ts";

/** What a file holds of a prediction. */
export type StoredPrediction = Omit<Prediction, "logits">;

/**
 * Writes keys (int64), cam (float32, n×⌈H/4⌉×⌈W/4⌉), image and covered (int64, height and width), activation_0 …
 * (float32, one a scale) and, where the segmentation branch was asked, probabilities (float32, (n+1)×⌈H/4⌉×⌈W/4⌉).
 */
export async function writePrediction(file: string, prediction: StoredPrediction): Promise<void> {
  const { keys, image, covered, cams, activations, probabilities } = prediction;
  const integers = (values: readonly number[]) => ({
    data: BigInt64Array.from(values, BigInt),
    shape: [values.length],
  });
  const floats = ({ data, planes, height, width }: Planes) => ({ data, shape: [planes, height, width] });
  await writeFileAtomic(
    file,
    writeNpz({
      keys: integers(keys),
      cam: floats(cams),
      image: integers(image),
      covered: integers(covered),
      ...Object.fromEntries(activations.map((maps, scale) => [`activation_${scale}`, floats(maps)])),
      ...(probabilities ? { probabilities: floats(probabilities) } : {}),
    }),
  );
}

/**
 * Reads what {@link writePrediction} wrote. @throws CsrmError naming the file when it is missing, damaged or of another
 * origin
 */
export async function readPrediction(file: string): Promise<StoredPrediction> {
  const arrays = readNpz(await readFileBytes(file), file);
  const keys = integersOf(arrays, "keys", file);
  const planes = (name: string, count: number) => planesOf(arrays, { name, count, file });
  const count = [...arrays.keys()].filter((name) => /^activation_\d+$/.test(name)).length;
  if (count === 0) {
    throw new CsrmError(
      `${file} holds no activation_0, so no label map can be made from it; was it written by csrm predict?`,
      {
        code: "data",
      },
    );
  }
  return {
    keys,
    image: sizeOf(arrays, "image", file),
    covered: sizeOf(arrays, "covered", file),
    cams: planes("cam", keys.length - 1),
    activations: Array.from({ length: count }, (_, scale) => planes(`activation_${scale}`, keys.length - 1)),
    probabilities: arrays.has("probabilities") ? planes("probabilities", keys.length) : null,
  };
}

/** The keys alone, without reading the scores. @throws CsrmError as {@link readPrediction} */
export function readPredictionKeys(file: string): number[] {
  using source = openBytes(file);
  const members = openZip(source);
  const keys = members.get("keys.npy");
  if (!keys) throw expected('a list "keys"', file, [...members.keys()]);
  return integersOf(new Map([["keys", readNpy(keys.read(), `${file}: keys.npy`)]]), "keys", file);
}

type Arrays = ReadonlyMap<string, NumpyArray>;

function integersOf(arrays: Arrays, name: string, file: string): number[] {
  const array = arrays.get(name);
  if (array?.shape.length !== 1) throw expected(`a list "${name}"`, file, [...arrays.keys()]);
  return Array.from(array.data, Number);
}

function sizeOf(arrays: Arrays, name: string, file: string): Size {
  const [height, width, ...rest] = integersOf(arrays, name, file);
  if (!(height! > 0 && width! > 0) || rest.length > 0)
    throw expected("a height and a width", `${name} of ${file}`, [height, width]);
  return [height!, width!];
}

function planesOf(arrays: Arrays, { name, count, file }: { name: string; count: number; file: string }): Planes {
  const array = arrays.get(name);
  if (!array) throw expected(`an array "${name}"`, file, [...arrays.keys()]);
  const [planes, height, width] = array.shape;
  if (array.shape.length !== 3 || planes !== count || !(array.data instanceof Float32Array)) {
    throw expected(`${count} float32 maps`, `${name} of ${file}`, { dtype: array.dtype, shape: array.shape });
  }
  return { data: array.data, planes: count, height: height!, width: width! };
}
