import { describe, expect, it } from "vitest";
import { numberIn, numbersIn } from "../../src/cli/arguments.ts";

describe("numbers on the command line", () => {
  const scales = numbersIn({ least: 0, open: true });

  it("come as a list, with or without the brackets that help shows", () => {
    for (const text of ["0.75,1,1.25", "[0.75, 1, 1.25]"]) expect(scales(text)).toEqual([0.75, 1, 1.25]);
  });

  it.each(["", "1,", "1,x", "0", "-1", "Infinity", "[1", "1]"])("are refused with their range: %j", (text) => {
    expect(() => scales(text)).toThrow("Expected a number above 0.");
  });

  it("hold to both ends of a range", () => {
    const fraction = numberIn({ least: 0, most: 1 });
    expect(["0", "1", "0.5"].map(fraction)).toEqual([0, 1, 0.5]);
    expect(() => fraction("1.01")).toThrow("Expected a number of at least 0 and of at most 1.");
  });

  it("are whole where only those make sense", () => {
    const count = numberIn({ least: 1, whole: true });
    expect(count("12")).toBe(12);
    expect(() => count("1.5")).toThrow("Expected a whole number of at least 1.");
  });
});
