/** Tensors as views of a flat run of elements: made row-major. */

export interface StridedView {
  /** In elements, as the strides. */
  offset: number;
  shape: readonly number[];
  strides: readonly number[];
}

/** The strides of a row-major tensor, in elements. */
export function rowMajorStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let next = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = next;
    next *= Math.max(1, shape[axis]!);
  }
  return strides;
}

/** Whether the view's elements lie in row-major order without gaps; strides of sides of 1 do not matter. */
export function isRowMajor({ shape, strides }: StridedView): boolean {
  if (shape.includes(0)) return true;
  const plain = rowMajorStrides(shape);
  return shape.every((side, axis) => side === 1 || strides[axis] === plain[axis]);
}

/** Copies a view's elements in row-major order. @param bytes the whole run, aligned to the item size @param item bytes an element */
export function gather(
  bytes: Uint8Array<ArrayBuffer>,
  { offset, shape, strides }: StridedView,
  item: 1 | 2 | 4 | 8,
): Uint8Array<ArrayBuffer> {
  const count = shape.reduce((product, side) => product * side, 1);
  const out = new Uint8Array(count * item);
  const words = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array, 8: BigUint64Array }[item];
  const from = new words(bytes.buffer, bytes.byteOffset, bytes.byteLength / item);
  const to = new words(out.buffer);
  copyInOrder<number | bigint>(from, to, { offset, shape, strides });
  return out;
}

/** Fills `to` with a view's elements in row-major order. */
export function copyInOrder<T>(from: ArrayLike<T>, to: { [index: number]: T }, view: StridedView): void {
  const { offset, shape, strides } = view;
  const count = shape.reduce((product, side) => product * side, 1);
  const index = new Array<number>(shape.length).fill(0);
  let position = offset;
  for (let i = 0; i < count; i++) {
    to[i] = from[position]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      position -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
}
