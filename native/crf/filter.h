// Filtering of value rows on a lattice: partial sums of the tiles are merged into vertices, then blurred along every axis.
#pragma once

#include <utility>

#include "lattice.h"

namespace csrm {

/// Value rows of one lattice. Row is a float or a vector of them: the channels that are filtered together.
template <class Row>
struct Plane {
  Buffer<Row> partial;  // sums over the pixels of a tile, tile after tile (local vertices)
  Buffer<Row> values, next;

  template <int D>
  void resize(const Lattice<D>& lattice) {
    partial.resize(size_t(lattice.local_total()));
    values.resize(size_t(lattice.vertices()) + 1)[0] = Row{};
    next.resize(size_t(lattice.vertices()) + 1)[0] = Row{};
  }
};

/// Merges plane.partial and blurs it; afterwards plane.values holds the result for every vertex.
template <int D, class Row>
void smooth(const Lattice<D>& lattice, Plane<Row>& plane, const ParallelFor& parallel) {
  const int64_t count = lattice.vertices();
  parallel(count, kRowGrain, [&](int64_t begin, int64_t end) {
    const Row* partial = plane.partial.data();
    Row* values = plane.values.data();
    const int32_t* first = lattice.first_places();
    for (int64_t v = begin + 1; v <= end; v++) values[v] = partial[first[v]];
    const auto* copy = lattice.copies() + lattice.copies_begin()[begin + 1];
    const auto* last = lattice.copies() + lattice.copies_begin()[end + 1];
    for (; copy < last; copy++) values[copy->vertex] += partial[copy->place];
  });
  for (int axis = 0; axis <= D; axis++) {
    parallel(count, kRowGrain, [&](int64_t begin, int64_t end) {
      const auto* pairs = lattice.neighbours(axis);
      const Row* from = plane.values.data();
      Row* to = plane.next.data();
      for (int64_t v = begin + 1; v <= end; v++) to[v] = from[v] + 0.5f * (from[pairs[v].before] + from[pairs[v].after]);
    });
    std::swap(plane.values, plane.next);
  }
}

}  // namespace csrm
