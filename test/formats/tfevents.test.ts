import { describe, expect, it } from "vitest";
import { crc32c, scalarsRecord, sessionStartRecord, versionRecord } from "../../src/formats/tfevents.ts";
import { bitwiseCrc32c, readEvents } from "../helpers/tfevents.ts";

describe("the checksum of event files", () => {
  it.each([
    // RFC 3720, appendix B.4, and the check value of CRC-32C.
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 times 255", new Uint8Array(32).fill(255), 0x62a8ab43],
    ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ["123456789", Buffer.from("123456789"), 0xe3069283],
    ["nothing", new Uint8Array(), 0],
  ])("is that of the standard for %s", (_, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc);
    expect(bitwiseCrc32c(bytes)).toBe(crc);
  });
});

describe("event records", () => {
  it("have the bytes that TensorBoard's own writer makes", () => {
    // RecordWriter of tensorboard 2.21 on messages of its event_pb2.
    const written = [
      "1800000000000000a37f4b2209000000000000f83f1a0d627261696e2e4576656e743a322a28646c",
      "0f000000000000006d532b0909000000000000004010653a020801272a1bcc",
      "2e00000000000000c5cb57fa090000000000000a4010ac022a200a110a0a6c6f737365732f733263150000003f0a0b0a046e6f726d15000000c0d495b9ff",
    ];
    const scalars = new Map([
      ["losses/s2c", 0.5],
      ["norm", -2],
    ]);
    const ours = [
      versionRecord(1.5),
      sessionStartRecord({ wallTime: 2, step: 101 }),
      scalarsRecord({ wallTime: 3.25, step: 300 }, scalars),
    ];
    expect(ours.map((record) => Buffer.from(record).toString("hex"))).toEqual(written);
  });

  it("carry time, step and every number, steps beyond 32 bits included", () => {
    const time = { wallTime: 1_700_000_000.25, step: 5_000_000_000 };
    const scalars = new Map([
      ["losses/s2c", 0.1],
      ["norm", Number.POSITIVE_INFINITY],
      ["größe", -3e-20],
    ]);
    const [event, ...more] = readEvents(scalarsRecord(time, scalars));
    expect(more).toEqual([]);
    const rounded = Object.fromEntries([...scalars].map(([tag, value]) => [tag, Math.fround(value)]));
    expect(event).toEqual({ ...time, scalars: rounded });
  });

  it("tell of a session's start at a step", () => {
    expect(readEvents(sessionStartRecord({ wallTime: 2, step: 101 }))).toEqual([
      { wallTime: 2, step: 101, session: 1, scalars: {} },
    ]);
  });

  it("are refused by a reader when a bit of them is another", () => {
    const record = scalarsRecord({ wallTime: 1, step: 1 }, [["a", 1]]);
    for (let i = 0; i < record.length; i++) {
      const damaged = Uint8Array.from(record);
      damaged[i]! ^= 4;
      expect(() => readEvents(damaged), `byte ${i}`).toThrow();
    }
  });
});
