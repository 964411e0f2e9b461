/** The command lines of `npm run bench` and of the benchmarks that it starts. */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { deviceName } from "../../src/cli/device.ts";
import { suggestion } from "../../src/did-you-mean.ts";
import { CsrmError, expected, messageOf } from "../../src/errors.ts";

export interface SuiteOptions {
  /** Benchmarks to run; all of the suite without any. */
  names: string[];
  /** File that gets the results. */
  json: string | null;
  /** A file of results that are shown or written to the docs instead of measuring. */
  from: string | null;
  writeDocs: boolean;
  help: boolean;
  device: string;
  quick: boolean;
  /** Options of single benchmarks, as they were given. */
  rest: string[];
}

/**
 * Reads the command line of `npm run bench`. Options it does not know go to the benchmarks, which know theirs, and must therefore be
 * written with "=".
 * @param known names of the benchmarks there are
 * @throws CsrmError naming what cannot be understood
 */
export function parseSuite(argv: readonly string[], known: readonly string[]): SuiteOptions {
  const own = ["--json", "--from", "--write-docs", "--help", "--device", "--quick"];
  const isOwn = (argument: string) => !argument.startsWith("--") || own.includes(argument.split("=")[0]!);
  const rest = argv.filter((argument) => !isOwn(argument));
  const { values, positionals: names } = parsed(() =>
    parseArgs({
      args: argv.filter(isOwn),
      options: {
        json: { type: "string" },
        from: { type: "string" },
        "write-docs": { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
        device: { type: "string", default: "cpu" },
        quick: { type: "boolean", default: false },
      },
      allowPositionals: true,
    }),
  );
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    const list = `expected one of ${known.join(", ")} for the benchmark, got ${unknown}`;
    throw usage(list + suggestion(unknown, known));
  }
  if (rest.length > 0 && names.length === 0) {
    throw usage(`${rest[0]} belongs to a single benchmark; name it: npm run bench -- NAME ${rest[0]}`);
  }
  const { json = null, from = null, "write-docs": writeDocs, help, quick } = values;
  const part = names.length > 0 || quick;
  if (writeDocs && part) throw usage("--write-docs is for the whole suite: leave out names and --quick");
  if (from !== null && part) throw usage("--from shows what was measured before: leave out names and --quick");
  return { names, rest, json, from, writeDocs, help, quick, device: checkedDevice(values.device) };
}

/** What every benchmark is told. */
export interface CaseOptions {
  device: string;
  /** Threads of libtorch, csrm's and the peer's: two where there are two, so that figures of larger machines can be compared. */
  threads: number;
  quick: boolean;
  /** Timed rounds; null: as many as the benchmark thinks right. */
  rounds: number | null;
}

/**
 * Reads a benchmark's own command line: the options of all benchmarks and `defaults`, whose values say what type each has.
 * @throws CsrmError naming an unknown option or a value that is no number where one is wanted
 */
export function parseCase<Defaults extends Record<string, string | number>>(
  defaults: Defaults,
  argv: readonly string[] = process.argv.slice(2),
): CaseOptions & { [Key in keyof Defaults]: Defaults[Key] extends number ? number : string } {
  const names = [...Object.keys(defaults), "device", "threads", "rounds"];
  const text = Object.fromEntries(names.map((name) => [name, { type: "string" as const }]));
  const flag = { type: "boolean", default: false } as const;
  const { values } = parsed(() => parseArgs({ args: [...argv], options: { ...text, quick: flag, json: flag } }));
  const given = values as Record<string, string | boolean | undefined>;
  const number = (name: string): number | null => {
    const text = given[name] as string | undefined;
    if (text === undefined) return null;
    const value = Number(text);
    if (Number.isInteger(value) && value > 0) return value;
    throw expected("a whole number above 0", `--${name}`, text);
  };
  const own = Object.entries(defaults).map(([name, value]) => [
    name,
    typeof value === "number" ? (number(name) ?? value) : (given[name] ?? value),
  ]);
  const device = checkedDevice((given.device as string | undefined) ?? "cpu");
  const threads =
    number("threads") ?? (device === "cpu" ? Math.min(2, availableParallelism()) : availableParallelism());
  const common: CaseOptions = { device, threads, quick: given.quick === true, rounds: number("rounds") };
  return { ...(Object.fromEntries(own) as ReturnType<typeof parseCase<Defaults>>), ...common };
}

/** How many timed rounds: as asked, or as many as a figure needs; two where only the way is tried. */
export function roundsOf({ rounds, quick }: CaseOptions, usual: number): number {
  return rounds ?? (quick ? 2 : usual);
}

function checkedDevice(name: string): string {
  try {
    return deviceName(name);
  } catch {
    throw expected("cpu, cuda or cuda:N", "--device", name);
  }
}

function usage(message: string, cause?: unknown): CsrmError {
  return new CsrmError(message, { code: "usage", cause });
}

/** Runs Node's parser, whose complaints become ours. */
function parsed<Result>(parser: () => Result): Result {
  try {
    return parser();
  } catch (error) {
    throw usage(messageOf(error), error);
  }
}
