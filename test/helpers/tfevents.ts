/** A reader of TensorBoard's event files that shares nothing with the writer: checksums bit by bit, fields as they come. */

export interface ReadEvent {
  wallTime: number;
  step: number;
  version?: string;
  /** SessionLog.status; 1 = START. */
  session?: number;
  scalars: Record<string, number>;
}

/** Every event of a file. @throws where a length or a checksum is wrong, or a field is none that is expected */
export function readEvents(file: Uint8Array): ReadEvent[] {
  const bytes = Buffer.from(file);
  const events: ReadEvent[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at));
    check(bytes.subarray(at, at + 8), bytes.readUInt32LE(at + 8));
    const data = bytes.subarray(at + 12, at + 12 + length);
    check(data, bytes.readUInt32LE(at + 12 + length));
    events.push(eventOf(data));
    at += 16 + length;
  }
  return events;
}

/** What counts in the end where several processes wrote, one file each: a START drops what was said of its step and later ones. */
export function scalarsByStep(files: readonly Uint8Array[]): { step: number; scalars: Record<string, number> }[] {
  let kept: ReadEvent[] = [];
  for (const event of files.flatMap(readEvents)) {
    if (event.session === 1) kept = kept.filter(({ step }) => step < event.step);
    else if (event.version === undefined) kept.push(event);
  }
  return kept.map(({ step, scalars }) => ({ step, scalars }));
}

function check(data: Uint8Array, masked: number): void {
  const turned = (masked - 0xa282ead8) >>> 0;
  const crc = ((turned << 15) | (turned >>> 17)) >>> 0;
  if (crc !== bitwiseCrc32c(data)) throw new Error(`a checksum is ${crc}, not ${bitwiseCrc32c(data)}`);
}

/** By the definition: long division over single bits. */
export function bitwiseCrc32c(data: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of data) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc % 2n === 1n ? (crc / 2n) ^ 0x82f63b78n : crc / 2n;
  }
  return Number(crc ^ 0xffffffffn);
}

type Field = { field: number; wire: number; bytes: Buffer; value: number };

function fieldsOf(data: Buffer): Field[] {
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = data[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  const fields: Field[] = [];
  while (at < data.length) {
    const key = varint();
    const [field, wire] = [key >> 3, key & 7];
    if (wire === 0) {
      fields.push({ field, wire, bytes: data, value: varint() });
      continue;
    }
    const size = { 1: () => 8, 2: varint, 5: () => 4 }[wire]!();
    fields.push({ field, wire, bytes: data.subarray(at, at + size), value: Number.NaN });
    at += size;
  }
  return fields;
}

function eventOf(data: Buffer): ReadEvent {
  const event: ReadEvent = { wallTime: Number.NaN, step: 0, scalars: {} };
  for (const { field, wire, bytes, value } of fieldsOf(data)) {
    const kind = `${field}:${wire}`;
    if (kind === "1:1") event.wallTime = bytes.readDoubleLE();
    else if (kind === "2:0") event.step = value;
    else if (kind === "3:2") event.version = bytes.toString();
    else if (kind === "7:2") event.session = fieldsOf(bytes).find(({ field }) => field === 1)!.value;
    else if (kind === "5:2") for (const entry of fieldsOf(bytes)) Object.assign(event.scalars, scalarOf(entry.bytes));
    else throw new Error(`an event has field ${kind}`);
  }
  return event;
}

function scalarOf(data: Buffer): Record<string, number> {
  const fields = fieldsOf(data);
  const tag = fields.find(({ field, wire }) => field === 1 && wire === 2)!.bytes.toString();
  return { [tag]: fields.find(({ field, wire }) => field === 2 && wire === 5)!.bytes.readFloatLE() };
}
