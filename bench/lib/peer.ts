/** Python's PyTorch, which most figures are held against: which interpreter has it, and bench/peer.py in it. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { Measurer } from "./process.ts";

export interface Peer {
  python: string;
  torch: string;
  /** Version of torchvision; null: not installed. */
  torchvision: string | null;
}

/** How to get the peer on the systems this is developed on. */
const INSTALL = "apt-get install -y python3-torch python3-torchvision";
const SCRIPT = path.resolve(import.meta.dirname, "../peer.py");
const PROBE = `
import json, importlib.util, torch
vision = importlib.util.find_spec("torchvision") and __import__("torchvision").__version__
print(json.dumps({"torch": torch.__version__, "torchvision": vision, "cuda": torch.cuda.is_available()}))
`;

/**
 * The first interpreter with torch, for a GPU one that can use it: PYTHON where it is set, else that of the libtorch in use
 * (python3 where LIBTORCH_USE_PYTORCH=1), else Debian's, else python3.
 * @returns text that says why there is none, and what to do
 */
export function findPeer(device: string, env: NodeJS.ProcessEnv = process.env): Peer | string {
  const usual = env.LIBTORCH_USE_PYTORCH === "1" ? ["python3"] : ["/usr/bin/python3", "python3"];
  const candidates = env.PYTHON ? [env.PYTHON] : usual;
  for (const python of candidates) {
    const { status, stdout } = spawnSync(python, ["-c", PROBE], { encoding: "utf8", env });
    if (status !== 0) continue;
    const { torch, torchvision, cuda } = JSON.parse(stdout.trim().split("\n").at(-1)!);
    if (device === "cpu" || cuda) return { python, torch, torchvision };
  }
  const what = device === "cpu" ? "torch" : "a torch that can use the GPU";
  const how = device === "cpu" ? INSTALL : "PYTHON=… names an interpreter that has one";
  return `not installed: no ${what} in ${candidates.join(" or ")} (${how})`;
}

/** What tables call it. */
export function peerName(peer: Peer | string): string {
  return typeof peer === "string" ? "Python's torch" : `Python's torch ${peer.torch}`;
}

export function startPeer({ python }: Peer, threads: number): Measurer {
  const env = { ...process.env, OMP_NUM_THREADS: String(threads), PYTHONUNBUFFERED: "1" };
  return new Measurer("bench/peer.py", python, [SCRIPT], env);
}

/** Why a case that needs torchvision cannot be measured; null when it can. */
export function lacksTorchvision(peer: Peer | string): string | null {
  if (typeof peer === "string") return peer;
  return peer.torchvision === null ? `not installed: ${peer.python} has no torchvision (${INSTALL})` : null;
}
