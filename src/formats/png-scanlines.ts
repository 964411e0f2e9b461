/** The pixel side of PNG decoding: undoing the five row filters, unpacking 1/2/4-bit samples, the Adam7 passes. */

/** How the samples of a PNG are laid out. `bitDepth` is 1, 2, 4 or 8; 1, 2 and 4 only with one channel. */
export interface ScanlineLayout {
  width: number;
  height: number;
  bitDepth: number;
  channels: number;
  interlaced: boolean;
}

interface Pass {
  x: number;
  y: number;
  stepX: number;
  stepY: number;
}

const WHOLE: Pass[] = [{ x: 0, y: 0, stepX: 1, stepY: 1 }];
const ADAM7: Pass[] = [
  { x: 0, y: 0, stepX: 8, stepY: 8 },
  { x: 4, y: 0, stepX: 8, stepY: 8 },
  { x: 0, y: 4, stepX: 4, stepY: 8 },
  { x: 2, y: 0, stepX: 4, stepY: 4 },
  { x: 0, y: 2, stepX: 2, stepY: 4 },
  { x: 1, y: 0, stepX: 2, stepY: 2 },
  { x: 0, y: 1, stepX: 1, stepY: 2 },
];

/** How many bytes the image data has after inflating: a filter byte and the packed samples for each row of each pass. */
export function scanlineBytes(layout: ScanlineLayout): number {
  let total = 0;
  for (const pass of layout.interlaced ? ADAM7 : WHOLE) {
    const { columns, rows, rowBytes } = passSize(layout, pass);
    if (columns > 0) total += rows * (rowBytes + 1);
  }
  return total;
}

/**
 * Samples as one byte each, height × width × channels; values of 1/2/4-bit samples are kept as they are, not scaled.
 * @param raw exactly `scanlineBytes(layout)` bytes; filters are undone in place
 * @returns null when a row names a filter that does not exist
 */
export function readScanlines(raw: Uint8Array, layout: ScanlineLayout): Uint8Array | null {
  const { width, height, channels, bitDepth } = layout;
  const out = new Uint8Array(width * height * channels);
  const pixelBytes = bitDepth === 8 ? channels : 1;
  let offset = 0;
  for (const pass of layout.interlaced ? ADAM7 : WHOLE) {
    const { columns, rows, rowBytes } = passSize(layout, pass);
    if (columns === 0) continue;
    let above: Uint8Array | null = null;
    for (let r = 0; r < rows; r++) {
      const filter = raw[offset]!;
      if (filter > 4) return null;
      const row = raw.subarray(offset + 1, offset + 1 + rowBytes);
      unfilter(filter, row, above, pixelBytes);
      const start = ((pass.y + r * pass.stepY) * width + pass.x) * channels;
      if (pass.stepX === 1 && bitDepth === 8) out.set(row, start);
      else unpack(row, { out, start, columns, stride: pass.stepX * channels, bitDepth, channels });
      above = row;
      offset += rowBytes + 1;
    }
  }
  return out;
}

function passSize(layout: ScanlineLayout, pass: Pass): { columns: number; rows: number; rowBytes: number } {
  const columns = Math.max(0, Math.ceil((layout.width - pass.x) / pass.stepX));
  const rows = Math.max(0, Math.ceil((layout.height - pass.y) / pass.stepY));
  return { columns, rows, rowBytes: Math.ceil((columns * layout.channels * layout.bitDepth) / 8) };
}

interface UnpackTarget {
  out: Uint8Array;
  start: number;
  columns: number;
  /** Distance between neighbouring pixels of the pass in `out`. */
  stride: number;
  bitDepth: number;
  channels: number;
}

function unpack(row: Uint8Array, target: UnpackTarget): void {
  const { out, start, columns, stride, bitDepth, channels } = target;
  if (bitDepth === 8) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) out[start + x * stride + c] = row[x * channels + c]!;
    }
    return;
  }
  const perByte = 8 / bitDepth;
  const mask = (1 << bitDepth) - 1;
  for (let x = 0; x < columns; x++) {
    const shift = 8 - bitDepth * ((x % perByte) + 1);
    out[start + x * stride] = (row[Math.floor(x / perByte)]! >> shift) & mask;
  }
}

/** Filters 0 none, 1 left, 2 above, 3 mean of both, 4 Paeth; `near` is the distance to the pixel on the left in bytes. */
function unfilter(filter: number, row: Uint8Array, above: Uint8Array | null, near: number): void {
  for (let i = 0; filter !== 0 && i < row.length; i++) {
    const left = i >= near ? row[i - near]! : 0;
    const up = above === null ? 0 : above[i]!;
    if (filter === 1) row[i]! += left;
    else if (filter === 2) row[i]! += up;
    else if (filter === 3) row[i]! += (left + up) >> 1;
    else row[i]! += paeth(left, up, i >= near && above !== null ? above[i - near]! : 0);
  }
}

function paeth(left: number, up: number, corner: number): number {
  const estimate = left + up - corner;
  const byLeft = Math.abs(estimate - left);
  const byUp = Math.abs(estimate - up);
  const byCorner = Math.abs(estimate - corner);
  if (byLeft <= byUp && byLeft <= byCorner) return left;
  return byUp <= byCorner ? up : corner;
}
