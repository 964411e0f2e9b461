/** The types that data sets, loaders and everything that reads them share. No type here leads to a mask. */

/** The classes of a data set or of a subset of it. Network class k is ids[k], called names[k]; k = 0 is the background. */
export interface ClassTable {
  /** Ids as they stand in label maps; ids[0] = 0. A six-animal subset of VOC has [0, 8, 10, 12, 13, 15, 17]. */
  ids: number[];
  names: string[];
}

/** One image and what is known about it. */
export interface Sample {
  /** The image's name in lists and outputs: its path below the images folder without the extension, with "/" separators. */
  id: string;
  /** Absolute path of the image file. */
  image: string;
  /** Multi-hot of length ids.length − 1, entry k for network class k + 1; null when the image is unlabelled. */
  tags: Uint8Array | null;
}

/** A list of images with the classes their tags refer to. */
export interface Dataset {
  name: string;
  root: string;
  classes: ClassTable;
  samples: Sample[];
  /** Facts a person should see once, e.g. how many tags lie outside the chosen subset. */
  notes?: string[];
}

/** A batch as the loader hands it out: B images of one size. */
export interface Batch {
  ids: string[];
  /** B × H × W × 3, RGB, 0..255. */
  images: Uint8Array;
  /** B × C multi-hot as 0 or 1; a row of zeros for an image without tags. */
  tags: Float32Array;
  /** B × H × W class indices, 255 = none; where the loader was given label maps. */
  labels?: Uint8Array;
  height: number;
  width: number;
}

/** One decoded picture: height × width × 3, RGB, 0..255, row by row. */
export interface RgbImage {
  data: Uint8Array;
  width: number;
  height: number;
}
