/** Progress that somebody beside the terminal follows, such as a page that is written anew now and then. */
import { Pace, type Progress } from "./progress.ts";

/** How far the task is that was heard of last. */
export interface TaskState {
  label: string;
  /** What is counted, e.g. "steps". */
  unit: string;
  done: number;
  total: number;
  /** Units a second over the last half minute, and seconds to the task's end at that rate; null before there is anything to tell from. */
  rate: number | null;
  secondsLeft: number | null;
}

/** The same progress, and `listener` is told of every unit: it should look at the clock before it does anything long. */
export function observed(
  progress: Progress,
  listener: (state: TaskState) => void,
  now: () => number = () => performance.now(),
): Progress {
  return {
    note: (text) => progress.note(text),
    task(options) {
      const { label, total, unit = "steps" } = options;
      const shown = progress.task(options);
      const pace = new Pace(options, now());
      return {
        update(done, extras) {
          shown.update(done, extras);
          pace.record(done, now());
          listener({ label, unit, done, total, rate: pace.rate, secondsLeft: pace.secondsLeft });
        },
        finish: () => shown.finish(),
        [Symbol.dispose]: () => shown.finish(),
      };
    },
  };
}
