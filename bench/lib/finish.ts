/** A GPU works on while the processor goes ahead; reading one number waits for it. */
import { scope, zeros } from "../../src/torch/index.ts";

export function finish(device: string): void {
  if (device !== "cpu") scope(() => void zeros([1], { device }).item());
}
