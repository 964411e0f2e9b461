import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { imageFile, imageRoot } from "../../src/evaluation/images.ts";

it("finds a photograph by its id, in folders and with endings of any case", () => {
  const root = mkdtempSync(join(tmpdir(), "csrm-images-"));
  mkdirSync(join(root, "street"));
  for (const name of ["a.jpg", "b.Jpg", "street/c.PNG", "d.txt"]) writeFileSync(join(root, name), "");
  expect(["a", "b", "street/c"].map((id) => imageFile(root, id))).toEqual(
    ["a.jpg", "b.Jpg", "street/c.PNG"].map((name) => join(root, name)),
  );
  expect(["d", "e", "lane/f"].map((id) => imageFile(root, id))).toEqual([null, null, null]);
});

it("tells the folder below which an id stands", () => {
  expect(join(imageRoot({ id: "street/c", image: "/photos/street/c.png", tags: null }))).toBe("/photos/");
  expect(join(imageRoot({ id: "2007_000032", image: "/voc/JPEGImages/2007_000032.jpg", tags: null }))).toBe(
    "/voc/JPEGImages/",
  );
});
