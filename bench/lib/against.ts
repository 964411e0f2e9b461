/** One row's numbers: csrm and its peer in turn, after one run of each to warm up. */
import { inTurn, ratioOf, timingOf } from "../measure.ts";
import type { Row } from "./result.ts";

type Side = () => number | Promise<number>;

/** @param peer the other side, or text that says why there is none; both sides give seconds */
export async function against(rounds: number, own: Side, peer: Side | string): Promise<Omit<Row, "what">> {
  await own();
  if (typeof peer === "string") {
    const alone = await inTurn(rounds, { own });
    return { value: timingOf(alone.own), peer };
  }
  await peer();
  const both = await inTurn(rounds, { own, peer });
  return { value: timingOf(both.own), peer: timingOf(both.peer), ratio: ratioOf(both.own, both.peer) };
}
