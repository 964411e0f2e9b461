import { describe, expect, it } from "vitest";
import { unpickle } from "../../src/formats/pickle.ts";
import { PickleObject } from "../../src/formats/pickle-machine.ts";
import { NUMPY_GLOBALS } from "../../src/formats/pickle-numpy.ts";

const read = (text: string, options = {}) =>
  unpickle(Buffer.from(text, "latin1"), { name: "f.pkl", globals: NUMPY_GLOBALS, ...options });

it("refuses a pickle of millions of empty tables before they fill the memory", () => {
  const bytes = new Uint8Array(4_000_000).fill("}".charCodeAt(0));
  expect(() => unpickle(bytes, { name: "bomb.pkl", globals: {} })).toThrow(/bomb\.pkl: it builds more than 1500000/);
});

describe("unpickle", () => {
  it("refuses to call or even name anything that is not on the list", () => {
    for (const path of [
      "os\nsystem",
      "builtins\neval",
      "__builtin__\ngetattr",
      "numpy\nload",
      "builtins\n__import__",
    ]) {
      const dotted = path.replace("\n", ".");
      expect(() => read(`c${path}\n(S'echo'\ntR.`)).toThrow(
        `cannot read the pickle in f.pkl: it asks for the Python object "${dotted}"`,
      );
      const [module, name] = path.split("\n") as [string, string];
      const short = (text: string) => `\x8c${String.fromCharCode(text.length)}${text}`;
      expect(() => read(`\x80\x04${short(module)}${short(name)}\x93.`)).toThrow(`"${dotted}"`);
    }
  });

  it("does not mistake inherited names of JavaScript objects for allowed ones", () => {
    for (const path of ["constructor", "__proto__", "toString"]) {
      expect(() => unpickle(Buffer.from(`c${path}\n\n.`), { name: "f", globals: {} })).toThrow(
        "asks for the Python object",
      );
    }
    expect(() => read("cnumpy\nndarray\n)R.")).toThrow('"numpy.ndarray" may not be called');
  });

  it("refuses instructions that instantiate classes or reach outside", () => {
    expect(() => read("(ios\nsystem\n.")).toThrow("instruction 0x69 is not allowed");
    expect(() => read("\x82\x01.")).toThrow("instruction 0x82 is not allowed");
    expect(() => read("Pstorage\n.")).toThrow("it refers to data outside of it");
    expect(() => read("\x80\x05N.")).toThrow("protocol 5 is not supported");
  });

  it("says so when values, marks or memo entries are missing, or types do not fit", () => {
    for (const text of [
      ".",
      "(.",
      "t.",
      "s.",
      "}K\x01s.",
      "g5\n.",
      "h\x00.",
      "K\x01K\x02a.",
      "K\x01K\x02K\x03s.",
      "0.",
      "NR.",
    ]) {
      expect(() => read(text), JSON.stringify(text)).toThrow(/cannot read the pickle in f.pkl/);
    }
    expect(() => read("N}b.")).toThrow("sets the state of something that has none");
    expect(() => read("X\xff\xff\xff\xffabc.")).toThrow("it is cut off");
    expect(() => read("\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc.")).toThrow("it is cut off");
    expect(() => read("X\x01\x00\x00\x00\xff.")).toThrow("not valid UTF-8");
    expect(() => read("Iabc\n.")).toThrow('"abc" is not a whole number');
    expect(() => read("Fone\n.")).toThrow('"one" is not a number');
  });

  it("reads text forms: integers, truth, floats, escaped texts", () => {
    expect(
      read("(I01\nI00\nI-7\nL12345678901234567890L\nF-1.5e3\nFinf\nFnan\nS'a\\x41\\n\\''\nV\\u00e4\\U0001f600\nt."),
    ).toEqual([true, false, -7, 12345678901234567890n, -1500, Infinity, Number.NaN, "aA\n'", "ä😀"]);
  });

  it("keeps what is shared shared, also in cycles", () => {
    const list = read("]q\x00h\x00a.") as unknown[];
    expect(list[0]).toBe(list);
    const pair = read("]q\x00h\x00\x86.") as unknown[];
    expect(pair[0]).toBe(pair[1]);
  });

  it("reads ordered dictionaries, and drops attributes hung on them", () => {
    expect(read("ccollections\nOrderedDict\n)RK\x01K\x02s}K\x05K\x06sb.")).toEqual(new Map([[1, 2]]));
    expect(read("ccollections\nOrderedDict\n((lp0\n(I1\nI2\nlp1\natR.")).toEqual(new Map([[1, 2]]));
  });

  it("can be given more objects and a source of outside data, as a checkpoint reader needs", () => {
    class Parameter extends PickleObject {
      state: unknown = null;
      setState(state: unknown) {
        this.state = state;
      }
    }
    const globals = { ...NUMPY_GLOBALS, "torch.Parameter": { call: () => new Parameter() } };
    const persistentLoad = (id: unknown) => ({ storage: id });
    const value = read("ctorch\nParameter\n)R(K\x03K\x04tQb.", { globals, persistentLoad }) as Parameter;
    expect(value.state).toEqual({ storage: [3, 4] });
  });

  it("names the object whose rebuilding failed", () => {
    expect(() => read("cnumpy\ndtype\n(S'U5'\nI00\nI01\ntR.")).toThrow(
      '"numpy.dtype" cannot be rebuilt (the element type "U5" is not supported)',
    );
    expect(() => read("cnumpy.core.multiarray\n_reconstruct\n)RNb.")).toThrow("an array has no proper state");
  });
});
