/** Small data sets on disk for tests: pictures in which every pixel is known, lists, tags and masks. */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";

/** A temporary folder with helpers to fill it; `remove` deletes it. */
export class Scratch {
  readonly root = mkdtempSync(join(tmpdir(), "csrm-data-"));

  path(...parts: string[]): string {
    return join(this.root, ...parts);
  }

  write(path: string, content: string | Uint8Array): string {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), content);
    return this.path(path);
  }

  /** A picture of one of sharp's formats, chosen by the extension, with the given raw samples. */
  async picture(path: string, raw: { data: Uint8Array; width: number; height: number; channels?: 1 | 3 | 4 }) {
    const { data, width, height, channels = 3 } = raw;
    mkdirSync(dirname(this.path(path)), { recursive: true });
    await sharp(data, { raw: { width, height, channels } }).toFile(this.path(path));
    return this.path(path);
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** RGB pixels whose red is x, green y and blue `mark`. */
export function coordinates(width: number, height: number, mark = 0) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) data.set([i % width, Math.floor(i / width), mark], i * 3);
  return { data, width, height };
}
