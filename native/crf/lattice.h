// The permutohedral lattice (Adams, Baek, Davis 2010) over the pixels of one image, laid out in tiles so that every
// step runs in parallel and gives the same bits whatever the number of threads.
#pragma once

#include <cstdint>
#include <vector>

#include "buffer.h"
#include "tiling.h"
#include "vertex_table.h"

namespace csrm {

/// The position of a pixel in feature space: (x, y) / sxy, and with rgb (three bytes a pixel) also colour / srgb.
struct Features {
  float sxy;
  const uint8_t* rgb = nullptr;
  float srgb = 1;
};

/// Memory for the value rows, of whatever type, of one lattice.
struct PlaneMemory {
  Memory partial, values, next;
};

/// A lattice of D-dimensional features. Vertices are numbered from 1; row 0 of every value array is zero and stands for
/// vertices that do not exist. A pixel names its D + 1 vertices by their number within its tile ("local").
template <int D>
class Lattice {
 public:
  struct Pixel {
    float weight[D + 1];
    uint16_t vertex[D + 1];
  };
  struct Pair {
    int32_t before, after;
  };
  struct Copy {
    int32_t vertex, place;
  };

  /// Throws std::invalid_argument if the features span more cells than a key can number.
  void build(const Tiling& tiling, const Features& features, const ParallelFor& parallel);

  /// Scales the weights so that splat, blur and slice together are compat * N K N with N = (K 1)^(-1/2).
  void normalise(const Tiling& tiling, float compat, const ParallelFor& parallel);

  int64_t vertices() const { return vertices_; }
  const Pixel* pixels(int64_t block) const { return pixels_.data() + block * kLanes; }

  /// The places of a tile's local vertices in the concatenation over all tiles.
  int64_t local_begin(size_t tile) const { return tile_begin_[tile]; }
  int64_t local_count(size_t tile) const { return tile_begin_[tile + 1] - tile_begin_[tile]; }
  int64_t local_total() const { return tile_begin_.back(); }
  int64_t local_max() const { return local_max_; }
  /// Vertex numbers of a tile's local vertices.
  const int32_t* globals(size_t tile) const { return to_global_.data() + tile_begin_[tile]; }

  /// Vertex v is at place first_places()[v], in the first tile that has it; in which other tiles it is too tell
  /// copies()[copies_begin()[v] .. copies_begin()[v + 1]], in the order of the tiles.
  const int32_t* first_places() const { return first_place_.data(); }
  const int32_t* copies_begin() const { return copies_begin_.data(); }
  const Copy* copies() const { return copies_.data(); }

  /// Neighbours of every vertex along one axis; entry 0 is unused.
  const Pair* neighbours(int axis) const { return neighbours_.data() + int64_t(axis) * (vertices_ + 1); }

 private:
  struct Keys;
  void embed_tile(const Tiling& tiling, size_t tile, const Features& features, const Keys& keys);
  void number_vertices();
  void find_neighbours(const Keys& keys, const ParallelFor& parallel);

  int64_t vertices_ = 0, local_max_ = 0;
  Buffer<Pixel> pixels_;
  std::vector<std::vector<uint64_t>> tile_keys_;
  std::vector<int64_t> tile_begin_;
  Buffer<int32_t> to_global_, first_place_, copies_begin_;
  Buffer<Copy> copies_;
  std::vector<Copy> unsorted_copies_;
  Buffer<Pair> neighbours_;
  Buffer<uint64_t> keys_;
  VertexTable table_;
  PlaneMemory ones_;
};

extern template class Lattice<2>;
extern template class Lattice<5>;

}  // namespace csrm
