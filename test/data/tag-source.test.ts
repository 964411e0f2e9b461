/** Own data in every form that people have it in: what is read, what is refused, and that only class names are read. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tableOf } from "../../src/data/classes.ts";
import { openDataset } from "../../src/data/dataset.ts";
import { openTags } from "../../src/data/tag-source.ts";
import { coordinates, Scratch } from "./fixture.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());
beforeAll(async () => {
  for (const [i, name] of ["a.jpg", "b.png", "trip/c.JPG", "trip/d.jpg"].entries()) {
    await scratch.picture(`photos/${name}`, coordinates(8, 6, i));
  }
});

const classes = tableOf(["cat", "dog", "traffic light"]);
const pictures = () => ({
  ids: ["a", "b", "trip/c", "trip/d"],
  files: new Map(
    [
      ["a", "a.jpg"],
      ["b", "b.png"],
      ["trip/c", "trip/c.JPG"],
      ["trip/d", "trip/d.jpg"],
    ].map(([id, file]) => [id!, scratch.path("photos", file!)]),
  ),
});

/** Vectors as digits, with what is to be said; the names are those that classes are taken from. */
async function read(source: string) {
  const opened = openTags(source, pictures());
  const { tags, notes } = await opened.read(classes);
  const vectors = Object.fromEntries([...tags].map(([id, vector]) => [id, vector.join("")]));
  return { vectors, notes, names: opened.names() };
}
const readText = (name: string, text: string) => read(scratch.write(name, text));
const json = (value: unknown) => JSON.stringify(value);

describe("CSV", () => {
  it("takes a cell for one name of several words where that stands elsewhere, for words where it does not", async () => {
    const text = "image,tags\na,traffic light\nb,traffic light;cat\ntrip/c,cat dog\n";
    const { names } = await readText("tags.csv", text);
    expect(names).toEqual(["cat", "dog", "traffic light"]);
  });
});

describe("JSON", () => {
  const expected = { a: "110", "trip/c": "001", b: "000" };

  it("is an object from images to lists of tags", async () => {
    const text = json({ "a.jpg": ["cat", " dog"], "trip\\c": ["traffic light"], "./b.png": [] });
    const { vectors, notes, names } = await readText("tags.json", text);
    expect(vectors).toEqual(expected);
    expect(notes).toEqual([]);
    expect(names).toEqual(["cat", "dog", "traffic light"]);
  });

  it("is a list of images with tags, whatever the file is called", async () => {
    const list = [
      { image: "a.jpg", tags: ["cat", "dog"], width: 8 },
      { image: "trip/c.JPG", tags: ["traffic light"] },
      { image: "b", tags: [] },
    ];
    expect((await readText("tags.txt", ` ${json(list)}`)).vectors).toEqual(expected);
  });

  it("says once how many images are not there, and none at all is an error", async () => {
    const { notes } = await readText("tags.json", json({ a: ["cat"], "gone.jpg": ["dog"], "lost.jpg": [] }));
    expect(notes).toEqual([
      `2 entries of ${scratch.path("tags.json")} name images that are not there, the first: gone.jpg`,
    ]);
    await expect(readText("tags.json", json({ "photos/a.jpg": ["cat"] }))).rejects.toThrow(
      'tags.json names none of the images: it has "photos/a.jpg", the data set "a"; names begin below the folder',
    );
  });

  it.each([
    ['{"a": ["cat",]}', "tags.json as JSON: line 1, column 14: a comma stands before ]"],
    ['{"a":\n ["cat"}', "tags.json as JSON: line 2, column 8"],
    ['{"a": ["dgo"]}', 'tags.json, entry "a": unknown tag "dgo"; did you mean "dog"?'],
    ['{"a": "cat"}', 'for TAGS, entry "a", got "cat"; write ["cat"]'],
    ['{"a": null}', 'for TAGS, entry "a", got null; leave the image out'],
    ['{"a": [7]}', 'for TAGS, entry "a", got [7]'],
    ['{"a": ["", "cat"]}', 'TAGS, entry "a": name 1 of ["","cat"] is empty; leave it out'],
    ['[{"image": "a", "tags": ["cat", " "]}]', 'TAGS, entry 1: name 2 of ["cat"," "] is empty; leave it out'],
    ['{"a": ["cat"],\n"\\u0061": ["dog"]}', 'tags.json, line 2: "a" stands there twice'],
    ['{"a": ["cat"], "a.jpg": ["dog"]}', 'entry "a.jpg": entry "a" already tells of a.jpg'],
    ['[{"image": "a", "tags": ["cat"]}, {"file": "b"}]', 'for TAGS, entry 2, got {"file":"b"}'],
    ["7", 'expected {"photo.jpg": ["cat", …], …}'],
  ])("%s is refused", async (text, message) => {
    await expect(readText("tags.json", text)).rejects.toThrow(message.replace("TAGS", scratch.path("tags.json")));
  });
});

describe("COCO's annotations", () => {
  const coco = () => ({
    images: [
      { id: 3, file_name: "a.jpg", width: 8, height: 6 },
      { id: 5, file_name: "trip/c.JPG" },
      { id: 6, file_name: "b.png" },
      { id: 7, file_name: "gone.jpg" },
    ] as object[],
    annotations: [
      { id: 1, image_id: 3, category_id: 18, bbox: "no box", segmentation: "no polygon", iscrowd: 0 },
      { id: 2, image_id: 3, category_id: 18 },
      { id: 3, image_id: 3, category_id: 17, iscrowd: 1 },
      { id: 4, image_id: 5, category_id: 10 },
    ] as object[],
    categories: [
      { id: 0, name: "animals" },
      { id: 10, name: "traffic light" },
      { id: 17, name: "cat" },
      { id: 18, name: "dog" },
    ] as object[],
  });

  it("become tags by their categories alone; images without any are told of", async () => {
    const { vectors, notes, names } = await readText("coco.json", json(coco()));
    expect(vectors).toEqual({ a: "110", "trip/c": "001", b: "000" });
    expect(names).toEqual(["cat", "dog", "traffic light"]);
    const file = scratch.path("coco.json");
    expect(notes).toEqual([
      `1 entries of ${file} name images that are not there, the first: gone.jpg`,
      `1 of 3 images have no annotation in ${file}: they count as images of none of the classes`,
    ]);
  });

  it.each([
    [{ categories: undefined }, "expected lists of images, annotations and categories for COCO, got"],
    [
      { annotations: [{ image_id: 99, category_id: 17 }] },
      "annotations[0]: its image_id 99 is none of the file's images",
    ],
    [
      { annotations: [{ image_id: 3, category_id: 1 }] },
      "annotations[0]: its category_id 1 is none of the file's categories",
    ],
    [{ annotations: [null] }, "annotations[0]: its image_id nothing is none"],
    [{ images: [{ id: 3 }] }, "expected id and file_name for COCO, images[0]"],
    [
      {
        images: [
          { id: 3, file_name: "a" },
          { id: 3, file_name: "b" },
        ],
      },
      "ids that occur once for COCO, images[1]",
    ],
    [{ categories: [{ id: 1 }] }, "expected id and name for COCO, categories[0]"],
    [
      {
        categories: [
          { id: 17, name: "kat" },
          { id: 18, name: "dog" },
          { id: 10, name: "dog" },
        ],
      },
      'images[0]: unknown tag "kat"; did you mean "cat"?',
    ],
  ])("are refused with %j", async (change, message) => {
    const text = json({ ...coco(), ...change });
    await expect(readText("coco.json", text)).rejects.toThrow(message.replace("COCO", scratch.path("coco.json")));
  });
});

describe("labelme's files", () => {
  const labelme = (imagePath: string, labels: string[], extra: object = {}) =>
    json({
      version: "5.5.0",
      flags: {},
      shapes: labels.map((label) => ({ label, points: "none" })),
      imagePath,
      ...extra,
    });

  it("tell by labels and raised flags, beside the images or in a folder of their own", async () => {
    scratch.write("photos/a.json", labelme("a.jpg", ["cat", "cat", "__ignore__"], { imageData: "AAAA" }));
    scratch.write("photos/trip/d.json", labelme("d.jpg", [], { flags: { dog: true, cat: false } }));
    expect((await read(scratch.path("photos"))).vectors).toEqual({ a: "100", "trip/d": "010" });
    scratch.write("labels/one.json", labelme("..\\photos\\trip\\c.JPG", ["dog"]));
    scratch.write("labels/trip/d.json", labelme("/home/me/d.jpg", ["traffic light"]));
    scratch.write("labels/a.json", labelme("a.jpg", []));
    scratch.write("labels/settings.json", json({ to: "labelme" }));
    expect((await read(scratch.path("labels"))).vectors).toEqual({ "trip/c": "010", "trip/d": "001", a: "000" });
    expect((await read(scratch.path("photos/a.json"))).vectors).toEqual({ a: "100" });
  });

  it.each([
    ["{}", "expected shapes and imagePath, as labelme writes them, for FILE, got {}"],
    [labelme("a.jpg", [""]), "expected a label for FILE, shapes[0]"],
    [labelme("a.jpg", ["dgo"]), 'FILE: unknown tag "dgo"; did you mean "dog"?'],
    [labelme("zz.jpg", ["dog"]), 'names none of the images: it has "zz.jpg"'],
    ['{"shapes": [', "FILE as JSON: line 1, column 13: the text ends too early"],
  ])("are refused as %s", async (text, message) => {
    const file = scratch.write("faulty/x.json", text);
    await expect(read(scratch.path("faulty"))).rejects.toThrow(message.replace("FILE", file));
  });
});

describe("CVAT's XML", () => {
  const image = (name: string, inner = "") => `<image id="0" name="${name}" width="8" height="6">${inner}</image>`;
  const cvat = (...images: string[]) =>
    `<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version>\n${images.join("\n")}\n</annotations>`;
  const text = cvat(
    image(
      "a.jpg",
      '<box label="cat" xtl="1"><attribute name="x">y</attribute></box><tag label="dog" source="manual"/>',
    ),
    image(
      "trip/c.JPG",
      '<mask label="traffic light" rle="0"></mask><skeleton label="cat"><points label="nose"/></skeleton>',
    ),
    '<image id="2" name="b.png"/>',
  );

  it("becomes tags by labels, of marks as well as of tags, not of attributes or parts", async () => {
    const { vectors, notes } = await readText("cvat.xml", text);
    expect(vectors).toEqual({ a: "110", "trip/c": "101", b: "000" });
    expect(notes).toEqual([
      `1 of 3 images have no annotation in ${scratch.path("cvat.xml")}: they count as images of none of the classes`,
    ]);
  });

  it.each([
    [text.slice(0, -20), "cvat.xml as XML: line 5: "],
    [cvat(image("a.jpg", '<box label="cat">')), "as XML: line 3: </image> ends what is not open"],
    [cvat(image("a.jpg", '<box label="dgo"/>')), 'cvat.xml, line 3: unknown tag "dgo"; did you mean "dog"?'],
    [cvat(image("a.jpg", "<box/>")), "cvat.xml, line 3: a <box> has no label"],
    [cvat("<image/>"), "cvat.xml, line 3: an <image> has no name"],
    [cvat(image("a.jpg"), image("a.jpg")), "cvat.xml, line 4: line 3 already tells of a.jpg"],
    [cvat('<track label="cat"/>'), 'it is of a video (<track>); export it as "CVAT for images 1.1"'],
    ["<annotation/>", "it looks like VOC's; name the folder that holds such files"],
    ["<a/>", "expected CVAT's <annotations> for"],
    ["hello", "no element at all"],
  ])("is refused where it is %j", async (faulty, message) => {
    await expect(readText("cvat.xml", faulty)).rejects.toThrow(message);
  });
});

describe("class folders", () => {
  const open = (extra: object = {}) =>
    openDataset({ layout: "folder", root: scratch.path("sorted"), tags: "folders", ...extra });

  beforeAll(async () => {
    const files = ["cat/x.png", "dog/x.png", "dog/y.png", "dog/deep/z.png", "loose.png"];
    const marks = [1, 1, 2, 3, 4];
    for (const [i, file] of files.entries()) await scratch.picture(`sorted/${file}`, coordinates(8, 6, marks[i]!));
    await scratch.picture("sorted/cat/y.png", coordinates(8, 6, 9));
  });

  it("name what their images show; equal files in two of them show both", async () => {
    const { classes, samples, notes } = await open();
    expect(classes.names).toEqual(["background", "cat", "dog"]);
    expect(Object.fromEntries(samples.map(({ id, tags }) => [id, tags && [...tags].join("")]))).toEqual({
      "cat/x": "11",
      "cat/y": "10",
      "dog/deep/z": "01",
      "dog/x": "11",
      "dog/y": "01",
      loose: null,
    });
    expect(notes).toEqual([
      "2 images lie in several class folders, byte for byte; each gets the tags of all",
      "1 of 6 images are unlabelled: they lie in no folder of a class",
    ]);
  });

  it("are refused where their name is no class", async () => {
    const table = scratch.write("table.txt", "1 cat\n2 dogs\n");
    await expect(open({ classes: table })).rejects.toThrow(
      `${scratch.path("sorted")}, its folders: unknown tag "dog"; did you mean "dogs"?`,
    );
  });

  it("are offered where a folder of images is named as tags", async () => {
    await expect(open({ tags: scratch.path("sorted") })).rejects.toThrow(/got "none"; say "folders" instead of a path/);
  });
});

describe("anything else", () => {
  it("is refused with what would have been right", async () => {
    await expect(readText("tags.dat", "cat a.jpg")).rejects.toThrow(
      /expected tags as CSV \(header image,tags\), JSON .*CVAT's XML, a folder of annotations, or \.npy for .*tags\.dat, got "cat a\.jpg"/,
    );
    await expect(read(scratch.path("gone.json"))).rejects.toThrow("no tags at");
  });
});
