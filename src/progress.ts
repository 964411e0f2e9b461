/** Progress of long work: a bar with rate and time left on a terminal, a plain line now and then elsewhere. Always beside the output proper. */

/** Where progress goes, process.stderr by default. */
export interface ProgressStream {
  write(text: string): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface ProgressOptions {
  stream?: ProgressStream;
  /** Milliseconds of a clock that never runs backwards. */
  now?: () => number;
  env?: Readonly<Record<string, string | undefined>>;
  /** Seconds between plain lines where there is no terminal. */
  plainInterval?: number;
}

export interface TaskOptions {
  label: string;
  total: number;
  /** Units that were done before, e.g. the step that training goes on from; they do not count for the rate. */
  initial?: number;
  /** What is counted: "step", "image"; the plural will do too. */
  unit?: string;
}

/** Figures shown behind the bar, e.g. {loss: 0.51}; numbers with three significant digits. */
export type Extras = Readonly<Record<string, number | string>>;

export interface Task {
  /** Says how many units are done so far. Cheap: at most ten times a second something is written. */
  update(done: number, shown?: { extras?: Extras }): void;
  /** Ends the task with a last line, also when it stopped early. Calling it again does nothing. */
  finish(): void;
  [Symbol.dispose](): void;
}

export interface Progress {
  task(options: TaskOptions): Task;
  /** A line for the reader that does not break the bar. */
  note(text: string): void;
}

const FRAME = 100;
const CLEAR_LINE = "\r\x1b[K";
/** The rate is taken over this many milliseconds, so that a slow start is soon forgotten. */
const RATE_WINDOW = 30_000;

/** Progress on a stream. On a terminal there is one bar at a time: that of the task begun last. */
export function createProgress(options: ProgressOptions = {}): Progress {
  const { stream = process.stderr, now = () => performance.now(), env = process.env, plainInterval = 10 } = options;
  const terminal = stream.isTTY === true && !env.CI && env.TERM !== "dumb";
  let bar: string | null = null;
  const note = (text: string) => {
    stream.write(bar === null ? `${text}\n` : `${CLEAR_LINE}${text}\n${bar}`);
  };
  const drawBar = (line: string) => {
    bar = line;
    stream.write(CLEAR_LINE + line);
  };
  const endBar = (line: string) => {
    bar = null;
    stream.write(terminal ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
  };

  return {
    note,
    task(taskOptions) {
      const state = new Pace(taskOptions, now());
      let extras: Extras = {};
      let lastShown = now();
      let finished = false;
      const finish = () => {
        if (finished) return;
        finished = true;
        endBar(summaryLine(taskOptions, state, now(), extras));
      };
      return {
        update(done, shown = {}) {
          if (finished) return;
          const time = now();
          state.record(done, time);
          extras = shown.extras ?? extras;
          const interval = terminal ? FRAME : plainInterval * 1000;
          if (time - lastShown < interval) return;
          lastShown = time;
          if (terminal) drawBar(barLine(taskOptions, state, extras, stream.columns ?? 80));
          else stream.write(`${plainLine(taskOptions, state, extras)}\n`);
        },
        finish,
        [Symbol.dispose]: finish,
      };
    },
  };
}

/** For callers that want none. */
export const silentProgress: Progress = {
  note() {},
  task: () => ({ update() {}, finish() {}, [Symbol.dispose]() {} }),
};

/** How much is done and how fast it goes. */
export class Pace {
  done: number;
  readonly started: number;
  readonly #initial: number;
  readonly #total: number;
  readonly #marks: { done: number; time: number }[];

  constructor({ total, initial = 0 }: TaskOptions, time: number) {
    this.done = initial;
    this.started = time;
    this.#initial = initial;
    this.#total = total;
    this.#marks = [{ done: initial, time }];
  }

  record(done: number, time: number): void {
    this.done = done;
    const last = this.#marks.at(-1)!;
    // One mark a frame is enough and keeps the list short however often update is called.
    if (time - last.time >= FRAME) this.#marks.push({ done, time });
    while (this.#marks.length > 2 && time - this.#marks[1]!.time > RATE_WINDOW) this.#marks.shift();
  }

  get fraction(): number {
    return this.#total > 0 ? Math.min(1, this.done / this.#total) : 1;
  }

  /** Units a second over the last half minute; null before there is anything to tell from. */
  get rate(): number | null {
    const [first, last] = [this.#marks[0]!, this.#marks.at(-1)!];
    return last.time > first.time && last.done > first.done
      ? ((last.done - first.done) / (last.time - first.time)) * 1000
      : null;
  }

  get secondsLeft(): number | null {
    const { rate } = this;
    return rate === null ? null : Math.max(0, this.#total - this.done) / rate;
  }

  /** Units a second over the whole task. */
  overallRate(time: number): number | null {
    const units = this.done - this.#initial;
    return units > 0 && time > this.started ? (units / (time - this.started)) * 1000 : null;
  }
}

function barLine(task: TaskOptions, pace: Pace, extras: Extras, columns: number): string {
  const figures = figureParts(task, pace, extras).join("  ");
  // One column stays free: a line that fills the terminal wraps on some and could not be cleared.
  const room = columns - 1 - task.label.length - figures.length - 4;
  const width = Math.min(30, room - 2);
  const filled = Math.round(pace.fraction * width);
  const bar = width >= 5 ? `  [${"#".repeat(filled)}${"-".repeat(width - filled)}]` : "";
  return `${task.label}${bar}  ${figures}`.slice(0, columns - 1);
}

function plainLine(task: TaskOptions, pace: Pace, extras: Extras): string {
  return `${task.label}  ${figureParts(task, pace, extras).join("  ")}`;
}

function figureParts(task: TaskOptions, pace: Pace, extras: Extras): string[] {
  const left = pace.secondsLeft;
  return [
    `${pace.done}/${task.total}`,
    `${Math.floor(pace.fraction * 100)}%`,
    ...(pace.rate === null ? [] : [rateText(pace.rate, task.unit)]),
    ...(left === null ? [] : [`${duration(left)} left`]),
    ...extraParts(extras),
  ];
}

function summaryLine(task: TaskOptions, pace: Pace, time: number, extras: Extras): string {
  const rate = pace.overallRate(time);
  const parts = [
    `${pace.done}/${task.total}`,
    `in ${duration((time - pace.started) / 1000)}`,
    ...(rate === null ? [] : [rateText(rate, task.unit)]),
    ...extraParts(extras),
  ];
  return `${task.label}  ${parts.join("  ")}`;
}

function extraParts(extras: Extras): string[] {
  return Object.entries(extras).map(
    ([name, value]) => `${name} ${typeof value === "number" ? significant(value) : value}`,
  );
}

/** "12.5 images/s", or "1.04 s/image" for slow work. */
export function rateText(rate: number, unit = "step"): string {
  const one = unit.replace(/s$/, "");
  return rate >= 1 ? `${significant(rate)} ${one}s/s` : `${significant(1 / rate)} s/${one}`;
}

function significant(value: number): string {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  const text = value.toPrecision(3);
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : text;
}

/** Seconds as "8 s", "3:07" or "1:02:05". */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (value: number) => String(value).padStart(2, "0");
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
