/** Published weights of backbones and of SAM: where they are, how to know them, under which licence. Fetched only when asked for. */
import { existsSync, rmdirSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { suggestion } from "../did-you-mean.ts";
import { download, sha256Of } from "../download.ts";
import { CsrmError } from "../errors.ts";
import { makeFolders, writeError } from "../files.ts";
import { lockFolder, type RunLock } from "../run-lock.ts";

export interface OfficialWeights {
  name: string;
  url: string;
  /** SHA-256, or as much of it as the publisher puts into the file's name. */
  sha256: string;
  licence: string;
  about: string;
}

const TORCHVISION = "https://download.pytorch.org/models";
const RESNEST = "https://github.com/zhanghang1989/ResNeSt/releases/download/weights_step1";
const SAM = "https://dl.fbaipublicfiles.com/segment_anything";

// Torchvision's first ImageNet weights: the later ones gain accuracy by training tricks, not by better features.
export const officialWeights: readonly OfficialWeights[] = [
  ...[
    ["mobilenet_v2", "b0353104"],
    ["resnet18", "f37072fd"],
    ["resnet34", "b627a593"],
    ["resnet50", "0676ba61"],
    ["resnet101", "63fe2227"],
  ].map(([name, sha256]) =>
    entry(name!, `${TORCHVISION}/${name}-${sha256}.pth`, sha256!, "BSD-3-Clause", "torchvision"),
  ),
  ...[
    ["resnest50", "528c19ca"],
    ["resnest101", "22405ba7"],
    ["resnest200", "75117900"],
    ["resnest269", "0cc87c48"],
  ].map(([name, sha256]) => entry(name!, `${RESNEST}/${name}-${sha256}.pth`, sha256!, "Apache-2.0", "ResNeSt")),
  // The digits in these names are of another hash.
  ...[
    ["sam_vit_b", "01ec64", "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912"],
    ["sam_vit_l", "0b3195", "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622"],
    ["sam_vit_h", "4b8939", "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e"],
  ].map(([name, digits, sha256]) => ({
    ...{ name: name!, url: `${SAM}/${name}_${digits}.pth`, sha256: sha256!, licence: "Apache-2.0" },
    about: "Segment Anything, proposes masks",
  })),
  {
    name: "mobile_sam",
    url: "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/mobile_sam.pt",
    sha256: "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
    licence: "Apache-2.0",
    about: "MobileSAM, proposes masks with a small encoder",
  },
];

/** An unknown name is an error that lists the names. */
export function officialWeightsOf(name: string): OfficialWeights {
  const found = officialWeights.find((each) => each.name === name);
  if (found) return found;
  const names = officialWeights.map((each) => each.name);
  throw new CsrmError(`no weights are called "${name}"${suggestion(name, names)}; there are ${names.join(", ")}`, {
    code: "weights",
  });
}

/** $CSRM_CACHE/weights, else ~/.cache/csrm/weights. */
export function weightsCache(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return path.join(env.CSRM_CACHE || path.join(homedir(), ".cache", "csrm"), "weights");
}

export interface FetchOptions {
  /** Default weightsCache(). */
  folder?: string;
  /** A folder on a server that holds the files under the publishers' names. */
  mirror?: string;
  /** Only look whether it is there. */
  offline?: boolean;
  onProgress?(done: number, total: number | null): void;
  /** Told when a fetch whose process is gone was taken over. */
  note?(text: string): void;
  /** For download. */
  tries?: number;
  pause?: number;
}

/**
 * The path of the weights' file, fetched unless it is there already; also one put there by hand is checked.
 * @throws CsrmError (code "download") saying what to download and where to put it; (code "locked") naming the process that fetches
 * the same file; (code "file") where nothing can be written into the cache
 */
export async function fetchWeights(
  weights: OfficialWeights,
  options: FetchOptions = {},
): Promise<{ file: string; fetched: boolean }> {
  const { folder = weightsCache(), mirror, offline = false, note = () => {}, ...rest } = options;
  const { url, sha256 } = weights;
  const file = path.join(folder, path.posix.basename(new URL(url).pathname));
  if (await isThere(file, weights)) return { file, fetched: false };
  const byHand = `download ${url} some other way and put it at ${file}`;
  if (offline) throw new CsrmError(`${weights.name} has not been fetched yet; ${byHand}`, { code: "download" });
  const from = mirror === undefined ? url : `${mirror.replace(/\/$/, "")}/${path.basename(file)}`;
  using _ = lockFetch(file, note);
  // Another process may have ended its download while this one looked.
  if (await isThere(file, weights)) return { file, fetched: false };
  try {
    await download({ url: from, to: file, sha256, ...rest });
  } catch (error) {
    if (!(error instanceof CsrmError) || error.code !== "download") throw error;
    throw new CsrmError(`${error.message}; ${byHand}`, { code: error.code, cause: error });
  }
  return { file, fetched: true };
}

/** @throws CsrmError where another file has its name */
async function isThere(file: string, { url, sha256 }: OfficialWeights): Promise<boolean> {
  if (!existsSync(file)) return false;
  const got = await sha256Of(file);
  if (got.startsWith(sha256)) return true;
  throw new CsrmError(
    `${file} is not the file of ${url}: its SHA-256 is ${got}, not ${sha256}…; delete it and fetch again`,
    { code: "download" },
  );
}

/** One process at a time downloads a file; other files meanwhile are free, so the lock lies in a folder of the file's own. */
function lockFetch(file: string, note: (text: string) => void): Disposable {
  const folder = `${file}.lock`;
  let lock: RunLock;
  try {
    makeFolders(folder);
    lock = lockFolder(folder, note);
  } catch (error) {
    const elsewhere = "set CSRM_CACHE to another folder";
    if (error instanceof CsrmError && error.code === "locked") {
      const message = error.message.replace(`in ${folder}`, `on ${file}`).replace("choose another --out", elsewhere);
      throw new CsrmError(message, { code: "locked", cause: error });
    }
    const { message } = error instanceof CsrmError ? error : writeError(path.dirname(file), error);
    throw new CsrmError(`${message}; ${elsewhere}`, { code: "file", cause: error });
  }
  return {
    [Symbol.dispose]() {
      lock.release();
      try {
        rmdirSync(folder);
      } catch {
        // Another process has it already; it will remove it.
      }
    },
  };
}

function entry(name: string, url: string, sha256: string, licence: string, by: string): OfficialWeights {
  return { name, url, sha256, licence, about: `backbone trained on ImageNet, by ${by}` };
}
