/**
 * TensorBoard's event files: records framed as TFRecord (length, checksum, bytes, checksum), each an Event message of protocol buffers with
 * the fields of tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto.
 */

/** What every event tells. */
export interface EventTime {
  /** Seconds since 1970, with fractions. */
  wallTime: number;
  /** A whole number from 0. */
  step: number;
}

/** The first record of a file: the version that readers look for. */
export function versionRecord(wallTime: number): Uint8Array {
  return frame(event({ wallTime, step: 0 }, bytesField(EVENT.fileVersion, Buffer.from("brain.Event:2"))));
}

/** Says that work began again at this step: TensorBoard drops what earlier files have of it and of later ones. */
export function sessionStartRecord(time: EventTime): Uint8Array {
  return frame(event(time, bytesField(EVENT.sessionLog, varintField(SESSION_LOG.status, SESSION_START))));
}

/** One number a tag, kept as float32; a slash in a tag groups charts. */
export function scalarsRecord(time: EventTime, scalars: Iterable<readonly [tag: string, value: number]>): Uint8Array {
  const values = [...scalars].map(([tag, value]) => {
    const fields = [bytesField(VALUE.tag, Buffer.from(tag)), floatField(VALUE.simpleValue, value)];
    return bytesField(SUMMARY.value, Buffer.concat(fields));
  });
  return frame(event(time, bytesField(EVENT.summary, Buffer.concat(values))));
}

const EVENT = { wallTime: 1, step: 2, fileVersion: 3, summary: 5, sessionLog: 7 } as const;
const SUMMARY = { value: 1 } as const;
const VALUE = { tag: 1, simpleValue: 2 } as const;
const SESSION_LOG = { status: 1 } as const;
const SESSION_START = 1;

/** Wire types of protocol buffers. */
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function event({ wallTime, step }: EventTime, what: Uint8Array): Uint8Array {
  const time = Buffer.alloc(8);
  time.writeDoubleLE(wallTime);
  // As protocol buffers have it, a field that is 0 is left out.
  const steps = step === 0 ? [] : [varintField(EVENT.step, step)];
  return Buffer.concat([key(EVENT.wallTime, FIXED64), time, ...steps, what]);
}

function key(field: number, wireType: number): Uint8Array {
  return varint(field * 8 + wireType);
}

function varintField(field: number, value: number): Uint8Array {
  return Buffer.concat([key(field, VARINT), varint(value)]);
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), bytes]);
}

function bytesField(field: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([key(field, BYTES), varint(bytes.length), bytes]);
}

/** Seven bits a byte, lowest first; divides, since steps may need more than the 32 bits of shifts. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Uint8Array.from([...bytes, rest]);
}

/** A TFRecord: uint64 length, masked CRC of the length, the bytes, masked CRC of the bytes; little-endian. */
function frame(data: Uint8Array): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeBigUInt64LE(BigInt(data.length));
  head.writeUInt32LE(maskedCrc(head.subarray(0, 8)), 8);
  const tail = Buffer.alloc(4);
  tail.writeUInt32LE(maskedCrc(data));
  return Buffer.concat([head, data, tail]);
}

/** Turned and shifted, so that the checksum of bytes that hold checksums stays a good one. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** Castagnoli's polynomial, bits reversed; zlib's crc32 has another one. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

/** CRC-32C of bytes, 0 … 2³² − 1. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return (crc ^ 0xffffffff) >>> 0;
}
