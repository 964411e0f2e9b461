/**
 * What the paper prints (Tables 3 to 5): mean IoU in percent of the segmentation networks trained in the end, its own and those it compares
 * with, each measured by its authors on the full data sets. Beside one's own figures they tell a scale, no more.
 */

export interface PublishedRow {
  method: string;
  /** Backbone and segmentation network. */
  network: string;
  /** Percent by list, as printed. */
  miou: Readonly<Record<string, number>>;
}

export interface PublishedClasses {
  /** The built-in class table that `iou` goes by. */
  table: "voc";
  title: string;
  list: string;
  /** Percent; `iou` by class id, the background first; `mean` as printed. */
  rows: readonly { method: string; iou: readonly number[]; mean: number }[];
}

export interface PublishedSet {
  title: string;
  lists: readonly string[];
  rows: readonly PublishedRow[];
  /** null where the paper prints none. */
  classes: PublishedClasses | null;
}

const TABLE_3 = `
fully supervised | ResNet-38, DeepLabV1 | 78.1 78.2
AffinityNet | ResNet-38, DeepLabV1 | 61.7 63.7
SEAM | ResNet-38, DeepLabV1 | 64.5 65.7
CONTA | ResNet-38, DeepLabV1 | 66.1 66.7
OC-CSE | ResNet-38, DeepLabV1 | 68.4 68.2
ADELE | ResNet-38, DeepLabV1 | 69.3 68.8
MCT-Former | ResNet-38, DeepLabV1 | 71.9 71.6
ACR | ResNet-38, DeepLabV1 | 72.4 72.4
ICD | ResNet-101, DeepLabV1 | 64.1 64.3
ICD (with saliency) | ResNet-101, DeepLabV1 | 67.8 68.0
EPS (with saliency) | ResNet-101, DeepLabV1 | 71.0 71.8
ToCo | ViT-B | 69.8 70.5
ToCo (ImageNet-21k) | ViT-B | 71.1 72.2
BECO | MiT-B2 | 73.7 73.5
SeCo | ViT-B | 74.0 73.8
fully supervised | ResNet-101, DeepLabV2 | 76.8 76.2
IRNet | ResNet-50, DeepLabV2 | 63.5 64.8
AdvCAM | ResNet-101, DeepLabV2 | 68.1 68.0
RIB | ResNet-101, DeepLabV2 | 68.3 68.6
AMR | ResNet-101, DeepLabV2 | 68.8 69.1
AMN | ResNet-101, DeepLabV2 | 69.5 69.6
SIPE | ResNet-101, DeepLabV2 | 68.8 69.7
URN | ResNet-101, DeepLabV2 | 69.5 69.7
RIB (with saliency) | ResNet-101, DeepLabV2 | 70.2 70.0
SGWS | ResNet-101, DeepLabV2 | 70.5 70.5
AMN (COCO pre-training) | ResNet-101, DeepLabV2 | 70.7 70.6
EPS (with saliency) | ResNet-101, DeepLabV2 | 70.9 70.8
ViT-PCM | ResNet-101, DeepLabV2 | 70.3 70.9
P-NOC | ResNet-101, DeepLabV2 | 70.3 70.9
CSRM | ResNet-101, DeepLabV2 | 69.8 70.4
fully supervised | ResNeSt-269, DeepLabV3+ | 80.6 81.0
Puzzle-CAM | ResNeSt-269, DeepLabV3+ | 71.9 72.2
P-NOC | ResNeSt-269, DeepLabV3+ | 73.8 73.6
CSRM | ResNeSt-269, DeepLabV3+ | 74.5 75.0`;

const TABLE_4 = `
OC-CSE | ResNet-38, DeepLabV1 | 36.4
MCT-Former | ResNet-38, DeepLabV1 | 42.0
ACR | ResNet-38, DeepLabV1 | 45.3
ToCo | ViT-B | 41.3
ToCo (ImageNet-21k) | ViT-B | 42.3
SeCo | ViT-B | 46.7
IRNet | ResNet-50, DeepLabV2 | 32.6
IRN + CONTA | ResNet-50, DeepLabV2 | 33.4
EPS (with saliency) | VGG-16, DeepLabV2 | 35.7
PPM | ScaleNet, DeepLabV2 | 40.2
SIPE | ResNet-101, DeepLabV2 | 40.6
URN | ResNet-101, DeepLabV2 | 40.7
P-NOC | ResNet-101, DeepLabV2 | 42.9
RIB | ResNet-101, DeepLabV2 | 43.8
AMN | ResNet-101, DeepLabV2 | 44.7
CSRM | ResNet-101, DeepLabV2 | 46.2
P-NOC | ResNeSt-269, DeepLabV3+ | 44.6
CSRM | ResNeSt-269, DeepLabV3+ | 50.5`;

const TABLE_5 = `
AffinityNet | 89.1 70.6 31.6 77.2 42.2 68.9 79.1 66.5 74.9 29.6 68.7 56.1 82.1 64.8 78.6 73.5 50.8 70.7 47.7 63.9 51.1 | 63.7
OC-CSE | 90.2 82.9 35.1 86.8 59.4 70.6 82.5 78.1 87.4 30.1 79.4 45.9 83.1 83.4 75.7 73.4 48.1 89.3 42.7 60.4 52.3 | 68.4
MCT-Former | 92.3 84.4 37.2 82.8 60.0 72.8 78.0 79.0 89.4 31.7 84.5 59.1 85.3 83.8 79.2 81.0 53.9 85.3 60.5 65.7 57.7 | 71.6
EPS | 91.9 89.0 39.3 88.2 58.9 69.6 86.3 83.1 85.8 35.0 83.6 44.1 82.4 86.5 81.2 80.8 56.8 85.2 50.5 81.2 48.4 | 71.8
AMN | 90.7 82.8 32.4 84.8 59.4 70.0 86.7 83.0 86.9 30.1 79.2 56.6 83.0 81.9 78.3 72.7 52.9 81.4 59.8 53.1 56.4 | 69.6
ViT-PCM | 91.1 88.9 39.0 87.0 58.8 69.4 89.4 85.4 89.9 30.7 82.6 62.2 85.7 83.6 79.7 81.6 52.1 82.0 26.5 80.3 42.4 | 70.9
Puzzle-CAM | 91.1 87.2 37.4 86.8 61.5 71.3 92.2 86.3 91.8 28.6 85.1 64.2 91.9 82.1 82.6 70.7 69.4 87.7 45.5 67.0 37.8 | 72.3
P-NOC | 91.7 89.1 38.3 80.9 65.4 70.1 93.8 85.5 93.4 37.3 83.6 61.3 92.8 84.1 83.8 80.7 63.6 82.0 53.3 76.7 36.8 | 73.6
CSRM | 92.3 92.0 43.9 90.1 66.4 75.0 93.3 87.1 86.8 41.4 89.7 49.6 88.7 87.9 85.1 77.9 72.2 91.5 46.5 70.1 47.8 | 75.0`;

/** Lines "method | network | figures", one figure a list. */
function rowsOf(table: string, lists: readonly string[]): PublishedRow[] {
  return linesOf(table).map(([method, network, figures]) => {
    const values = numbers(figures!);
    return { method: method!, network: network!, miou: Object.fromEntries(lists.map((list, i) => [list, values[i]!])) };
  });
}

/** Lines "method | figures | mean", one figure a class. */
function classRowsOf(table: string): PublishedClasses["rows"] {
  return linesOf(table).map(([method, figures, mean]) => ({
    method: method!,
    iou: numbers(figures!),
    mean: Number(mean),
  }));
}

function linesOf(table: string): string[][] {
  const lines = table.trim().split("\n");
  return lines.map((line) => line.split("|").map((part) => part.trim()));
}

function numbers(text: string): number[] {
  return text.split(" ").map(Number);
}

const VOC = ["VOC 2012 val", "VOC 2012 test"];
const COCO = ["COCO 2014 val"];

export const published = {
  voc12: {
    title: "Table 3",
    lists: VOC,
    rows: rowsOf(TABLE_3, VOC),
    classes: { table: "voc", title: "Table 5", list: "VOC 2012 test", rows: classRowsOf(TABLE_5) },
  },
  coco14: { title: "Table 4", lists: COCO, rows: rowsOf(TABLE_4, COCO), classes: null },
} as const satisfies Record<string, PublishedSet>;
