// Filtering of value rows on a lattice: partial sums of the tiles are merged into vertices, then blurred along every axis.
#pragma once

#include <utility>

#include "lattice.h"

namespace csrm {

/// Value rows of one lattice. Row is a float or a vector of them: the channels that are filtered together.
template <class Row>
struct Plane {
  Row* partial;  // sums over the pixels of a tile, tile after tile (local vertices)
  Row* values;
  Row* next;

  template <int D>
  Plane(PlaneMemory& memory, const Lattice<D>& lattice)
      : partial(static_cast<Row*>(memory.partial.reserve(sizeof(Row) * size_t(lattice.local_total())))),
        values(static_cast<Row*>(memory.values.reserve(sizeof(Row) * size_t(lattice.vertices() + 1)))),
        next(static_cast<Row*>(memory.next.reserve(sizeof(Row) * size_t(lattice.vertices() + 1)))) {
    values[0] = next[0] = Row{};
  }
};

/// Merges plane.partial and blurs it; afterwards plane.values holds the result for every vertex.
template <int D, class Row>
void smooth(const Lattice<D>& lattice, Plane<Row>& plane, const ParallelFor& parallel) {
  const int64_t count = lattice.vertices();
  parallel(count, kRowGrain, [&](int64_t begin, int64_t end) {
    const Row* partial = plane.partial;
    Row* values = plane.values;
    const int32_t* first = lattice.first_places();
    for (int64_t v = begin + 1; v <= end; v++) values[v] = partial[first[v]];
    const auto* copy = lattice.copies() + lattice.copies_begin()[begin + 1];
    const auto* last = lattice.copies() + lattice.copies_begin()[end + 1];
    for (; copy < last; copy++) values[copy->vertex] += partial[copy->place];
  });
  for (int axis = 0; axis <= D; axis++) {
    parallel(count, kRowGrain, [&](int64_t begin, int64_t end) {
      const auto* pairs = lattice.neighbours(axis);
      const Row* from = plane.values;
      Row* to = plane.next;
      for (int64_t v = begin + 1; v <= end; v++) to[v] = from[v] + 0.5f * (from[pairs[v].before] + from[pairs[v].after]);
    });
    std::swap(plane.values, plane.next);
  }
}

}  // namespace csrm
