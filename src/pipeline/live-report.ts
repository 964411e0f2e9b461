/** report.html while its run is at work, and once more when the work ends, however it does. */
import { messageOf } from "../errors.ts";
import { observed } from "../observed-progress.ts";
import type { Progress } from "../progress.ts";
import { buildReport, writeLiveReport } from "../report/build.ts";
import type { Run } from "../run-folder.ts";
import { processes } from "../torch/index.ts";

export interface LiveReportOptions {
  /** Seconds between two pages (default 30). */
  every?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/**
 * Does work in a run folder. Meanwhile a page without pictures follows it; in the end comes the whole report, which stays as it is. A live
 * page that cannot be written is said once and harms nothing.
 * @throws what the work throws; CsrmError when it succeeded and its report cannot be written
 */
export async function withLiveReport<Result>(
  run: Pick<Run, "path">,
  progress: Progress,
  work: (progress: Progress) => Promise<Result>,
  { every = 30, now = Date.now }: LiveReportOptions = {},
): Promise<Result> {
  // The run's first process tells of it for all.
  if (processes().rank > 0) return work(progress);
  let next = Number.NEGATIVE_INFINITY;
  let complained = false;
  const complain = (error: unknown) => {
    if (!complained) progress.note(`the report is not up to date: ${messageOf(error)}`);
    complained = true;
  };
  const followed = observed(progress, (state) => {
    const time = now();
    if (time < next) return;
    next = time + every * 1000;
    try {
      writeLiveReport(run.path, { ...state, written: new Date(time), every });
    } catch (error) {
      complain(error);
    }
  });
  let result: Result;
  try {
    result = await work(followed);
  } catch (error) {
    // Where nothing was begun there is nothing to report.
    if (next > 0) await buildReport({ runDir: run.path }).catch(complain);
    throw error;
  }
  await buildReport({ runDir: run.path });
  return result;
}
