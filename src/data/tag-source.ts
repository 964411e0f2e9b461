/** Where image-level labels come from: which kind of file or folder it is, its class names, and what it says of the images. */

import fs from "node:fs";
import { extname } from "node:path";
import { CsrmError, expected, show } from "../errors.ts";
import { readTextSync } from "../files.ts";
import { cvatEntries } from "./cvat-tags.ts";
import { folderEntries } from "./folder-tags.ts";
import { JSON_FORMS, jsonEntries } from "./json-tags.ts";
import { labelmeEntries, labelmeFiles } from "./labelme-tags.ts";
import { matchEntries, namesIn, type TagEntry, type TagMap } from "./tag-entries.ts";
import { csvEntries, tagsFromNpy, vocEntries } from "./tags.ts";
import type { ClassTable } from "./types.ts";
import type { ImageList } from "./voc.ts";

/** The word for labels that are the names of the folders in which the images lie. */
export const FOLDERS = "folders";

/** The images that a source is to tell of. */
export type Pictures = Pick<ImageList, "ids" | "files">;

export interface TagSource {
  /** Why an image of the data set may be unlabelled, to follow a colon. */
  unlabelled: string;
  /** All class names that occur, sorted; null where the source numbers its classes only. */
  names(): string[] | null;
  /**
   * @returns the vectors of the images, and facts that a person should see
   * @throws CsrmError naming file and place of an unknown class, or when entries name other images only
   */
  read(classes: ClassTable): Promise<{ tags: TagMap; notes: string[] }>;
}

/**
 * Opens a source of tags: the word "folders", a folder of VOC's or labelme's annotations, or a file, told apart by ending and
 * content: tags.csv, JSON (own forms, COCO, labelme), CVAT's XML, cls_labels.npy.
 * @throws CsrmError naming what was expected when it is none of these
 */
export function openTags(source: string, pictures: Pictures): TagSource {
  if (source === FOLDERS) {
    const { entries, shared } = folderEntries(pictures);
    const notes =
      shared > 0 ? [`${shared} images lie in several class folders, byte for byte; each gets the tags of all`] : [];
    const unlabelled = "they lie in no folder of a class";
    return fromEntries({ source: "the folders' names", entries: () => entries, pictures, unlabelled, notes });
  }
  if (isFolder(source)) {
    const entries = annotationFolder(source, pictures);
    return fromEntries({ source, entries: () => entries, pictures });
  }
  if (extname(source).toLowerCase() === ".npy") {
    return {
      unlabelled: `${source} does not name them`,
      names: () => null,
      read: async (classes) => ({ tags: await tagsFromNpy(source, classes, pictures.ids), notes: [] }),
    };
  }
  const kind = kindOf(source);
  if (kind === "csv") return fromEntries({ source, entries: (classes) => csvEntries(source, classes), pictures });
  const text = readTextSync(source);
  const { entries, listsAll } =
    kind === "xml" ? { entries: cvatEntries(text, source), listsAll: true } : jsonEntries(text, source, pictures);
  return fromEntries({ source, entries: () => entries, pictures, listsAll });
}

interface EntrySource {
  /** What messages call it. */
  source: string;
  /** In a CSV the classes decide how a cell is read. */
  entries: (classes?: ClassTable) => TagEntry[];
  pictures: Pictures;
  unlabelled?: string;
  notes?: string[];
  /** It also lists images that perhaps nobody has looked at yet. */
  listsAll?: boolean;
}

function fromEntries(options: EntrySource): TagSource {
  const { source, entries, pictures, listsAll = false } = options;
  return {
    unlabelled: options.unlabelled ?? `${source} does not name them`,
    // Read again with what was found: a cell that as a whole is a name from elsewhere is that name, not its words.
    names: () => namesIn(entries({ ids: [], names: namesIn(entries(), source) }), source),
    async read(classes) {
      // Compared with every image that exists, not with the list: one file serves all lists.
      const ids = [...pictures.files.keys()];
      const { tags, unmatched } = matchEntries(entries(classes), classes, ids);
      if (tags.size === 0 && unmatched.length > 0) throw namesOthers(source, unmatched[0]!, ids[0]);
      const notes = [...(options.notes ?? [])];
      if (unmatched.length > 0) {
        notes.push(
          `${unmatched.length} entries of ${source} name images that are not there, the first: ${unmatched[0]}`,
        );
      }
      const empty = [...tags.values()].filter((vector) => !vector.includes(1)).length;
      if (listsAll && empty > 0) {
        notes.push(
          `${empty} of ${tags.size} images have no annotation in ${source}: they count as images of none of the classes`,
        );
      }
      return { tags, notes };
    },
  };
}

function namesOthers(source: string, named: string, there: string | undefined): CsrmError {
  const message =
    `${source} names none of the images: it has ${show(named)}, the data set ${show(there)}; ` +
    "names begin below the folder of images, so name the folder that they begin in as that, or write them as they are there";
  return new CsrmError(message, { code: "data" });
}

function annotationFolder(folder: string, pictures: Pictures): TagEntry[] {
  const voc = vocEntries(folder, pictures.ids);
  const labelme = labelmeFiles(folder);
  if (voc.length > 0 && labelme.length > 0) {
    throw expected(
      "annotations of one kind",
      folder,
      `${voc.length} of VOC (.xml) and ${labelme.length} of labelme (.json)`,
    );
  }
  if (labelme.length > 0) return labelmeEntries(folder, pictures);
  // A list may be one of images without annotations beside others that have them.
  if (voc.length > 0 || fs.readdirSync(folder).some((name) => name.endsWith(".xml"))) return voc;
  const example = pictures.ids[0];
  const fix = example?.includes("/")
    ? 'say "folders" instead of a path where images lie in one folder a class'
    : undefined;
  throw expected(`annotations of the images (${example}.xml of VOC, ${example}.json of labelme)`, folder, "none", fix);
}

/** The kind of a text file, by its ending where that is clear, else by how it begins. */
function kindOf(source: string): "csv" | "json" | "xml" {
  const ending = extname(source).toLowerCase();
  if (ending === ".csv") return "csv";
  if (ending === ".json") return "json";
  if (ending === ".xml") return "xml";
  const begin = readTextSync(source).trimStart().slice(0, 60);
  if (/^[[{]/.test(begin)) return "json";
  if (begin.startsWith("<")) return "xml";
  if (/^"?image"?\s*[,;\t]/i.test(begin)) return "csv";
  throw expected(
    `tags as CSV (header image,tags), JSON (${JSON_FORMS}), CVAT's XML, a folder of annotations, or .npy`,
    source,
    begin,
  );
}

function isFolder(source: string): boolean {
  const found = fs.statSync(source, { throwIfNoEntry: false });
  if (!found) throw new CsrmError(`no tags at ${source}: no such file or folder`, { code: "data" });
  return found.isDirectory();
}
