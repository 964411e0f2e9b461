#include "lattice.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "filter.h"

namespace csrm {

/// How lattice points become 64-bit keys: a key is linear in the point's first D coordinates (the last one follows from
/// them), so walking to a neighbour adds a constant.
template <int D>
struct Lattice<D>::Keys {
  float scale[D];
  int64_t stride[D], base = 1;
  int64_t step[D + 1];  // along axis j: +1 in every coordinate but j, where it is -D

  Keys(const Tiling& tiling, const Features& features) {
    double low[D + 1], high[D + 1], sum_high = 0;
    for (int j = D; j >= 1; j--) {
      scale[j - 1] = float(std::sqrt(2.0 / 3.0) * (D + 1) / std::sqrt(double(j) * (j + 1)));
      const double extent = j == 1 ? (tiling.width - 1) / features.sxy
                            : j == 2 ? (tiling.height - 1) / features.sxy
                                     : 255 / features.srgb;
      low[j] = -j * extent * scale[j - 1];
      high[j] = sum_high;
      sum_high += extent * scale[j - 1];
    }
    low[0] = 0;
    high[0] = sum_high;
    int64_t product = 1, sum = 0;
    for (int i = 0; i < D; i++) {
      // A vertex is within D + 1 of the rounded point, which is within D + 1 of the pixel; neighbours are D + 1 further.
      const double first = std::floor(low[i]) - 3 * (D + 1), last = std::ceil(high[i]) + 3 * (D + 1);
      // Rounding needs coordinates below 2^22; all keys and the sums on the way to them must fit 63 bits.
      if (!(last - first < 4e6) || double(product) * (last - first + 1) > 4e18)
        throw std::invalid_argument("expected sxy and srgb that are not tiny against the image's size and colours");
      stride[i] = product;
      base -= int64_t(first) * product;
      sum += product;
      product *= int64_t(last - first) + 1;
    }
    for (int j = 0; j <= D; j++) step[j] = sum - (D + 1) * (j < D ? stride[j] : 0);
  }
};

/// Finds the simplex around every pixel of a tile: its vertices' local numbers and barycentric weights.
template <int D>
void Lattice<D>::embed_tile(const Tiling& tiling, size_t index, const Features& features, const Keys& keys) {
  thread_local TileTable table;
  table.clear();
  const Tiling::Tile& tile = tiling.tiles[index];
  std::vector<uint64_t>& found = tile_keys_[index];
  found.clear();
  for (int64_t i = 0; i < tile.blocks(); i++) {
    const Tiling::Block block = tiling.block(tile, i);
    alignas(64) float input[D][kLanes];
    for (int lane = 0; lane < kLanes; lane++) {
      // Padding repeats the last pixel, so that it adds no vertex.
      const int x = block.x + std::min(lane, block.valid - 1);
      input[0][lane] = float(x);
      input[1][lane] = float(block.y);
      for (int c = 2; c < D; c++) input[c][lane] = features.rgb[(int64_t(block.y) * tiling.width + x) * 3 + c - 2];
    }
    F32x16 elevated[D + 1], sum{};
    for (int j = D; j >= 1; j--) {
      const F32x16 scaled = load16(input[j - 1]) / (j <= 2 ? features.sxy : features.srgb) * keys.scale[j - 1];
      elevated[j] = sum - scaled * float(j);
      sum += scaled;
    }
    elevated[0] = sum;

    // The nearest point whose coordinates are all multiples of D + 1, and the order of the distances to it.
    F32x16 nearest[D + 1], delta[D + 1], total{};
    for (int j = 0; j <= D; j++) {
      const F32x16 rounded = round_even(elevated[j] * (1.0f / (D + 1)));
      nearest[j] = rounded * float(D + 1);
      delta[j] = elevated[j] - nearest[j];
      total += rounded;
    }
    I32x16 rank[D + 1] = {};
    for (int a = 0; a < D; a++) {
      for (int b = a + 1; b <= D; b++) {
        const I32x16 less = delta[a] < delta[b];  // -1 where true
        rank[a] -= less;
        rank[b] += less + 1;
      }
    }
    // Coordinates must sum to zero: shift those that are out of range by D + 1.
    F32x16 sorted[D + 1] = {};
    I32x16 axis[D + 1] = {};
    for (int j = 0; j <= D; j++) {
      rank[j] += __builtin_convertvector(total, I32x16);
      const I32x16 below = rank[j] < 0, above = rank[j] > D;
      const I32x16 shift = (above & (D + 1)) - (below & (D + 1));
      rank[j] -= shift;
      nearest[j] -= __builtin_convertvector(shift, F32x16);
      const F32x16 distance = (elevated[j] - nearest[j]) * (1.0f / (D + 1));
      for (int r = 0; r <= D; r++) {
        const I32x16 here = rank[j] == r;
        sorted[r] = here ? distance : sorted[r];
        axis[r] |= here & j;
      }
    }
    alignas(64) float weight[D + 1][kLanes];
    store16(weight[0], sorted[D] + (1.0f - sorted[0]));
    for (int r = 1; r <= D; r++) store16(weight[r], sorted[D - r] - sorted[D + 1 - r]);
    alignas(64) int32_t corner[D + 1][kLanes];
    for (int r = 0; r <= D; r++) std::memcpy(corner[r], &axis[r], sizeof axis[r]);
    alignas(64) int32_t point[D][kLanes];
    for (int j = 0; j < D; j++) {
      const I32x16 coordinate = __builtin_convertvector(nearest[j], I32x16);
      std::memcpy(point[j], &coordinate, sizeof coordinate);
    }

    Pixel* out = pixels_.data() + block.index * kLanes;
    for (int lane = 0; lane < kLanes; lane++) {
      int64_t key = keys.base;
      for (int j = 0; j < D; j++) key += point[j][lane] * keys.stride[j];
      for (int r = 0; r <= D; r++) {
        out[lane].weight[r] = lane < block.valid ? weight[r][lane] : 0.0f;
        out[lane].vertex[r] = table.number(uint64_t(key), found);
        key += keys.step[corner[D - r][lane]];
      }
    }
  }
}

/// Numbers the vertices in the order in which the tiles meet them, which keeps neighbours near each other in memory.
template <int D>
void Lattice<D>::number_vertices() {
  constexpr size_t kAhead = 32;
  const auto total = size_t(local_total());
  uint64_t* keys = keys_.resize(total + 1);
  int32_t* global = to_global_.resize(total);
  int32_t* first = first_place_.resize(total + 1);
  unsorted_copies_.clear();
  int32_t count = 0, place = 0;
  for (const auto& tile : tile_keys_) {
    for (size_t i = 0; i < tile.size(); i++, place++) {
      if (i + kAhead < tile.size()) table_.prefetch(tile[i + kAhead]);
      const int32_t vertex = table_.insert(tile[i], count + 1);
      global[place] = vertex;
      if (vertex > count) {
        keys[++count] = tile[i];
        first[count] = place;
      } else {
        unsorted_copies_.push_back({vertex, place});
      }
    }
  }
  vertices_ = count;

  // Counting sort by vertex. begin[v + 1] counts up from the first place of v to that of v + 1.
  int32_t* begin = copies_begin_.resize(size_t(count) + 3);
  std::fill_n(begin, count + 3, 0);
  for (const Copy& copy : unsorted_copies_) begin[copy.vertex + 2]++;
  for (int32_t v = 1; v <= count; v++) begin[v + 2] += begin[v + 1];
  Copy* sorted = copies_.resize(unsorted_copies_.size());
  for (const Copy& copy : unsorted_copies_) sorted[begin[copy.vertex + 1]++] = copy;
}

template <int D>
void Lattice<D>::find_neighbours(const Keys& keys, const ParallelFor& parallel) {
  constexpr int64_t kAhead = 64;
  const int64_t stride = vertices_ + 1;
  Pair* pairs = neighbours_.resize(size_t(stride * (D + 1)));
  parallel(stride * (D + 1), kRowGrain,
           [&](int64_t begin, int64_t end) { std::fill(pairs + begin, pairs + end, Pair{0, 0}); });
  parallel(vertices_, kRowGrain, [&](int64_t begin, int64_t end) {
    for (int axis = 0; axis <= D; axis++) {
      Pair* along = pairs + axis * stride;
      const auto step = uint64_t(keys.step[axis]);
      for (int64_t v = begin + 1; v <= end; v++) {
        if (v + kAhead <= end) table_.prefetch(keys_[size_t(v + kAhead)] - step);
        // Who is before whom is mutual, so one search finds both directions; no two vertices write to one place.
        const int32_t before = table_.find(keys_[size_t(v)] - step);
        along[v].before = before;
        if (before) along[before].after = int32_t(v);
      }
    }
  });
}

template <int D>
void Lattice<D>::build(const Tiling& tiling, const Features& features, const ParallelFor& parallel) {
  const Keys keys(tiling, features);
  const size_t tiles = tiling.tiles.size();
  pixels_.resize(size_t(tiling.blocks) * kLanes);
  tile_keys_.resize(tiles);
  parallel(int64_t(tiles), 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) embed_tile(tiling, size_t(t), features, keys);
  });
  tile_begin_.assign(1, 0);
  local_max_ = 0;
  for (const auto& tile : tile_keys_) {
    tile_begin_.push_back(tile_begin_.back() + int64_t(tile.size()));
    local_max_ = std::max(local_max_, int64_t(tile.size()));
  }
  table_.reset(local_total(), parallel);
  number_vertices();
  find_neighbours(keys, parallel);
}

template <int D>
void Lattice<D>::normalise(const Tiling& tiling, float compat, const ParallelFor& parallel) {
  Plane<float> plane(ones_, *this);
  const auto tiles = int64_t(tiling.tiles.size());
  parallel(tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      float* sums = plane.partial + local_begin(size_t(t));
      std::fill_n(sums, local_count(size_t(t)), 0.0f);
      const Pixel* pixel = pixels_.data() + tiling.tiles[size_t(t)].first_block * kLanes;
      for (int64_t i = 0; i < tiling.tiles[size_t(t)].blocks() * kLanes; i++)
        for (int r = 0; r <= D; r++) sums[pixel[i].vertex[r]] += pixel[i].weight[r];
    }
  });
  smooth(*this, plane, parallel);
  const float alpha = 1.0f / (1.0f + std::ldexp(1.0f, -D));
  const float gain = std::sqrt(alpha * compat);
  parallel(tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) {
      const int32_t* global = globals(size_t(t));
      Pixel* pixel = pixels_.data() + tiling.tiles[size_t(t)].first_block * kLanes;
      for (int64_t i = 0; i < tiling.tiles[size_t(t)].blocks() * kLanes; i++) {
        float sum = 0;
        for (int r = 0; r <= D; r++) sum += pixel[i].weight[r] * plane.values[global[pixel[i].vertex[r]]];
        const float scale = gain / std::sqrt(alpha * sum + 1e-20f);
        for (int r = 0; r <= D; r++) pixel[i].weight[r] *= scale;
      }
    }
  });
}

template class Lattice<2>;
template class Lattice<5>;

}  // namespace csrm
