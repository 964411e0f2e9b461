// The permutohedral lattice, thread by thread, for points with two or five features; see program.h.
// clang-format off
KERNELS(

// How vertices become numbers (src/refine/lattice-numbering.ts), for up to five features.
struct Numbering {
  float scale[5];
  int64 strides[5];
  int64 steps[6];
  int64 base;
  int64 span;
};

// No vertex has this number.
const uint64 kEmpty = ~(uint64)0;

// Steele et al.'s SplitMix64.
DEVICE unsigned home_of(uint64 key, unsigned mask) {
  key = (key ^ (key >> 30)) * 0xBF58476D1CE4E5B9ull;
  key = (key ^ (key >> 27)) * 0x94D049BB133111EBull;
  return (unsigned)(key ^ (key >> 31)) & mask;
}

DEVICE unsigned insert(uint64* table, unsigned mask, uint64 key) {
  for (unsigned slot = home_of(key, mask);; slot = (slot + 1) & mask) {
    // Another thread may have filled the slot since it was read; only the exchange tells.
    uint64 there = table[slot];
    if (there == kEmpty) there = exchange_if(table + slot, kEmpty, key);
    if (there == kEmpty || there == key) return slot;
  }
}

// The simplex around each point: its vertices, as slots of the table, and its barycentric weights.
// features [points, D]; table [mask + 1], all empty; slots and weights [D + 1, points]; point p is of group p / grouped.
template <int D>
DEVICE void embed(const float* features, int64 points, int64 grouped, Numbering n, uint64* table, unsigned mask, int* slots, float* weights) {
  const int64 p = THREAD;
  if (p >= points) return;
  float at[D + 1];
  float sum = 0;
  for (int j = D; j >= 1; j--) {
    const float scaled = features[p * D + j - 1] * n.scale[j - 1];
    at[j] = sum - scaled * j;
    sum = sum + scaled;
  }
  at[0] = sum;
  // The nearest point whose coordinates are all multiples of D + 1, and the order of the distances to it.
  float nearest[D + 1];
  float delta[D + 1];
  float whole = 0;
  for (int j = 0; j <= D; j++) {
    const float rounded = rintf(at[j] * (1.0f / (D + 1)));
    whole += rounded;
    nearest[j] = rounded * (D + 1);
    delta[j] = at[j] - nearest[j];
  }
  int rank[D + 1];
  for (int j = 0; j <= D; j++) rank[j] = (int)whole;
  for (int a = 0; a < D; a++) {
    for (int b = a + 1; b <= D; b++) {
      const bool less = delta[a] < delta[b];
      rank[a] += less;
      rank[b] += !less;
    }
  }
  // Coordinates must sum to zero: those out of range are shifted by D + 1.
  float sorted[D + 1];
  int order[D + 1];
  for (int j = 0; j <= D; j++) {
    const int shift = rank[j] > D ? D + 1 : rank[j] < 0 ? -(D + 1) : 0;
    nearest[j] -= shift;
    const int place = rank[j] - shift;
    const float distance = (at[j] - nearest[j]) * (1.0f / (D + 1));
    for (int k = 0; k <= D; k++) {
      if (k == place) {
        sorted[k] = distance;
        order[k] = j;
      }
    }
  }
  int64 key = n.base + p / grouped * n.span;
  for (int j = 0; j < D; j++) key += (int64)nearest[j] * n.strides[j];
  for (int r = 0; r <= D; r++) {
    if (r > 0) key += n.steps[order[D + 1 - r]];
    slots[r * points + p] = (int)insert(table, mask, (uint64)key);
    weights[r * points + p] = r == 0 ? sorted[D] - sorted[0] + 1 : sorted[D - r] - sorted[D + 1 - r];
  }
}

KERNEL embed2(const float* features, int64 points, int64 grouped, Numbering n, uint64* table, unsigned mask, int* slots, float* weights) {
  embed<2>(features, points, grouped, n, table, mask, slots, weights);
}

KERNEL embed5(const float* features, int64 points, int64 grouped, Numbering n, uint64* table, unsigned mask, int* slots, float* weights) {
  embed<5>(features, points, grouped, n, table, mask, slots, weights);
}

// Numbers the filled slots of a table of that size. keys: as many as are filled; count [1], 0 before.
KERNEL number(const uint64* table, int64 size, int* numbers, uint64* keys, int* count) {
  const int64 slot = THREAD;
  if (slot >= size || table[slot] == kEmpty) return;
  const int id = add_to(count, 1);
  numbers[slot] = id;
  keys[id] = table[slot];
}

// In place, from slots to vertices.
KERNEL renumber(int* places, int64 length, const int* numbers) {
  const int64 i = THREAD;
  if (i < length) places[i] = numbers[places[i]];
}

// neighbours [corners, 2, count + 1]: along each axis the vertices before and after; count where there is none, and of count itself.
KERNEL neighbour(const uint64* table, unsigned mask, const int* numbers, const uint64* keys, int count, int corners, Numbering n, int* neighbours) {
  const int64 i = THREAD;
  const int64 length = (int64)count + 1;
  if (i >= 2 * corners * length) return;
  const int row = (int)(i / length);
  const int64 vertex = i % length;
  int found = count;
  if (vertex < count) {
    const int64 step = n.steps[row / 2];
    const uint64 key = keys[vertex] + (uint64)(row % 2 == 0 ? -step : step);
    unsigned slot = home_of(key, mask);
    while (table[slot] != key && table[slot] != kEmpty) slot = (slot + 1) & mask;
    if (table[slot] == key) found = numbers[slot];
  }
  neighbours[i] = found;
}

// values [channels, points] to sums [count + 1, channels], zero before.
KERNEL splat(const float* values, int channels, int64 points, const int* vertices, const float* weights, int corners, float* sums) {
  const int64 p = THREAD;
  const bool inside = p < points;
  for (int r = 0; r < corners; r++) {
    const int vertex = inside ? vertices[r * points + p] : -1;
    const float weight = inside ? weights[r * points + p] : 0;
    // Neighbouring pixels often share a vertex, and additions to one place wait for each other: one thread adds for its whole run.
    const Run run(vertex);
    for (int c = 0; c < channels; c++) {
      const float sum = run.sum(inside ? weight * values[c * points + p] : 0);
      if (run.first() && inside) add_to(sums + (int64)vertex * channels + c, sum);
    }
  }
}

// One axis of the blur: each vertex and half of its two neighbours. from, to [length, channels], the last row zeros.
KERNEL blur(const float* from, float* to, int channels, int64 length, const int* before, const int* after) {
  const int64 i = THREAD;
  if (i >= length * channels) return;
  const int64 vertex = i / channels;
  const int64 c = i % channels;
  to[i] = from[i] + 0.5f * (from[(int64)before[vertex] * channels + c] + from[(int64)after[vertex] * channels + c]);
}

// sums [count + 1, channels] to out [channels, points].
KERNEL slice(const float* sums, int channels, int64 points, const int* vertices, const float* weights, int corners, float gain, float* out) {
  const int64 p = THREAD;
  if (p >= points) return;
  for (int first = 0; first < channels; first += 4) {
    float total[4] = {0, 0, 0, 0};
    for (int r = 0; r < corners; r++) {
      const float weight = weights[r * points + p];
      const float* row = sums + (int64)vertices[r * points + p] * channels + first;
      for (int k = 0; k < 4; k++) {
        if (first + k < channels) total[k] += weight * row[k];
      }
    }
    for (int k = 0; k < 4; k++) {
      if (first + k < channels) out[(first + k) * points + p] = total[k] * gain;
    }
  }
}

)
// clang-format on
