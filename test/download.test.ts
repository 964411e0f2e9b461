import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Rng } from "../src/data/rng.ts";
import { type DownloadOptions, download } from "../src/download.ts";
import { CsrmError } from "../src/errors.ts";
import { InterruptedError } from "../src/interrupt.ts";
import { fetchWeights, officialWeights, officialWeightsOf, weightsCache } from "../src/models/official-weights.ts";
import { type Behaviour, type FileServer, serveFile } from "./helpers/file-server.ts";

const rng = new Rng("download");
const content = Uint8Array.from({ length: 300_000 }, () => rng.int(256));
const sha256 = createHash("sha256").update(content).digest("hex");

let folder: string;
let server: FileServer | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "csrm-download-"));
});
afterEach(async () => {
  await server?.close();
  server = undefined;
  rmSync(folder, { recursive: true });
});

const to = () => path.join(folder, "cache", "file.pth");

async function get(behaviour: Behaviour, options: Partial<DownloadOptions> = {}): Promise<FileServer> {
  server = await serveFile(content, behaviour);
  await download({ url: server.url, to: to(), sha256, pause: 1, ...options });
  return server;
}

describe("download", () => {
  it("writes the file under its name and tells how far it is", async () => {
    const seen: [number, number | null][] = [];
    const { requests } = await get(
      {},
      { onProgress: (done, total) => seen.push([done, total]), sha256: sha256.slice(0, 8) },
    );
    expect(readFileSync(to()).equals(content)).toBe(true);
    expect(seen.at(-1)).toEqual([300_000, 300_000]);
    expect(requests).toEqual([undefined]);
    expect(readdirSync(path.dirname(to()))).toEqual(["file.pth"]);
  });

  it("goes on where a connection was cut, as often as that brings something new", async () => {
    const { requests } = await get({ cuts: [100_000, 50_000, 1000, 1000, 1000, 1000, 1000] }, { tries: 2 });
    expect(readFileSync(to()).equals(content)).toBe(true);
    expect(requests).toHaveLength(8);
    expect(requests[1]).toBe("bytes=100000-");
  });

  it("goes on with what an earlier call left, and starts over where a server knows no ranges", async () => {
    const part = `${to()}.part`;
    await expect(get({}, { onProgress: stopAtOnce })).rejects.toThrow(InterruptedError);
    const left = readFileSync(part).length;
    expect(left).toBeGreaterThan(0);
    await server!.close();
    const { requests } = await get({});
    expect(requests).toEqual([`bytes=${left}-`]);
    await server!.close();
    rmSync(to());
    writeFileSync(part, content.subarray(0, 5000));
    await get({ ranges: false });
    expect(readFileSync(to()).equals(content)).toBe(true);
  });

  it("starts over when what was left is of another file, also of a longer one", async () => {
    for (const length of [5000, 400_000]) {
      await expect(get({}, { onProgress: stopAtOnce })).rejects.toThrow(InterruptedError);
      await server!.close();
      writeFileSync(`${to()}.part`, new Uint8Array(length));
      await get({});
      expect(readFileSync(to()).equals(content)).toBe(true);
      await server!.close();
    }
  });

  it("deletes a file of another hash and gives both", async () => {
    await expect(get({}, { sha256: "0123abcd" })).rejects.toThrow(
      `the SHA-256 ${sha256.slice(0, 16)}… where 0123abcd was expected; it was deleted`,
    );
    expect(readdirSync(path.dirname(to()))).toEqual([]);
  });

  it("does not try again what a server refuses, but what passes", async () => {
    await expect(get({ statuses: [404] })).rejects.toThrow("the server answers 404 Not Found");
    expect(server!.requests).toHaveLength(1);
    await server!.close();
    const { requests } = await get({ statuses: [503, 429] });
    expect(requests).toHaveLength(3);
  });

  it("gives up a connection without data, and a server that is not there after a few tries", async () => {
    const { requests } = await get({ stall: true }, { patience: 100 });
    expect(requests).toHaveLength(2);
    await server!.close();
    const error = await download({ url: server!.url, to: `${to()}2`, sha256, tries: 2, pause: 1 }).catch((e) => e);
    expect(error).toBeInstanceOf(CsrmError);
    expect(error.message).toMatch(/cannot download http.*ECONNREFUSED/);
  });
});

describe("fetchWeights", () => {
  const weights = () => ({ name: "tiny", url: server!.url, sha256, licence: "MIT", about: "a test" });

  it("fetches once, then finds the file, and refuses another under its name", async () => {
    server = await serveFile(content);
    const file = path.join(folder, "weights-1234.pth");
    expect(await fetchWeights(weights(), { folder })).toEqual({ file, fetched: true });
    expect(await fetchWeights(weights(), { folder, offline: true })).toEqual({ file, fetched: false });
    writeFileSync(file, "something else");
    await expect(fetchWeights(weights(), { folder })).rejects.toThrow(
      /weights-1234\.pth is not the file of .*delete it/,
    );
  });

  it("says what to download and where to put it when it cannot", async () => {
    server = await serveFile(content, { statuses: [404] });
    const byHand = `download ${server.url} some other way and put it at ${path.join(folder, "weights-1234.pth")}`;
    await expect(fetchWeights(weights(), { folder, offline: true })).rejects.toThrow(byHand);
    expect(server.requests).toEqual([]);
    await expect(fetchWeights(weights(), { folder })).rejects.toThrow(`404 Not Found; ${byHand}`);
  });

  it("refuses to fetch what is being fetched, naming the process, and leaves the other at work", async () => {
    server = await serveFile(content);
    const file = path.join(folder, "weights-1234.pth");
    const first = fetchWeights(weights(), { folder });
    const second = await fetchWeights(weights(), { folder }).catch((error) => error);
    expect(second).toBeInstanceOf(CsrmError);
    expect([second.code, second.message]).toEqual([
      "locked",
      expect.stringMatching(
        `^process ${process.pid} on .* is at work on ${file}; wait for it or set CSRM_CACHE to another folder$`,
      ),
    ]);
    expect(await first).toEqual({ file, fetched: true });
    expect(server.requests).toHaveLength(1);
    expect(readdirSync(folder)).toEqual(["weights-1234.pth"]);
  });

  it("fetches two files at once, and takes over from a process that is gone", async () => {
    server = await serveFile(content);
    const gone = path.join(folder, "weights-1234.pth.lock");
    mkdirSync(gone);
    const birth = "another boot 1";
    writeFileSync(path.join(gone, ".lock"), JSON.stringify({ pid: 1, host: hostname(), birth, since: "long ago" }));
    const notes: string[] = [];
    const other = { ...weights(), url: server.url.replace("1234", "5678") };
    await Promise.all([
      fetchWeights(weights(), { folder, note: (text) => notes.push(text) }),
      fetchWeights(other, { folder }),
    ]);
    expect(notes).toEqual([expect.stringContaining("from process 1, which is gone")]);
    expect(readdirSync(folder).sort()).toEqual(["weights-1234.pth", "weights-5678.pth"]);
  });

  it("lets the lock go when it is stopped", async () => {
    server = await serveFile(content);
    await expect(fetchWeights(weights(), { folder, onProgress: stopAtOnce })).rejects.toThrow(InterruptedError);
    expect(readdirSync(folder)).toEqual(["weights-1234.pth.part"]);
  });

  it("names a cache that is a file or cannot be made, and a file there that cannot be read", async () => {
    server = await serveFile(content);
    const blocked = path.join(folder, "file");
    writeFileSync(blocked, "");
    const refused = (cache: string) => fetchWeights(weights(), { folder: cache }).catch((error) => error);
    const error = await refused(path.join(blocked, "weights"));
    expect(error).toBeInstanceOf(CsrmError);
    expect([error.code, error.message]).toEqual([
      "file",
      `cannot write ${blocked}/weights: a part of the path is not a folder; set CSRM_CACHE to another folder`,
    ]);
    mkdirSync(path.join(folder, "weights-1234.pth"));
    expect((await refused(folder)).message).toBe(`cannot read ${folder}/weights-1234.pth: it is a folder`);
    expect(server.requests).toEqual([]);
  });

  // The superuser may write everywhere.
  it.skipIf(process.getuid?.() === 0)("names a cache in which nothing may be written", async () => {
    server = await serveFile(content);
    const home = path.join(folder, "home");
    mkdirSync(home, { mode: 0o555 });
    await expect(fetchWeights(weights(), { folder: path.join(home, ".cache", "weights") })).rejects.toThrow(
      `cannot write ${home}/.cache/weights: permission denied; set CSRM_CACHE to another folder`,
    );
  });

  it("takes the file from a mirror under the publisher's name", async () => {
    server = await serveFile(content);
    const elsewhere = { ...weights(), url: "https://example.invalid/models/weights-1234.pth" };
    await fetchWeights(elsewhere, { folder, mirror: `${new URL(server.url).origin}/` });
    expect(existsSync(path.join(folder, "weights-1234.pth"))).toBe(true);
  });
});

describe("the published weights", () => {
  it("have names, addresses and hashes that fit each other", () => {
    expect(new Set(officialWeights.map(({ name }) => name)).size).toBe(officialWeights.length);
    for (const { name, url, sha256 } of officialWeights) {
      expect(sha256).toMatch(/^([0-9a-f]{8}|[0-9a-f]{64})$/);
      // torch hub's files have the first eight digits of their hash in their names; of the others the whole hash is known.
      expect(url).toMatch(new RegExp(`^https://.*/${name}([-_][0-9a-f]+)?\\.pth?$`));
      if (sha256.length === 8) expect(url).toContain(`-${sha256}.pth`);
    }
    expect(() => officialWeightsOf("resnest_101")).toThrow('did you mean "resnest101"');
  });

  it("lie in the cache of $CSRM_CACHE", () => {
    expect(weightsCache({ CSRM_CACHE: "/cache" })).toBe("/cache/weights");
    expect(weightsCache({})).toMatch(/\.cache\/csrm\/weights$/);
  });
});

function stopAtOnce(): void {
  throw new InterruptedError(130);
}
