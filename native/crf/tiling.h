// Square tiles of an image, each stored as short rows of pixels that are worked on together.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "simd.h"

namespace csrm {

/// Pixels are ordered tile after tile; a tile is made of blocks of kLanes pixels of one row, of which the last in each
/// row may be padded. 64 pixels square keep a tile's lattice vertices in the second-level cache (32 and 128 were slower).
struct Tiling {
  static constexpr int kSide = 64;
  struct Tile {
    int y0, x0, rows, columns, blocks_per_row;
    int64_t first_block;
    int64_t blocks() const { return int64_t(rows) * blocks_per_row; }
  };
  struct Block {
    int64_t index;  // in the order of all blocks
    int y, x, valid;
  };

  Tiling(int height, int width) : height(height), width(width) {
    for (int y = 0; y < height; y += kSide) {
      for (int x = 0; x < width; x += kSide) {
        const int rows = std::min(kSide, height - y), columns = std::min(kSide, width - x);
        tiles.push_back({y, x, rows, columns, (columns + kLanes - 1) / kLanes, blocks});
        blocks += tiles.back().blocks();
      }
    }
  }

  /// The i-th block of a tile.
  Block block(const Tile& tile, int64_t i) const {
    const int row = int(i / tile.blocks_per_row), x = int(i % tile.blocks_per_row) * kLanes;
    return {tile.first_block + i, tile.y0 + row, tile.x0 + x, std::min(tile.columns - x, kLanes)};
  }

  int height, width;
  int64_t blocks = 0;
  std::vector<Tile> tiles;
};

}  // namespace csrm
