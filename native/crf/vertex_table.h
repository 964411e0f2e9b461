// Hash tables from lattice keys to vertex numbers: a small one for a tile, a large one for the image. Key 0 marks a free
// slot.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "buffer.h"
#include "tiling.h"

namespace csrm {

/// Fibonacci hashing: the high bits of a product with 2^64 / golden ratio.
inline size_t slot_of(uint64_t key, int shift) { return size_t((key * 0x9E3779B97F4A7C15ull) >> shift); }

/// Numbers the vertices of one tile from 0, in the order in which its pixels meet them. 16 bits are enough.
class TileTable {
 public:
  TileTable() : keys_(kMask + 1), numbers_(kMask + 1) {}

  void clear() { std::fill(keys_.begin(), keys_.end(), 0); }

  /// The number of key; a new key is appended to `found`.
  uint16_t number(uint64_t key, std::vector<uint64_t>& found) {
    size_t slot = slot_of(key, 64 - kBits);
    while (keys_[slot] != key) {
      if (keys_[slot] == 0) {
        keys_[slot] = key;
        numbers_[slot] = uint16_t(found.size());
        found.push_back(key);
        break;
      }
      slot = (slot + 1) & kMask;
    }
    return numbers_[slot];
  }

 private:
  static constexpr int kBits = 15, kMostCorners = 6;
  static constexpr size_t kMask = (size_t(1) << kBits) - 1;
  static_assert(size_t(Tiling::kSide) * Tiling::kSide * kMostCorners < kMask, "a tile's vertices must fit, with room");
  std::vector<uint64_t> keys_;
  std::vector<uint16_t> numbers_;
};

/// Vertex numbers (from 1) of a whole image; 0 = not there.
class VertexTable {
 public:
  /// Empties the table and makes room for so many insertions at a load of two thirds or less.
  void reset(int64_t at_most, const ParallelFor& parallel) {
    int bits = 4;
    while ((int64_t(1) << bits) < at_most + at_most / 2) bits++;
    shift_ = 64 - bits;
    mask_ = (size_t(1) << bits) - 1;
    Slot* slots = slots_.resize(mask_ + 1);
    parallel(int64_t(1) << bits, kRowGrain,
             [&](int64_t begin, int64_t end) { std::fill(slots + begin, slots + end, Slot{0, 0}); });
  }

  void prefetch(uint64_t key) const { __builtin_prefetch(slots_.data() + slot_of(key, shift_)); }

  int32_t find(uint64_t key) const {
    size_t slot = slot_of(key, shift_);
    while (slots_[slot].key != key) {
      if (slots_[slot].key == 0) return 0;
      slot = (slot + 1) & mask_;
    }
    return slots_[slot].number;
  }

  /// The number of key, which becomes `fresh` if it was not there.
  int32_t insert(uint64_t key, int32_t fresh) {
    size_t slot = slot_of(key, shift_);
    while (slots_[slot].key != key) {
      if (slots_[slot].key == 0) {
        slots_[slot] = {key, fresh};
        return fresh;
      }
      slot = (slot + 1) & mask_;
    }
    return slots_[slot].number;
  }

 private:
  struct Slot {
    uint64_t key;
    int32_t number;
  };
  Buffer<Slot> slots_;
  size_t mask_ = 0;
  int shift_ = 0;
};

}  // namespace csrm
