/** The PASCAL VOC colour map, which gives every label id 0..255 its own colour. */

/**
 * 256 × 3 bytes, RGB. Bits of an index are dealt in turn to red, green and blue, each filled from its highest bit:
 * bit 3j goes to bit 7 − j of red, 3j + 1 to green, 3j + 2 to blue. Label 255 ("ignore") is (224, 224, 192).
 */
export function vocPalette(): Uint8Array {
  const palette = new Uint8Array(256 * 3);
  for (let index = 0; index < 256; index++) {
    for (let bit = 0; bit < 8; bit++) {
      const channel = bit % 3;
      palette[index * 3 + channel]! |= ((index >> bit) & 1) << (7 - Math.floor(bit / 3));
    }
  }
  return palette;
}
