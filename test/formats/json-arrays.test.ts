import { describe, expect, it } from "vitest";
import { JsonArrays } from "../../src/formats/json-arrays.ts";
import { readDamaged } from "../helpers/damage.ts";

const text = JSON.stringify({
  info: { annotations: [{ not: "this" }], text: 'a "quoted" \\ ]}', numbers: [[1], 2] },
  images: [
    { id: 1, file_name: 'ä{["\\.jpg' },
    { id: 2, nested: { deep: [{}, [{ x: [] }]] } },
  ],
  licenses: [1, "two", {}],
  empty: [],
  annotations: [{ id: 7 }],
});
const keys = ["images", "annotations", "empty"];

/** Reads a text in pieces of `size` bytes. */
function readIn(size: number, bytes: Uint8Array = Buffer.from(text), maxItemBytes?: number) {
  const reader = new JsonArrays({ name: "x.json", keys, maxItemBytes });
  const items: { key: string; value: unknown; offset: number }[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    for (const { key, offset, bytes: item } of reader.push(bytes.subarray(at, at + size))) {
      expect(Buffer.compare(item, bytes.subarray(offset, offset + item.length))).toBe(0);
      items.push({ key, offset, value: JSON.parse(Buffer.from(item).toString("utf8")) });
    }
  }
  reader.end();
  return items;
}

describe("JsonArrays", () => {
  it.each([1, 2, 3, 7, 64, 10_000])("finds the objects of wanted arrays in pieces of %i bytes", (size) => {
    const { images, annotations } = JSON.parse(text) as Record<string, unknown[]>;
    expect(readIn(size).map(({ key, value }) => [key, value])).toEqual([
      ["images", images![0]],
      ["images", images![1]],
      ["annotations", annotations![0]],
    ]);
  });

  it("reads indented text behind a byte order mark", () => {
    const indented = Buffer.from(`\uFEFF${JSON.stringify(JSON.parse(text), null, 2)}\n`);
    expect(readIn(5, indented).length).toBe(3);
  });

  it.each([
    ["", "it is empty"],
    ["[]", "it is no JSON object"],
    ['"images"', "it is no JSON object"],
    ["{} {}", "it is no JSON object"],
    ['{"images": [{"id": 1}, 5]}', 'the array "images" holds other things than objects'],
    ['{"images": ["x"]}', 'the array "images" holds other things than objects'],
    ['{"images": [[{}]]}', 'the array "images" holds other things than objects'],
    ['{"images": [{"id": 1}', "it is cut off after 21 bytes"],
    ['{"images": [], "empty": []}', 'it has no array "annotations"'],
    [`{"images": [{"a": "${"x".repeat(100)}"}]}`, 'an object in "images" is larger than 60 bytes'],
  ])("says what is wrong with %s", (wrong, message) => {
    expect(() => readIn(50, Buffer.from(wrong), 60)).toThrow(`cannot read x.json as JSON: ${message}`);
  });

  it("answers every cut with a named error", () => {
    const { crashes, refused, prefixes } = readDamaged(Buffer.from(text), (bytes) => {
      const reader = new JsonArrays({ name: "x.json", keys });
      for (const _ of reader.push(bytes));
      reader.end();
    });
    expect(crashes).toEqual([]);
    expect(refused).toBeGreaterThanOrEqual(prefixes);
  });
});
