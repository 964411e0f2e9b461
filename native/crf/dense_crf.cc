#include "dense_crf.h"

#include <algorithm>
#include <vector>

#include "filter.h"
#include "softmax.h"

namespace csrm {

namespace {

/// One kernel at work: its lattice and the value rows of all channels, in groups of as many as a Row holds.
template <int D, class Row>
class Kernel {
 public:
  /// With no groups every call does nothing, and the lattice, which need not be built then, is never read.
  Kernel(const Lattice<D>& lattice, std::vector<PlaneMemory>& memory, size_t groups) : lattice_(lattice) {
    if (memory.size() < groups) memory.resize(groups);
    for (size_t g = 0; g < groups; g++) planes_.emplace_back(memory[g], lattice);
  }

  /// Rows that a tile needs as scratch memory for each group.
  size_t scratch_rows() const { return planes_.empty() ? 0 : size_t(lattice_.local_max()); }

  /// Copies a tile's vertices next to each other, where its pixels read each of them many times.
  void fetch(size_t tile, Row* scratch) const {
    if (planes_.empty()) return;
    const int32_t* global = lattice_.globals(tile);
    const auto count = size_t(lattice_.local_count(tile));
    for (size_t g = 0; g < planes_.size(); g++)
      for (size_t i = 0; i < count; i++) scratch[g * scratch_rows() + i] = planes_[g].values[size_t(global[i])];
  }

  void clear_sums(size_t tile) {
    for (auto& plane : planes_) std::fill_n(sums(plane, tile), lattice_.local_count(tile), Row{});
  }

  /// Adds the kernel's messages to a block of pixels.
  void slice(int64_t block, const Row* scratch, size_t group, Row* out) const {
    if (planes_.empty()) return;
    const auto* pixel = lattice_.pixels(block);
    const Row* local = scratch + group * scratch_rows();
    for (int lane = 0; lane < kLanes; lane++) {
      Row sum = out[lane];
      for (int r = 0; r <= D; r++) sum += pixel[lane].weight[r] * local[pixel[lane].vertex[r]];
      out[lane] = sum;
    }
  }

  /// Adds a block of pixels to the sums of its tile.
  void splat(int64_t block, size_t tile, size_t group, const Row* in) {
    if (planes_.empty()) return;
    const auto* pixel = lattice_.pixels(block);
    Row* local = sums(planes_[group], tile);
    for (int lane = 0; lane < kLanes; lane++)
      for (int r = 0; r <= D; r++) local[pixel[lane].vertex[r]] += pixel[lane].weight[r] * in[lane];
  }

  void blur(const ParallelFor& parallel) {
    for (auto& plane : planes_) smooth(lattice_, plane, parallel);
  }

 private:
  Row* sums(const Plane<Row>& plane, size_t tile) const { return plane.partial + lattice_.local_begin(tile); }

  const Lattice<D>& lattice_;
  std::vector<Plane<Row>> planes_;
};

}  // namespace

void CrfEngine::configure(int height, int width, const CrfParams& params) {
  if (!is_configured(height, width)) {
    tiling_ = Tiling(height, width);
    gaussian_built_ = false;
  }
  gaussian_built_ = gaussian_built_ && params.gaussian_sxy == params_.gaussian_sxy &&
                    params.gaussian_compat == params_.gaussian_compat;
  params_ = params;
}

/// Everything between two blurs (slice, softmax, next splat) is one sweep over the pixels, which so never leave the cache.
template <class Row>
void CrfEngine::mean_field(const CrfUnaries& unaries, const CrfOutput& output, const ParallelFor& parallel) {
  constexpr int kWidth = sizeof(Row) / sizeof(float);
  const int channels = unaries.labels - 1;
  const auto groups = size_t((unaries.count * channels + kWidth - 1) / kWidth);
  const auto groups_of = [&](float compat) { return params_.iterations > 0 && compat > 0 ? groups : 0; };
  Kernel<2, Row> gaussian(gaussian_, gaussian_memory_, groups_of(params_.gaussian_compat));
  Kernel<5, Row> bilateral(bilateral_, bilateral_memory_, groups_of(params_.bilateral_compat));
  const Softmax softmax(unaries, output, tiling_);

  for (int64_t step = 0; step <= params_.iterations; step++) {
    const bool first = step == 0, last = step == params_.iterations;
    const LoopBody sweep = [&](int64_t begin, int64_t end) {
      thread_local Memory scratch;
      const size_t scratch_rows = (gaussian.scratch_rows() + bilateral.scratch_rows()) * groups;
      Row* const scratch_gaussian = static_cast<Row*>(scratch.reserve(scratch_rows * sizeof(Row)));
      Row* const scratch_bilateral = scratch_gaussian + gaussian.scratch_rows() * groups;
      std::vector<F32x16> message(groups * kWidth);
      for (auto t = size_t(begin); t < size_t(end); t++) {
        const Tiling::Tile& tile = tiling_.tiles[t];
        if (!first) gaussian.fetch(t, scratch_gaussian), bilateral.fetch(t, scratch_bilateral);
        if (!last) gaussian.clear_sums(t), bilateral.clear_sums(t);
        for (int64_t i = 0; i < tile.blocks(); i++) {
          const Tiling::Block block = tiling_.block(tile, i);
          for (size_t g = 0; g < groups; g++) {
            alignas(64) Row rows[kLanes] = {};
            if (!first) {
              gaussian.slice(block.index, scratch_gaussian, g, rows);
              bilateral.slice(block.index, scratch_bilateral, g, rows);
            }
            columns_first<kWidth>(rows, message.data() + g * kWidth);
          }
          for (int u = 0; u < unaries.count; u++) {
            if (last) softmax.finish(u, block, message.data() + u * channels);
            else softmax.update(u, block, message.data() + u * channels);
          }
          if (last) continue;
          for (size_t g = 0; g < groups; g++) {
            alignas(64) Row rows[kLanes];
            lanes_first<kWidth>(message.data() + g * kWidth, rows);
            gaussian.splat(block.index, t, g, rows);
            bilateral.splat(block.index, t, g, rows);
          }
        }
      }
    };
    parallel(int64_t(tiling_.tiles.size()), 1, sweep);
    if (last) break;
    gaussian.blur(parallel);
    bilateral.blur(parallel);
  }
}

void CrfEngine::run(const uint8_t* rgb, const CrfUnaries& unaries, const CrfOutput& output, const ParallelFor& parallel) {
  const int channels = unaries.count * (unaries.labels - 1);
  const bool filters = params_.iterations > 0 && channels > 0;
  if (filters && params_.gaussian_compat > 0 && !gaussian_built_) {
    gaussian_.build(tiling_, {params_.gaussian_sxy}, parallel);
    gaussian_.normalise(tiling_, params_.gaussian_compat, parallel);
    gaussian_built_ = true;
  }
  if (filters && params_.bilateral_compat > 0) {
    bilateral_.build(tiling_, {params_.bilateral_sxy, rgb, params_.bilateral_srgb}, parallel);
    bilateral_.normalise(tiling_, params_.bilateral_compat, parallel);
  }
  // The narrowest rows that waste the least: a row of 16 floats is one cache line, of which each lookup pays a whole one.
  if (channels <= 4) mean_field<F32x4>(unaries, output, parallel);
  else if (channels <= 8 || (channels > 16 && channels <= 24)) mean_field<F32x8>(unaries, output, parallel);
  else mean_field<F32x16>(unaries, output, parallel);
}

}  // namespace csrm
