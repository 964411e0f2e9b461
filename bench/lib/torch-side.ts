/** csrm's side of the network benchmark in a process of its own, so that its peak memory is one case's: requests as bench/peer.py's. */
import { createInterface } from "node:readline";
import { createBackbone } from "../../src/models/registry.ts";
import { autocast, liveTensors, randn, scope, setThreads } from "../../src/torch/index.ts";
import { finish } from "./finish.ts";

interface Request {
  do: "threads" | "prepare_network" | "run_network" | "memory";
  threads: number;
  network: string;
  images: number;
  size: number;
  bf16: boolean;
  channels_last: boolean;
  device: string;
}

let run = (): number => 0;

const actions: Record<Request["do"], (request: Request) => object> = {
  threads: ({ threads }) => ({ threads: setThreads(threads) }),
  // Keeps nothing but its network and its images, so that later counts tell what a run leaves behind.
  prepare_network(request) {
    const { network, images, size, device } = request;
    const memoryFormat = request.channels_last ? "channels_last" : "contiguous";
    const outputStride = network.startsWith("resnest") ? 16 : 32;
    const model = createBackbone(network, { outputStride, classes: 1000 });
    model.train();
    model.to({ device, memoryFormat });
    const input = scope(() => randn([images, 3, size, size]).to({ device }).contiguous(memoryFormat));
    run = () => {
      finish(device);
      const start = performance.now();
      scope(() => {
        const loss = autocast({ enabled: request.bf16, dtype: "bfloat16", device }, () =>
          model.classify(model.forward(input).high).sum(),
        );
        loss.backward();
      });
      for (const parameter of model.parameters()) parameter.grad = null;
      finish(device);
      return (performance.now() - start) / 1000;
    };
    run();
    return {
      parameters: [...model.parameters()].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    };
  },
  run_network: () => ({ seconds: run(), live: liveTensors() }),
  memory: () => ({ peak_mib: process.resourceUsage().maxRSS / 1024, live: liveTensors() }),
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as Request;
  console.log(JSON.stringify(actions[request.do](request)));
}
