import { afterAll, describe, expect, it } from "vitest";
import { loadClasses, parseClasses, subsetClasses, tableOf, tagIndex } from "../../src/data/classes.ts";
import { Scratch } from "./fixture.ts";

const scratch = new Scratch();
afterAll(() => scratch.remove());

describe("the built-in tables", () => {
  it("have the names and ids of VOC and COCO", () => {
    const voc = loadClasses("voc");
    expect(voc.ids).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect([voc.names[0], voc.names[1], voc.names[8], voc.names[15], voc.names[20]]).toEqual([
      "background",
      "aeroplane",
      "cat",
      "person",
      "tvmonitor",
    ]);
    const coco = loadClasses("coco");
    expect([coco.names.length, coco.names[1], coco.names[10], coco.names[80]]).toEqual([
      81,
      "person",
      "traffic light",
      "toothbrush",
    ]);
    expect(loadClasses("toy").names[0]).toBe("background");
  });

  it.each(["voc", "coco", "toy"])("name every class of %s once", (name) => {
    const { ids, names } = loadClasses(name);
    expect(new Set(names).size).toBe(names.length);
    expect(ids.length).toBe(names.length);
  });
});

describe("a classes file", () => {
  it("may leave the background out, be in any order, and hold spaces, comments and other separators", () => {
    const path = scratch.write("c.txt", "\uFEFF# mine\r\n7 traffic light\r\n\r\n2: cat\r\n3,dog\n");
    expect(loadClasses(path)).toEqual({ ids: [0, 2, 3, 7], names: ["background", "cat", "dog", "traffic light"] });
    expect(parseClasses("0 void\n1 cat", "c").names).toEqual(["void", "cat"]);
  });

  it.each([
    ["cat\n", 'expected `id name` for c.txt, line 1, got "cat"'],
    ["1 cat\n1 dog", "expected ids that occur once for c.txt, line 2, got 1"],
    ["1 cat\n2 cat", 'expected names that occur once for c.txt, line 2, got "cat"'],
    ["255 cat", "expected an id in 0..254 (255 means not annotated) for c.txt, line 1, got 255"],
    ["0 background", "at least one class beside the background for c.txt"],
    ["", "at least one class beside the background for c.txt"],
  ])("is refused with its line: %j", (text, message) => {
    expect(() => parseClasses(text, "c.txt")).toThrow(message);
  });

  it("that does not exist is named", () => {
    expect(() => loadClasses(scratch.path("none.txt"))).toThrow(
      /cannot read .*none.txt: no such file; built in are voc/,
    );
    expect(() => loadClasses("vco")).toThrow('cannot read the class table vco: no such file; did you mean "voc"?');
  });
});

describe("subsetClasses", () => {
  it("keeps data set ids and the table's order", () => {
    const subset = subsetClasses(loadClasses("voc"), ["person", "cat", "dog"]);
    expect(subset).toEqual({ ids: [0, 8, 12, 15], names: ["background", "cat", "dog", "person"] });
  });

  it("refuses unknown, repeated and no names", () => {
    const voc = loadClasses("voc");
    expect(() => subsetClasses(voc, ["dgo"])).toThrow('unknown class "dgo" in the subset; did you mean "dog"?');
    expect(() => subsetClasses(voc, ["zebra"])).toThrow("known are aeroplane, bicycle,");
    expect(() => subsetClasses(voc, ["background"])).toThrow('unknown class "background"');
    expect(() => subsetClasses(voc, ["dog", "dog"])).toThrow("names that occur once");
    expect(() => subsetClasses(voc, [])).toThrow("at least one class");
  });
});

describe("tagIndex", () => {
  it("counts foreground classes from 0 and says where a tag is unknown", () => {
    const table = tableOf(["cat", "dog"]);
    expect(tagIndex(table, "cat", "t.csv, line 2")).toBe(0);
    expect(tagIndex(table, "dog", "t.csv, line 2")).toBe(1);
    expect(() => tagIndex(table, "Dog", "t.csv, line 2")).toThrow(
      't.csv, line 2: unknown tag "Dog"; did you mean "dog"?',
    );
    expect(() => tagIndex(table, "background", "t.csv, line 2")).toThrow(
      "leave the cell empty when no class is present",
    );
  });
});
