// The mean-field update of one block of pixels: messages plus unary energies in, probabilities out.
#pragma once

#include <cstdint>

#include "dense_crf.h"
#include "simd.h"
#include "tiling.h"

namespace csrm {

/// Only differences to the last label's energy enter a softmax, so n - 1 channels an unary are filtered, not n: channel l
/// holds Q_l - Q_last, and filtering it, which is linear, gives the difference of the two labels' messages.
class Softmax {
 public:
  Softmax(const CrfUnaries& unaries, const CrfOutput& output, const Tiling& tiling)
      : in_(unaries), out_(output), width_(tiling.width), pixels_(int64_t(tiling.height) * tiling.width) {}

  /// message: n - 1 vectors of kLanes pixels, replaced by the new Q_l - Q_last.
  void update(int unary, const Tiling::Block& block, F32x16* message) const {
    const F32x16 top = add_priors(unary, block, message, nullptr);
    const F32x16 base = exp_nonpositive(-top);
    const F32x16 scale = 1.0f / exponentials(message, top, base);
    for (int l = 0; l < in_.labels - 1; l++) message[l] = (message[l] - base) * scale;
  }

  /// The last update: writes the best labels and Q to where they are wanted.
  void finish(int unary, const Tiling::Block& block, F32x16* message) const {
    const int last = in_.labels - 1;
    const int64_t at = int64_t(block.y) * width_ + block.x;
    I32x16 best;
    const F32x16 top = add_priors(unary, block, message, &best);
    if (out_.argmax) {
      uint8_t* to = out_.argmax + unary * pixels_ + at;
      for (int lane = 0; lane < block.valid; lane++) to[lane] = uint8_t(best[lane]);
    }
    if (!out_.q) return;
    const F32x16 base = exp_nonpositive(-top);
    const F32x16 scale = 1.0f / exponentials(message, top, base);
    for (int l = 0; l <= last; l++) {
      float q[kLanes];
      store16(q, (l < last ? message[l] : base) * scale);
      copy_lanes(out_.q + (int64_t(unary) * in_.rows + l) * pixels_ + at, q, block.valid);
    }
  }

 private:
  /// Adds -U_l + U_last to the messages. Returns the largest of the sums and of the last label's, which is 0.
  F32x16 add_priors(int unary, const Tiling::Block& block, F32x16* message, I32x16* best) const {
    F32x16 top{};
    I32x16 index = I32x16{} + (in_.labels - 1);
    for (int l = in_.labels - 2; l >= 0; l--) {  // downwards, so that the lowest label wins ties
      message[l] += in_.labelings ? prior_of_labels(unary, l, block) : prior_of_energies(unary, l, block);
      index = message[l] >= top ? I32x16{} + l : index;
      top = max(top, message[l]);
    }
    if (best) *best = index;
    return top;
  }

  /// Replaces the sums by their exponentials; returns the total with the last label's.
  F32x16 exponentials(F32x16* message, F32x16 top, F32x16 base) const {
    F32x16 sum = base;
    for (int l = 0; l < in_.labels - 1; l++) {
      message[l] = exp_nonpositive(message[l] - top);
      sum += message[l];
    }
    return sum;
  }

  F32x16 prior_of_labels(int unary, int label, const Tiling::Block& block) const {
    uint8_t given[kLanes] = {};
    copy_lanes(given, in_.labelings + unary * pixels_ + int64_t(block.y) * width_ + block.x, block.valid);
    const I32x16 labels = widen16(given);
    const F32x16 boost = broadcast(in_.boost), none{};
    return (labels == label ? boost : none) - (labels == in_.labels - 1 ? boost : none);
  }

  F32x16 prior_of_energies(int unary, int label, const Tiling::Block& block) const {
    const float* energies = in_.energies + int64_t(unary) * in_.rows * pixels_ + int64_t(block.y) * width_ + block.x;
    float own[kLanes] = {}, last[kLanes] = {};
    copy_lanes(own, energies + label * pixels_, block.valid);
    copy_lanes(last, energies + (in_.labels - 1) * pixels_, block.valid);
    return load16(last) - load16(own);
  }

  const CrfUnaries& in_;
  const CrfOutput& out_;
  const int64_t width_, pixels_;
};

}  // namespace csrm
