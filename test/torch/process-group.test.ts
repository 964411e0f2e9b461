/** A group of one process on every device: what Gloo and NCCL must do whatever the number. Several processes are test/training's. */
import { afterAll, beforeAll, expect, it } from "vitest";
import {
  F,
  joinProcesses,
  type ProcessGroup,
  processGroupBackends,
  randn,
  type Tensor,
  tensor,
} from "../../src/torch/index.ts";
import { devices } from "../helpers/devices.ts";
import { freePort } from "../helpers/together.ts";

const backends = processGroupBackends();
/** What there are process groups for depends on the libtorch and on headers, but who names the devices wants them all. */
const usable = devices.filter((device) => backends.includes(device === "cpu" ? "gloo" : "nccl"));
const gpu = usable.find((device) => device !== "cpu");

let group: ProcessGroup;
beforeAll(async () => {
  if (usable.length === 0) return;
  const master = { address: "127.0.0.1", port: await freePort() };
  const place = gpu === undefined ? {} : { gpu: Number(gpu.split(":")[1] ?? 0) };
  group = await joinProcesses({ rank: 0, size: 1, master, joinSeconds: 60, timeoutSeconds: 60, ...place });
});
afterAll(() => group?.leave());

it.runIf(process.env.CSRM_TEST_DEVICES)("GPUs have NCCL", () => {
  const named = devices.some((device) => device !== "cpu");
  expect(backends.includes("nccl")).toBe(named);
});

it.each(usable)("sums, gathers, broadcasts and takes the maximum on %s", (device) => {
  const x = tensor([[1, -2, 3]]).to({ device });
  expect(group.sum(x).toArray()).toEqual([1, -2, 3]);
  expect(group.gather(x).map((part) => [part.device, part.shape, part.toArray()])).toEqual([
    [x.device, [1, 3], [1, -2, 3]],
  ]);
  expect(group.exchange({ rank: 0 })).toEqual([{ rank: 0 }]);
  group.broadcast([x]);
  expect(x.toArray()).toEqual([1, -2, 3]);
  const leaf = tensor([1, 5, 2]).to({ device }).requiresGrad_(true);
  const most = group.max(leaf);
  expect(most.item()).toBe(5);
  most.backward();
  expect(leaf.grad!.toArray()).toEqual([0, 1, 0]);
});

it.each(usable)("sums gradients in buckets on %s, and leaves those alone that nothing reached", (device) => {
  const network = {};
  const values = [randn([300, 400]), randn([400, 400]), randn([7])].map((value) => value.to({ device }));
  const leaves = () => values.map((value) => value.clone().requiresGrad_(true)) as [Tensor, Tensor, Tensor];
  const [weights, alone] = [leaves(), leaves()];
  const loss = ([first, second]: readonly Tensor[]) => F.relu(first!.matmul(second!)).mean();
  loss(alone).backward();
  group.watch(new Map([[network, weights]]));
  group.backward(loss(weights), network);
  for (const i of [0, 1]) expect(weights[i]!.grad!.sub(alone[i]!.grad!).abs().max().item()).toBeLessThan(1e-6);
  expect(weights[2].grad).toBeNull();
  group.watch(new Map());
});
