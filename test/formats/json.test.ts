import { expect, it } from "vitest";
import { parseJson, repeatedKey } from "../../src/formats/json.ts";

it("reads what JSON.parse reads", () => {
  const text = ' {"a": [1, -2.5e3, true, null, "\\u00e4\\n"], "b": {}, "c": [], "d": [[{}]]}\r\n';
  expect(parseJson(text, "x.json")).toEqual(JSON.parse(text));
});

it.each([
  ["", "line 1, column 1: it is empty"],
  [" \n ", "line 2, column 2: it is empty"],
  ['{"a": ["cat"]', "line 1, column 14: the text ends too early"],
  ['{"a": "cat', "line 1, column 11: the text ends too early"],
  ['{\n  "a": ["cat",]\n}', "line 2, column 15: a comma stands before ]"],
  ['{"a": 1,\n}', "line 2, column 1: a comma stands before }"],
  ["{'a': 1}", "line 1, column 2: a single quote"],
  ['{"a" 1}', 'line 1, column 6: "1" cannot stand here'],
  ['{"a": 1 "b": 2}', 'line 1, column 9: "\\"" cannot stand here'],
  ["[1, x]", 'line 1, column 5: "x" cannot stand here'],
  ["[01]", 'line 1, column 3: "1" cannot stand here'],
  ["[1}", 'line 1, column 3: "}" cannot stand here'],
  ['{"a": }', 'line 1, column 7: "}" cannot stand here'],
  ["{1: 2}", 'line 1, column 2: "1" cannot stand here'],
  ["[1] 2", 'line 1, column 5: "2" cannot stand here'],
  ['["a\tb"]', 'line 1, column 4: "\\t" cannot stand here'],
  ['["a\\x"]', 'line 1, column 4: "\\\\" cannot stand here'],
  ["image,tags\na,cat\n", 'line 1, column 1: "i" cannot stand here'],
])("says where %j stops being JSON", (text, message) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(() => parseJson(text, "x.json")).toThrow(`cannot read x.json as JSON: ${message}`);
});

it("finds the fault behind long texts and deep lists as well", () => {
  expect(() => parseJson(`["${"x".repeat(3_000_000)}", ]`, "x.json")).toThrow("a comma stands before ]");
  const deep = "[".repeat(100_000);
  expect(() => parseJson(deep, "x.json")).toThrow("line 1, column 100001: the text ends too early");
});

it("finds a key that stands twice in the outermost object only", () => {
  expect(repeatedKey('{"a": {"b": 1, "b": 2}, "c": ["a", "a"],\n "d": "a"}')).toBeNull();
  expect(repeatedKey('{"a": {"b": 1},\n"b": 2,\n"a": 3}')).toEqual({ key: "a", line: 3 });
  expect(repeatedKey('["a", "a"]')).toBeNull();
});
