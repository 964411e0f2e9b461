/** csrm run on own photographs, as far as the settings go: training is tested elsewhere. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { csrm } from "../../helpers/cli.ts";
import { picture, temporaryFolder, writePicture } from "../../inference/tiny.ts";

it.each(["folders", "tags.json"])("keeps a word for tags and makes a path whole: %s", async (tags) => {
  const root = temporaryFolder();
  await writePicture(join(root, "photos/cat/a.png"), picture(40, 40));
  const out = join(root, "run");
  const weights = join(root, "gone.safetensors");
  const own = ["--images", join(root, "photos"), "--tags", tags, "--weights", weights];
  const { code, stderr } = await csrm("run", ...own, "--out", out);
  expect(code).toBe(1);
  expect(stderr).toContain(tags === "folders" ? "gone.safetensors" : "no tags at");
  const wanted = tags === "folders" ? tags : join(process.cwd(), tags);
  expect(readFileSync(join(out, "config.yaml"), "utf8")).toContain(`tags: ${wanted}\n`);
});

it("names the photographs that could not be read, at the end and in the summary", async () => {
  const root = temporaryFolder();
  for (const [i, name] of ["cat/a", "cat/b", "dog/c", "dog/d"].entries()) {
    await writePicture(join(root, `photos/${name}.png`), picture(40, 40, i + 1));
  }
  writeFileSync(join(root, "photos/dog/broken.png"), "no picture");
  const own = [
    `data={layout: folder, root: ${join(root, "photos")}, tags: folders, lists: {train: null, score: []}, subset: null}`,
    "predict={threshold: 0.3, tags: known}",
    "threads=1",
  ].flatMap((each) => ["--set", each]);
  const { code, stderr } = await csrm("run", "toy-tiny", "--out", join(root, "run"), ...own);
  expect(stderr.trimEnd().split("\n").at(-1)).toContain(
    "1 of 5 photographs could not be read and have no mask: dog/broken",
  );
  expect(code).toBe(0);
  expect(JSON.parse(readFileSync(join(root, "run", "summary.json"), "utf8")).unread).toEqual(["dog/broken"]);
});
