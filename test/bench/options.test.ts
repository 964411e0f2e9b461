import { describe, expect, it } from "vitest";
import { parseCase, parseSuite, roundsOf } from "../../bench/lib/options.ts";

const known = ["operator", "step"];

describe("npm run bench", () => {
  it("runs everything on the CPU unless told otherwise", () => {
    expect(parseSuite([], known)).toEqual({
      ...{ names: [], rest: [], json: null, from: null, writeDocs: false, help: false, quick: false, device: "cpu" },
    });
  });

  it("takes names, its own options with a space or =, and keeps a benchmark's for that", () => {
    const options = parseSuite(["step", "--device=cuda:1", "--size=512", "--json", "out.json", "--quick"], known);
    expect(options).toMatchObject({
      names: ["step"],
      device: "cuda:1",
      rest: ["--size=512"],
      json: "out.json",
      quick: true,
    });
  });

  it.each([
    [["stepp"], 'expected one of operator, step for the benchmark, got stepp; did you mean "step"?'],
    [["--size=512"], "--size=512 belongs to a single benchmark"],
    [["--json"], "json"],
    [["--device=tpu"], "expected cpu, cuda or cuda:N for --device"],
    [["step", "--write-docs"], "--write-docs is for the whole suite"],
    [["--quick", "--write-docs"], "--write-docs is for the whole suite"],
    [["step", "--from=a.json"], "--from shows what was measured before"],
  ])("refuses %j", (argv, message) => {
    expect(() => parseSuite(argv, known)).toThrow(message);
  });
});

describe("a benchmark's command line", () => {
  it("has the benchmark's options beside those of all", () => {
    const options = parseCase({ backbone: "resnest50", size: 256 }, [
      "--size=64",
      "--rounds=3",
      "--threads=1",
      "--quick",
    ]);
    expect(options).toEqual({ backbone: "resnest50", size: 64, rounds: 3, threads: 1, quick: true, device: "cpu" });
  });

  it("names an option it does not know, and a value that is no number", () => {
    expect(() => parseCase({}, ["--size=64"])).toThrow("--size");
    expect(() => parseCase({ size: 1 }, ["--size=big"])).toThrow(
      'expected a whole number above 0 for --size, got "big"',
    );
    expect(() => parseCase({}, ["--rounds=0"])).toThrow("--rounds");
  });

  it("decides over the rounds by what was asked, then by --quick", () => {
    expect(roundsOf(parseCase({}, []), 7)).toBe(7);
    expect(roundsOf(parseCase({}, ["--quick"]), 7)).toBe(2);
    expect(roundsOf(parseCase({}, ["--quick", "--rounds=5"]), 7)).toBe(5);
  });
});
