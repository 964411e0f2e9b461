// csrm::lattice_build and csrm::lattice_filter: src/refine/tensor-lattice.ts's lattice on a GPU, in a few kernels instead of some hundred
// operators, with a hash table in place of sorting.
#include <ATen/ATen.h>
#include <torch/library.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>
#include <utility>

#include "program.h"

namespace csrm::cuda {

namespace {

constexpr int64_t kMostFeatures = 5;

#define KERNELS(...) #__VA_ARGS__
const std::string kProgram = std::string(kPrelude) +
#include "lattice_kernels.h"
    ;
#undef KERNELS
#define KERNELS(...) __VA_ARGS__
#include "lattice_kernels.h"
#define RUN(kernel, ...) run(kProgram.c_str(), #kernel, kernel, __VA_ARGS__)

uint64* unsigned_data(const at::Tensor& tensor) { return reinterpret_cast<uint64*>(tensor.data_ptr<int64_t>()); }

std::tuple<at::Tensor, at::Tensor, at::Tensor> build(const at::Tensor& features_in, int64_t grouped, at::ArrayRef<double> scale,
                                                     at::IntArrayRef strides, at::IntArrayRef steps, int64_t base, int64_t span) {
  const at::Tensor features = features_in.contiguous();
  const int64_t d = int64_t(scale.size()), corners = d + 1;
  TORCH_CHECK(d == 2 || d == kMostFeatures, "expected 2 or 5 features, got ", d);
  TORCH_CHECK(features.scalar_type() == at::kFloat && features.dim() == 2 && features.size(1) == d, "expected float32 features [P, ", d,
              "], got ", features.scalar_type(), " ", features.sizes());
  TORCH_CHECK(int64_t(strides.size()) == d && int64_t(steps.size()) == corners && grouped >= 1, "expected a numbering of ", d, " features");
  const int64_t points = features.size(0);
  TORCH_CHECK(points >= 1 && points * corners < (int64_t(1) << 30), "expected 1 to 2^30 corners, got ", points * corners);
  Numbering n{};
  std::copy(scale.begin(), scale.end(), n.scale);
  std::copy(strides.begin(), strides.end(), n.strides);
  std::copy(steps.begin(), steps.end(), n.steps);
  n.base = base, n.span = span;

  int64_t size = 1024;  // of the hash table: at most half full
  while (size < 2 * points * corners) size *= 2;
  const auto mask = unsigned(size - 1);
  const at::Device device = features.device();
  const auto ints = features.options().dtype(at::kInt), longs = features.options().dtype(at::kLong);
  const at::Tensor table = at::full({size}, -1, longs), vertices = at::empty({corners, points}, ints);
  const at::Tensor weights = at::empty({corners, points}, features.options());
  const auto embed = [&](const char* name, auto kernel) {
    run(kProgram.c_str(), name, kernel, device, points, features.data_ptr<float>(), points, grouped, n, unsigned_data(table), mask,
        vertices.data_ptr<int>(), weights.data_ptr<float>());
  };
  d == 2 ? embed("embed2", embed2) : embed("embed5", embed5);
  const at::Tensor numbers = at::empty({size}, ints), keys = at::empty({points * corners}, longs), counted = at::zeros({1}, ints);
  RUN(number, device, size, unsigned_data(table), size, numbers.data_ptr<int>(), unsigned_data(keys), counted.data_ptr<int>());
  RUN(renumber, device, vertices.numel(), vertices.data_ptr<int>(), vertices.numel(), numbers.data_ptr<int>());
  const int count = counted.item<int>();
  const at::Tensor neighbours = at::empty({corners, 2, count + 1}, ints);
  RUN(neighbour, device, neighbours.numel(), unsigned_data(table), mask, numbers.data_ptr<int>(), unsigned_data(keys), count, int(corners), n,
      neighbours.data_ptr<int>());
  return {vertices, weights, neighbours};
}

at::Tensor filter(const at::Tensor& values_in, const at::Tensor& vertices, const at::Tensor& weights, const at::Tensor& neighbours) {
  const at::Tensor values = values_in.contiguous();
  TORCH_CHECK(values.scalar_type() == at::kFloat && values.dim() == 2, "expected float32 values [c, P], got ", values.scalar_type(), " ",
              values.sizes());
  const int64_t points = values.size(1), corners = vertices.size(0), length = neighbours.size(2);
  const auto fits = [&](const at::Tensor& given, at::ScalarType type) {
    return given.scalar_type() == type && given.is_contiguous() && given.device() == values.device();
  };
  TORCH_CHECK(fits(vertices, at::kInt) && fits(weights, at::kFloat) && fits(neighbours, at::kInt) && vertices.size(1) == points &&
                  weights.sizes() == vertices.sizes() && neighbours.size(0) == corners && neighbours.size(1) == 2,
              "expected a lattice of ", points, " points on ", values.device());
  const int channels = int(values.size(0));
  const at::Device device = values.device();
  at::Tensor sums = at::zeros({length, channels}, values.options()), other = at::empty_like(sums), out = at::empty_like(values);
  const int* places = vertices.data_ptr<int>();
  const float* shares = weights.data_ptr<float>();
  RUN(splat, device, points, values.data_ptr<float>(), channels, points, places, shares, int(corners), sums.data_ptr<float>());
  for (int64_t axis = 0; axis < corners; axis++) {
    const int* before = neighbours.data_ptr<int>() + axis * 2 * length;
    RUN(blur, device, length * channels, sums.data_ptr<float>(), other.data_ptr<float>(), channels, length, before, before + length);
    std::swap(sums, other);
  }
  // The blur's gain; it cancels against the normalisation's own.
  const float gain = 1 / (1 + std::pow(2.0f, float(1 - corners)));
  RUN(slice, device, points, sums.data_ptr<float>(), channels, points, places, shares, int(corners), gain, out.data_ptr<float>());
  return out;
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) {
  m.def(
      "lattice_build(Tensor features, int grouped, float[] scale, int[] strides, int[] steps, int base, int span) -> (Tensor, Tensor, Tensor)");
  m.def("lattice_filter(Tensor values, Tensor vertices, Tensor weights, Tensor neighbours) -> Tensor");
}
#define IMPLEMENT(key)              \
  TORCH_LIBRARY_IMPL(csrm, key, m) { \
    m.impl("lattice_build", build);  \
    m.impl("lattice_filter", filter); \
  }
IMPLEMENT(CPU)
IMPLEMENT(CUDA)

}  // namespace csrm::cuda
