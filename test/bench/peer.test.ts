import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { findPeer, lacksTorchvision, peerName } from "../../bench/lib/peer.ts";
import { Measurer } from "../../bench/lib/process.ts";
import { createBackbone } from "../../src/models/registry.ts";
import { fromTypedArray, noGrad, saveTensors } from "../../src/torch/index.ts";
import { hasTorch, runPython } from "../helpers/torch-python.ts";

/** A measuring process of a few lines. */
function measurer(script: string): Measurer {
  const file = path.join(mkdtempSync(path.join(tmpdir(), "csrm-measurer-")), "side.mjs");
  writeFileSync(
    file,
    `import { createInterface } from "node:readline";
     for await (const line of createInterface({ input: process.stdin })) { const request = JSON.parse(line); ${script} }`,
  );
  return new Measurer("the side", process.execPath, [file]);
}

describe("a measuring process", () => {
  it("answers one request after the other", async () => {
    await using side = measurer("console.log(JSON.stringify({ seconds: request.n * 2 }))");
    expect(await side.number({ n: 1 })).toBe(2);
    expect(await side.number({ n: 2 })).toBe(4);
  });

  it("tells of its errors, of an answer that is no number, and of its end", async () => {
    await using side = measurer(`
      if (request.do === "end") { console.error("out of memory"); process.exit(3); }
      console.log(JSON.stringify(request.do === "fail" ? { error: "no such network" } : { seconds: "many" }));`);
    await expect(side.ask({ do: "fail" })).rejects.toThrow("the side: no such network");
    await expect(side.number({ do: "count" })).rejects.toThrow('the side answered "many" as seconds of {"do":"count"}');
    await expect(side.ask({ do: "end" })).rejects.toThrow('the side ended at {"do":"end"}: out of memory');
  });

  it("tells when it cannot be started", async () => {
    await using side = new Measurer("the side", "/nowhere/python3", []);
    await expect(side.ask({ do: "count" })).rejects.toThrow(/the side ended at .*ENOENT/);
  });
});

describe("the peer", () => {
  it("that is not there is named with the way to get it", () => {
    const peer = findPeer("cpu", { ...process.env, PYTHON: "/nowhere/python3" });
    expect(peer).toBe(
      "not installed: no torch in /nowhere/python3 (apt-get install -y python3-torch python3-torchvision)",
    );
    expect(peerName(peer)).toBe("Python's torch");
    expect(lacksTorchvision(peer)).toBe(peer);
  });

  it("without torchvision is none for the loader", () => {
    const peer = { python: "/usr/bin/python3", torch: "1.13.0", torchvision: null };
    expect(lacksTorchvision(peer)).toMatch(/^not installed: \/usr\/bin\/python3 has no torchvision \(apt-get install/);
    expect(lacksTorchvision({ ...peer, torchvision: "0.14.1" })).toBeNull();
  });

  // The comparison is fair only if both compute the same.
  it.skipIf(!hasTorch).each(["resnet50", "resnest50"])("computes what csrm's %s does from the same weights", (name) => {
    const folder = mkdtempSync(path.join(tmpdir(), "csrm-peer-"));
    const backbone = createBackbone(name, { outputStride: name === "resnest50" ? 16 : 32, classes: 1000 });
    const file = path.join(folder, "weights.safetensors");
    saveTensors(file, backbone.stateDict());
    const values = Float32Array.from({ length: 3 * 64 * 64 }, (_, i) => Math.sin(i));
    const ours = noGrad(() => {
      backbone.eval();
      return backbone.classify(backbone.forward(fromTypedArray(values, [1, 3, 64, 64])).high);
    });
    const script = `
import json, math, struct, sys, torch
sys.path.insert(0, sys.argv[1])
from peer_networks import networks
data = open(sys.argv[2], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
kinds = {"F32": torch.float32, "I64": torch.int64}
tensors = {}
for key, entry in json.loads(data[8:8 + size]).items():
    if key != "__metadata__":
        begin, end = entry["data_offsets"]
        raw = bytearray(data[8 + size + begin:8 + size + end])
        tensors[key] = torch.frombuffer(raw, dtype=kinds[entry["dtype"]]).reshape(entry["shape"])
model = networks[sys.argv[3]]()
model.load_state_dict(tensors)
model.eval()
x = torch.tensor([math.sin(i) for i in range(3 * 64 * 64)]).reshape(1, 3, 64, 64)
with torch.no_grad():
    print(json.dumps(model(x)[0].tolist()))
`;
    const theirs: number[] = JSON.parse(
      runPython(script, path.resolve(import.meta.dirname, "../../bench"), file, name),
    );
    const own = ours.flatten().toArray() as number[];
    const largest = Math.max(...own.map(Math.abs));
    const distance = Math.max(...own.map((value, i) => Math.abs(value - theirs[i]!)));
    expect(distance / largest).toBeLessThan(1e-4);
  });
});
