import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { tableOf } from "../../src/data/classes.ts";
import { matchEntries, namesIn } from "../../src/data/tag-entries.ts";
import { csvEntries, tagsFromNpy, vocEntries } from "../../src/data/tags.ts";
import { objectNames } from "../../src/data/voc-annotation.ts";
import { writeNpy } from "../../src/formats/npy.ts";
import { Scratch } from "./fixture.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

const classes = tableOf(["cat", "dog", "traffic light"]);
const ids = ["a", "b", "sub/c", "d.v2", "e", "f"];
const csv = (text: string) => matchEntries(csvEntries(scratch.write("tags.csv", text), classes), classes, ids);
const tagNames = (file: string) => namesIn(csvEntries(file), file);
const annotations = (folder: string) => matchEntries(vocEntries(folder, ids), classes, ids).tags;
const plain = (tags: Map<string, Uint8Array>) =>
  Object.fromEntries([...tags].map(([id, vector]) => [id, vector.join("")]));

describe("tags.csv", () => {
  it("splits tags at semicolons if there is one, else at spaces, and takes a cell that is one class whole", () => {
    const { tags, unmatched } = csv(
      '\uFEFFimage,tags\r\na.jpg,cat dog\r\nb.PNG,dog; traffic light;\r\nsub\\c.jpg,traffic light\r\nd.v2,\r\n./e,"cat;dog"\r\n',
    );
    expect(plain(tags)).toEqual({ a: "110", b: "011", "sub/c": "001", "d.v2": "000", e: "110" });
    expect(unmatched).toEqual([]);
  });

  it("is refused with more different tags than a label map has values", () => {
    const many = Array.from({ length: 255 }, (_, i) => `t${i}`);
    const file = (tags: string[]) => scratch.write("many.csv", `image,tags\na.jpg,${tags.join(" ")}\n`);
    expect(tagNames(file(many.slice(1))).length).toBe(254);
    expect(() => tagNames(file(many))).toThrow(/at most 254 different tags for .*many.csv, got 255; .*--classes/);
  });

  it("finds a name whose accents are written as the file system does not write them, the exact one first", () => {
    const [composed, decomposed] = ["caf\u00e9", "cafe\u0301"];
    const vectors = (names: string[], rows: string) => {
      const entries = csvEntries(scratch.write("tags.csv", `image,tags\n${rows}`), classes);
      return plain(matchEntries(entries, classes, names).tags);
    };
    expect(vectors([decomposed], `${composed}.jpg,cat\n`)).toEqual({ [decomposed]: "100" });
    expect(vectors([composed], `${decomposed},dog\n`)).toEqual({ [composed]: "010" });
    const both = `${composed}.jpg,cat\n${decomposed}.jpg,dog\n`;
    expect(vectors([composed, decomposed], both)).toEqual({ [composed]: "100", [decomposed]: "010" });
  });

  it("leaves images without a row unlabelled and hands back rows without an image", () => {
    const { tags, unmatched } = csv("image,tags\na,cat\nzz.jpg,dog\n");
    expect([...tags.keys()]).toEqual(["a"]);
    expect(unmatched).toEqual(["zz.jpg"]);
  });

  it.each([
    ["image,tags\na,cat\nb,dgo\n", 'tags.csv, line 3: unknown tag "dgo"; did you mean "dog"?'],
    ["image,tags\nzz,lion\n", 'tags.csv, line 2: unknown tag "lion"; known are cat, dog, traffic light'],
    ["image,tags\na.jpg,cat\na,dog\n", "tags.csv, line 3: line 2 already tells of a"],
    ["a.jpg,cat\n", "expected the header image,tags for"],
    ["", "expected the header image,tags for"],
    ["image,tags\na.jpg\n", 'tags.csv, line 2, got "a.jpg"; add a comma'],
    ["image,tags\na.jpg,cat,dog\n", "separate tags by ; or spaces"],
    ["image;tags\na;cat\n", 'got "image;tags"; separate the columns by a comma, the tags by ; or spaces'],
    ["image\ttags\na\tcat\n", "separate the columns by a comma"],
    ["\uFFFD\uFFFDi\0m\0", "save the file as UTF-8 text"],
    ["image,tags\na,c\uFFFDt\n", "expected UTF-8 text for"],
    ['image,tags\na,"cat, dog"\n', "expected tags separated by ; or spaces for"],
    ['image,tags\na,"cat\n', "line 2: a quoted cell is never closed"],
  ])("is refused with its line: %j", (text, message) => {
    expect(() => csv(text)).toThrow(message);
  });

  it("yields the names of its tags for a folder without a class table", () => {
    expect(tagNames(scratch.write("own.csv", "image,tags\na,dog cat\nb,\nc,cat;red fox\n"))).toEqual([
      "cat",
      "dog",
      "red fox",
    ]);
    const commas = scratch.write("commas.csv", 'image,tags\na,"cat, dog"\n');
    expect(() => tagNames(commas)).toThrow('line 2, got "cat, dog"');
    expect(tagNames(scratch.write("comma.csv", 'image,tags\na,"tench, Tinca tinca;"\n'))).toEqual([
      "tench, Tinca tinca",
    ]);
    expect(() => tagNames(scratch.write("none.csv", "image,tags\na,\n"))).toThrow("at least one tag");
  });
});

const box = (xmin: number, ymin: number, xmax: number, ymax: number) =>
  `<bndbox><xmin>${xmin}</xmin><ymin>${ymin}</ymin><xmax>${xmax}</xmax><ymax>${ymax}</ymax></bndbox>`;

describe("VOC annotations", () => {
  it("count difficult objects, skip empty boxes, ignore parts and comments", () => {
    const xml = `<?xml version="1.0"?><annotation verified="yes"><folder>x</folder>
      <object><part><name>head</name>${box(1, 1, 2, 2)}</part><name> dog </name><difficult>1</difficult>${box(1, 1, 9, 9)}</object>
      <object id="2"><name>cat</name>${box(5, 1, 5, 9)}</object>
      <object><name>cat</name>${box(5, 7, 9, 7)}</object>
      <!-- <object><name>cat</name></object> -->
      <object><name>R&amp;D</name></object>
    </annotation>`;
    expect(objectNames(xml, "x.xml")).toEqual(["dog", "R&D"]);
    expect(objectNames("<annotation></annotation>", "x.xml")).toEqual([]);
  });

  it("become vectors; an image without a file is unlabelled", () => {
    scratch.write("Annotations/a.xml", `<annotation><object><name>dog</name>${box(1, 1, 2, 2)}</object></annotation>`);
    scratch.write("Annotations/b.xml", "<annotation></annotation>");
    expect(plain(annotations(scratch.path("Annotations")))).toEqual({ a: "010", b: "000" });
  });

  it("are refused with the file's name when they are damaged or name an unknown class", () => {
    expect(() => objectNames("hello", "x.xml")).toThrow(
      "cannot read x.xml as a VOC annotation: it has no <annotation>",
    );
    expect(() => objectNames("<annotation><object>", "x.xml")).toThrow("cut off before </annotation>");
    expect(() => objectNames("<annotation><object></object></annotation>", "x.xml")).toThrow("an object has no name");
    scratch.write("Other/a.xml", "<annotation><object><name>dgo</name></object></annotation>");
    expect(() => annotations(scratch.path("Other"))).toThrow(/a.xml: unknown tag "dgo"; did you/);
  });
});

describe("cls_labels.npy", () => {
  const golden = (name: string) => fileURLToPath(new URL(`../golden/${name}.npy`, import.meta.url));
  const four = tableOf(["w", "x", "y", "z"]);

  it.each(["cls-labels-protocol2", "cls-labels-protocol4", "cls-labels-old-numpy"])(
    "finds images by name and number: %s",
    async (file) => {
      const tags = await tagsFromNpy(golden(file), four, ["2007_000032", "2007_000039", "einhorn_ä", "list", "absent"]);
      expect(plain(tags)).toEqual({ "2007_000032": "1001", "2007_000039": "0100", einhorn_ä: "0010", list: "0011" });
    },
  );

  it("names the file and the entry that does not fit the classes", async () => {
    const file = golden("cls-labels-protocol4");
    await expect(tagsFromNpy(file, classes, ["2007_000032"])).rejects.toThrow(
      `expected 3 entries, one a class, for ${file}, entry 2007_000032, got 4`,
    );
    await expect(
      tagsFromNpy(file, tableOf(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k"]), ["rest"]),
    ).rejects.toThrow("expected entries of 0 and 1");
    const numeric = scratch.write("n.npy", writeNpy(new Float32Array(3), [3]));
    await expect(tagsFromNpy(numeric, classes, ids)).rejects.toThrow(
      "it holds float32 where a Python object was expected",
    );
  });
});
