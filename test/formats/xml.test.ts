import { expect, it } from "vitest";
import { xmlTags } from "../../src/formats/xml.ts";

const tags = (text: string) => [...xmlTags(text, "x.xml")];

it("yields tags with attributes, the elements around them and their line", () => {
  const text = `<?xml version="1.0"?><!DOCTYPE annotations>
<annotations><!-- <image/> -->
  <image name='a &amp; "b".jpg' note="x > y">
    <tag label="R&#38;D&#x21;&unknown;"/><![CDATA[<box/>]]>
  </image >
</annotations>`;
  const short = tags(text).map(({ kind, name, path, line }) => [kind, name, path.join("/"), line]);
  expect(short).toEqual([
    ["open", "annotations", "", 2],
    ["open", "image", "annotations", 3],
    ["empty", "tag", "annotations/image", 4],
    ["close", "image", "annotations", 5],
    ["close", "annotations", "", 6],
  ]);
  expect(Object.fromEntries(tags(text)[1]!.attributes)).toEqual({ name: 'a & "b".jpg', note: "x > y" });
  expect(tags(text)[2]!.attributes.get("label")).toBe("R&D!&unknown;");
});

it.each([
  ["<a>\n<b>", "line 2: the text is cut off before </b>"],
  ["<a>\n\n</b>", "line 3: </b> ends what is not open"],
  ["</a>", "line 1: </a> ends what is not open"],
  ['<a b="c>', 'line 1: no tag begins with "<a b=\\"c>"'],
  ["<a>\n<b c=d/></a>", "line 2: no tag begins with"],
  ["<a>1 < 2</a>", "line 1: no tag begins with"],
  ["<a><!-- </a>", "line 1: <!-- is never closed by -->"],
  ["<a>".repeat(101), "line 1: elements lie more than 100 deep"],
  ['<!DOCTYPE a [<!ENTITY c "cat">]>\n<a b="&c;"/>', "line 1: its document type declares entities, which are not read"],
  ['<a></a b="c">', "line 1: no tag begins with"],
])("names the line where %j is no XML", (text, message) => {
  expect(() => tags(text)).toThrow(`cannot read x.xml as XML: ${message}`);
});

it("passes over a document type that declares elements only", () => {
  expect(tags("<!DOCTYPE a [<!ELEMENT a ANY>]>\n<a/>").map(({ name }) => name)).toEqual(["a"]);
});

it("takes time in proportion to the text, however it is made", () => {
  const started = performance.now();
  for (const piece of ["<a>", "<a ", "<!--", "<", '<a b="', "&amp", "<a b='' "]) {
    try {
      tags(piece.repeat(200_000));
    } catch {
      // Most of these are no XML; only the time counts.
    }
  }
  expect(performance.now() - started).toBeLessThan(10_000);
});
