// Mean-field inference in a fully connected CRF with a Gaussian and a bilateral kernel (Kraehenbuehl and Koltun 2011).
#pragma once

#include <cstdint>
#include <vector>

#include "lattice.h"

namespace csrm {

/// Kernel widths (in pixels and in colour steps of 0..255), Potts weights (0 = without that kernel), mean-field updates.
struct CrfParams {
  float gaussian_sxy, gaussian_compat;
  float bilateral_sxy, bilateral_srgb, bilateral_compat;
  int64_t iterations;
};

/// Several unaries of one image: energies or hard labelings; exactly one of the two pointers is set.
struct CrfUnaries {
  int count = 1;   // U
  int labels = 1;  // n, over which the softmax runs
  int rows = 1;    // L >= n, planes an unary has in energies and q
  const float* energies = nullptr;     // [U, L, H, W], -log p
  const uint8_t* labelings = nullptr;  // [U, H, W], values below n
  float boost = 0;                     // of a labeling: the other labels' energy minus the given label's
};

/// Where the result goes; either may be null.
struct CrfOutput {
  float* q = nullptr;         // [U, L, H, W]; planes n..L-1 are left alone
  uint8_t* argmax = nullptr;  // [U, H, W]; the lowest label on ties
};

/// Memory and lattices for one image at a time. An engine that is used again saves making both anew: all of its memory,
/// and the Gaussian kernel's lattice as long as size and kernel stay.
class CrfEngine {
 public:
  void configure(int height, int width, const CrfParams& params);
  bool is_configured(int height, int width) const { return tiling_.height == height && tiling_.width == width; }

  /// rgb: [H, W, 3]. Throws std::invalid_argument for kernels too narrow for the lattice's numbers.
  void run(const uint8_t* rgb, const CrfUnaries& unaries, const CrfOutput& output, const ParallelFor& parallel);

 private:
  template <class Row>
  void mean_field(const CrfUnaries& unaries, const CrfOutput& output, const ParallelFor& parallel);

  Tiling tiling_{0, 0};
  CrfParams params_{};
  Lattice<2> gaussian_;
  Lattice<5> bilateral_;
  bool gaussian_built_ = false;
  std::vector<PlaneMemory> gaussian_memory_, bilateral_memory_;
};

}  // namespace csrm
