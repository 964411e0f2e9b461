/** What `csrm data check` found, as text. */
import type { DatasetReport, Finding } from "../data/check.ts";

/** How many findings of a kind are listed; the rest is counted. */
const LISTED = 5;

/** One paragraph a data set: counts first, then what is wrong with the first few files of each kind. */
export function reportText(report: DatasetReport): string {
  const { images, unlabelled, withoutClasses, sizes, masks } = report;
  const range = ([least, most]: [number, number]) => (least === most ? `${least}` : `${least} to ${most}`);
  const lines = [
    `${report.name}: ${images} images${sizes ? `, ${range(sizes.width)} wide, ${range(sizes.height)} high` : ""}`,
    `  tags: ${images - unlabelled} labelled (${withoutClasses} of them with no class), ${unlabelled} unlabelled`,
    `  images a class: ${Object.entries(report.tagCounts)
      .map(([name, count]) => `${name} ${count}`)
      .join(", ")}`,
    ...(masks ? [`  masks: ${masks.found} found, ${masks.absent.length} images without`] : []),
    ...report.notes.map((note) => `  note: ${note}`),
    ...findings("lists that are not the published ones", report.lists),
    ...findings("missing images", report.missing),
    ...findings("images that cannot be read", report.corrupt),
    ...findings("masks that cannot be read", masks?.unreadable ?? []),
    ...findings("masks of another size than their image", masks?.wrongSize ?? []),
    ...findings("masks with illegal values", masks?.illegalValues ?? []),
    report.problems === 0 ? "  no problems" : `  ${report.problems} problems`,
  ];
  return lines.join("\n");
}

function findings(title: string, list: readonly Finding[]): string[] {
  if (list.length === 0) return [];
  const rest = list.length - LISTED;
  return [
    `  ${title}: ${list.length}`,
    ...list.slice(0, LISTED).map(({ file, problem }) => `    ${file}: ${problem}`),
    ...(rest > 0 ? [`    and ${rest} more (--json lists all)`] : []),
  ];
}
