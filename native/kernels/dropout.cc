// csrm::dropout: libtorch's CPU kernel draws from one generator value after value, which takes ten times as long as the rest. Here the
// generator gives one seed, and what becomes of a value follows from seed and place by hashing: in vectors, the same for any number of
// threads, and again at backward without a mask being kept.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <algorithm>
#include <mutex>

#include "numbers.h"

namespace {

using namespace csrm;

constexpr int64_t kSegment = 1 << 16;  // values with keys of their own

// Integer hashes with little bias: Steele et al.'s SplitMix64, Wellons' lowbias32.
inline uint64_t mixed_seed(uint64_t h) {
  h = (h ^ (h >> 30)) * 0xBF58476D1CE4E5B9ull;
  h = (h ^ (h >> 27)) * 0x94D049BB133111EBull;
  return h ^ (h >> 31);
}
inline uint32_t mixed(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x7FEB352Du;
  h = (h ^ (h >> 15)) * 0x846CA68Bu;
  return h ^ (h >> 16);
}

template <class T>
void drop(const T* __restrict x, T* __restrict y, int64_t n, uint32_t first, uint32_t second, uint32_t threshold, Wide<T> scale) {
  for (int64_t i = 0; i < n; ++i) {
    const uint32_t drawn = mixed(mixed(uint32_t(i) + first) ^ second);
    narrowed(drawn >= threshold ? widened(x[i]) * scale : Wide<T>(0), y[i]);
  }
}

/// Values in the order of memory, which must be without holes.
at::Tensor dropped(const at::Tensor& x, double p, int64_t seed) {
  at::Tensor y = at::empty_like(x);
  const auto threshold = uint32_t(std::min(p * 4294967296.0, 4294967295.0));
  const int64_t n = x.numel();
  for_dtype(x, [&](auto zero) {
    using T = decltype(zero);
    const auto scale = Wide<T>(p < 1 ? 1 / (1 - p) : 0);
    const T* from = x.data_ptr<T>();
    T* to = y.data_ptr<T>();
    at::parallel_for(0, (n + kSegment - 1) / kSegment, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        const uint64_t keys = mixed_seed(uint64_t(seed) + uint64_t(s + 1) * 0x9E3779B97F4A7C15ull);
        const int64_t at = s * kSegment;
        drop(from + at, to + at, std::min(kSegment, n - at), uint32_t(keys), uint32_t(keys >> 32), threshold, scale);
      }
    });
  });
  return y;
}

at::Tensor without_holes(const at::Tensor& x) { return x.is_non_overlapping_and_dense() ? x : x.contiguous(); }

int64_t draw_seed() {
  at::Generator generator = at::detail::getDefaultCPUGenerator();
  std::lock_guard<std::mutex> lock(generator.mutex());
  return int64_t(at::check_generator<at::CPUGeneratorImpl>(generator)->random64());
}

void check(double p) { TORCH_CHECK(p >= 0 && p <= 1, "expected a probability in 0..1, got ", p); }

at::Tensor dropout_cpu(const at::Tensor& x, double p) {
  check(p);
  return dropped(without_holes(x), p, draw_seed());
}

struct Dropout : torch::autograd::Function<Dropout> {
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x, double p, int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor dense = without_holes(x);
    context->saved_data["p"] = p;
    context->saved_data["seed"] = seed;
    context->saved_data["strides"] = dense.strides().vec();
    return dropped(dense, p, seed);
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list incoming) {
    // The gradient of dropping is dropping the same places, which so is differentiable itself.
    const at::Tensor& gradient = incoming[0];
    const auto strides = context->saved_data["strides"].toIntVector();
    at::Tensor ordered = gradient;
    if (gradient.strides() != at::IntArrayRef(strides)) {
      ordered = at::empty_strided(gradient.sizes(), strides, gradient.options());
      ordered.copy_(gradient);
    }
    return {apply(ordered, context->saved_data["p"].toDouble(), context->saved_data["seed"].toInt()), at::Tensor(), at::Tensor()};
  }
};

at::Tensor dropout_autograd(const at::Tensor& x, double p) {
  check(p);
  return Dropout::apply(x, p, draw_seed());
}

}  // namespace

TORCH_LIBRARY_FRAGMENT(csrm, m) { m.def("dropout(Tensor x, float p) -> Tensor"); }
TORCH_LIBRARY_IMPL(csrm, CPU, m) { m.impl("dropout", dropout_cpu); }
TORCH_LIBRARY_IMPL(csrm, Autograd, m) { m.impl("dropout", dropout_autograd); }
