/** Means of windows and their gradients, written out; some of libtorch's GPU kernels have had others (see `avgPool2d`). */
import { expect, it } from "vitest";
import { F, manualSeed, randn, type Tensor } from "../../src/torch/index.ts";
import { describeOnDevices } from "../helpers/devices.ts";

const [IMAGES, CHANNELS, HEIGHT, WIDTH] = [2, 4, 7, 6] as const;
const KERNEL = 3;

interface Options {
  stride: number;
  padding: number;
  padApart?: boolean;
  ceilMode?: boolean;
  countIncludePad?: boolean;
}

/** What part each pixel of a line has in each mean along it: the windows' pixels, and how many pixels each window is said to have. */
function windows(length: number, { stride, padding, ceilMode = false, countIncludePad = true }: Options) {
  const found: { pixels: number[]; size: number }[] = [];
  const reach = length + 2 * padding - KERNEL;
  let count = (ceilMode ? Math.ceil(reach / stride) : Math.floor(reach / stride)) + 1;
  if ((count - 1) * stride >= length + padding) count--; // none may begin beyond the picture and its padding
  for (let i = 0; i < count; i++) {
    const start = i * stride - padding;
    const end = Math.min(start + KERNEL, length + padding);
    const pixels = Array.from({ length: end - start }, (_, k) => start + k).filter((at) => at >= 0 && at < length);
    found.push({ pixels, size: countIncludePad ? end - start : pixels.length });
  }
  return found;
}

/** Means, and the gradient of their sum weighted by `upstream`. */
function written(x: Float64Array, options: Options, upstream: (at: number) => number) {
  const [rows, columns] = [windows(HEIGHT, options), windows(WIDTH, options)];
  const means: number[] = [];
  const gradient = new Float64Array(x.length);
  for (let plane = 0; plane < IMAGES * CHANNELS; plane++) {
    for (const row of rows) {
      for (const column of columns) {
        const places = row.pixels.flatMap((y) => column.pixels.map((at) => (plane * HEIGHT + y) * WIDTH + at));
        const size = row.size * column.size;
        const weight = upstream(means.length) / size;
        for (const place of places) gradient[place]! += weight;
        means.push(places.reduce((sum, place) => sum + x[place]!, 0) / size);
      }
    }
  }
  return { means, gradient, shape: [IMAGES, CHANNELS, rows.length, columns.length] };
}

const values = (tensor: Tensor) =>
  tensor.detach().to({ device: "cpu", dtype: "float64" }).contiguous().toTypedArray() as Float64Array;

function expectClose(found: Float64Array, wanted: ArrayLike<number>): void {
  expect(found.length).toBe(wanted.length);
  for (const [i, value] of found.entries()) expect(Math.abs(value - wanted[i]!), `value ${i}`).toBeLessThan(1e-6);
}

it("pads rows and columns by their own numbers", () => {
  const x = randn([1, 1, 5, 6]);
  for (const padding of [
    [1, 0],
    [0, 1],
  ] as const) {
    const [apart, together] = [true, false].map((padApart) => values(F.avgPool2d(x, KERNEL, { padding, padApart })));
    expect(apart).toEqual(together);
    expect(apart!.length).toBe(padding[0] ? 4 : 2);
  }
});

describeOnDevices("average pooling on $device", ({ device }) => {
  it.each<Options>([
    { stride: 1, padding: 1 },
    { stride: 2, padding: 1 },
    { stride: 3, padding: 0 },
    { stride: 2, padding: 1, countIncludePad: false },
    { stride: 2, padding: 1, ceilMode: true },
    { stride: 1, padding: 1, padApart: true },
    { stride: 2, padding: 1, padApart: true },
    { stride: 2, padding: 1, countIncludePad: false, padApart: true },
    { stride: 2, padding: 1, ceilMode: true, padApart: true },
  ])("has the means and the gradient of its windows, in either layout: %j", (options) => {
    for (const memoryFormat of ["channels_last", "contiguous"] as const) {
      manualSeed(1);
      const x = randn([IMAGES, CHANNELS, HEIGHT, WIDTH]).to({ device, memoryFormat }).detach().requiresGrad_();
      const y = F.avgPool2d(x, KERNEL, options);
      const upstream = randn(y.shape);
      const weights = values(upstream);
      const wanted = written(values(x), options, (at) => weights[at]!);
      expect(y.shape).toEqual(wanted.shape);
      expectClose(values(y), wanted.means);
      y.backward(upstream.to({ device, memoryFormat }));
      expectClose(values(x.grad!), wanted.gradient);
    }
  });
});
